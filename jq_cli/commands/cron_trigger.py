"""`jq cron trigger`: make the jobs of schedules now."""

import click

from jq_cli.cli import options, suggestions
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.cli.targets import Targets
from jq_cli.cron.schedules import Schedules

HELP = """Make the job of each schedule now, beside its ticks, and print its id. Paused schedules can be triggered. A schedule
whose jobs may not overlap is refused (exit 4) while its last job has not ended, unless forced."""


@options.command("trigger", HELP)
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=suggestions.schedules)
@click.option("--force", is_flag=True, help="Even while the last job has not ended.")
@pass_session
def command(session: Session, names: tuple[str, ...], force: bool) -> None:
    """Trigger each."""
    targets = Targets()
    with session.client() as client:
        schedules = Schedules(client.backend, session.settings)
        targets.each(names, lambda name: print(schedules.trigger(name, force=force).id))
    targets.end()
