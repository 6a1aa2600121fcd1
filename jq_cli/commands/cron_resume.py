"""`jq cron resume`: let schedules fire again."""

import click

from jq_cli.cli import options, suggestions
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session, say
from jq_cli.cli.targets import Targets
from jq_cli.cron.schedules import Schedules

HELP = """Let schedules fire again, from their next tick on. What came due while they were paused never fires."""


@options.command("resume", HELP)
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=suggestions.schedules)
@pass_session
def command(session: Session, names: tuple[str, ...]) -> None:
    """Resume each and say when it fires next."""
    targets = Targets()
    with session.client() as client:
        schedules = Schedules(client.backend, session.settings)

        def resume(name: str) -> None:
            schedules.resume(name)
            say(f"schedule {name} {schedules.told(name)} (store: {client.backend.url})")

        targets.each(names, resume)
    targets.end()
