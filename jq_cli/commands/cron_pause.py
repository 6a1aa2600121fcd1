"""`jq cron pause`: stop schedules."""

import click

from jq_cli.cli import options, suggestions
from jq_cli.cli.confirm import confirm_in_production
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session, say
from jq_cli.cli.targets import Targets
from jq_cli.cron.schedules import Schedules
from jq_cli.pausing import check_reason

HELP = """Stop schedules, those of configuration files too, on all hosts, until `jq cron resume`. Jobs that were
made already run."""


@options.command("pause", HELP)
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=suggestions.schedules)
@click.option("--reason", default="", metavar="TEXT", help="Why, for others to read.")
@click.option("--yes", is_flag=True, help="Do not ask in production.")
@pass_session
def command(session: Session, names: tuple[str, ...], reason: str, yes: bool) -> None:
    """Pause each."""
    check_reason(reason)
    confirm_in_production(session, f"pause schedules {', '.join(names)}", yes=yes)
    targets = Targets()
    with session.client() as client:
        schedules = Schedules(client.backend, session.settings)

        def pause(name: str) -> None:
            schedules.pause(name, reason=reason, by=session.who)
            say(f"schedule {name} is paused (store: {client.backend.url})")

        targets.each(names, pause)
    targets.end()
