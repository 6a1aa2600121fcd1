"""`jq cron rm`: remove schedules of the store."""

import click

from jq_cli.cli import options, suggestions
from jq_cli.cli.confirm import confirm_in_production
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session, say
from jq_cli.cli.targets import Targets
from jq_cli.cron.schedules import Schedules

HELP = """Remove schedules. The jobs they made stay. A schedule of the configuration file is removed there; what the file of
another host left in the store can be removed here, and comes back while a scheduler with that file runs."""


@options.command("rm", HELP)
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=suggestions.schedules)
@click.option("--yes", is_flag=True, help="Do not ask in production.")
@pass_session
def command(session: Session, names: tuple[str, ...], yes: bool) -> None:
    """Remove each."""
    confirm_in_production(session, f"remove schedules {', '.join(names)}", yes=yes)
    targets = Targets()
    with session.client() as client:
        schedules = Schedules(client.backend, session.settings)

        def remove(name: str) -> None:
            schedules.remove(name)
            say(f"schedule {name} is removed (store: {client.backend.url})")

        targets.each(names, remove)
    targets.end()
