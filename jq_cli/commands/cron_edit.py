"""`jq cron edit`: change a schedule of the store."""

from typing import Any

import click

from jq_cli.cli import options, suggestions
from jq_cli.cli.confirm import confirm_in_production
from jq_cli.cli.options import pass_session
from jq_cli.cli.schedule_options import schedule_fields, schedule_options
from jq_cli.cli.session import Session, say
from jq_cli.cron.schedule import JOB_OPTIONS
from jq_cli.cron.schedules import Schedules
from jq_cli.errors import UsageError

HELP = """Change a schedule that was added with `jq cron add`. What is not named stays as it is.

Nothing of the past fires: a new expression or time zone holds from now on. A schedule of the configuration file is changed there.
"""


@options.command("edit", HELP)
@click.argument("name", shell_complete=suggestions.schedules)
@click.option("--cron", metavar="CRON", help="The expression, in quotes.")
@click.option("--queue", metavar="QUEUE", shell_complete=suggestions.queues, help="Where its jobs go.")
@click.option("--payload", metavar="JSON", help="The payload of its jobs.")
@schedule_options
@click.option("--unset", multiple=True, type=click.Choice(JOB_OPTIONS), help="Leave this to the queue again.")
@click.option("--yes", is_flag=True, help="Do not ask in production.")
@pass_session
def command(session: Session, /, name: str, unset: tuple[str, ...], yes: bool, **given: Any) -> None:
    """Change it and say when it fires next."""
    changes: dict[str, Any] = dict.fromkeys(unset) | schedule_fields(given, session.settings.max_payload)
    if not changes:
        raise UsageError("name what to change, such as --cron or --payload")
    confirm_in_production(session, f"change schedule {name}", yes=yes)
    with session.client() as client:
        schedules = Schedules(client.backend, session.settings)
        schedules.edit(name, changes)
        say(f"schedule {name} {schedules.told(name)} (store: {client.backend.url})")
