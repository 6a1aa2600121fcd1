"""`jq queue set`: how many jobs of queues may run at once."""

import click

from jq_cli.cli import options, suggestions
from jq_cli.cli.confirm import confirm_in_production
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session, say
from jq_cli.cli.targets import Targets
from jq_cli.errors import NotFound
from jq_cli.limits import set_limit

HELP = """Limit how many jobs of queues run at once, over all workers. After this command has ended no worker gets a job beyond
the limit; jobs that run already go on.

It holds until it is set again, or until a pool starts whose configuration has another `max_running` than the one known now."""


@options.command("set", HELP)
@click.argument("queues", nargs=-1, required=True, metavar="QUEUE...", shell_complete=suggestions.queues)
@click.option("--max-running", required=True, type=click.IntRange(0, 1_000_000), metavar="N", help="0: no limit.")
@click.option("--yes", is_flag=True, help="Do not ask in production.")
@pass_session
def command(session: Session, queues: tuple[str, ...], max_running: int, yes: bool) -> None:
    """Set a limit on queues."""
    limit = f"{max_running:,}" if max_running else "no limit"
    confirm_in_production(session, f"set the limit of {', '.join(queues)} to {limit}", yes=yes)
    targets = Targets()
    with session.client() as client:

        def limit_one(queue: str) -> None:
            client.demand(queue)
            set_limit(client.backend, queue, max_running, session.settings.queue(queue).max_running)
            words = f"runs at most {limit} of its jobs at once" if max_running else "has no limit"
            say(f"{queue} {words} (store: {client.backend.url})")

        targets.each(queues, limit_one, bears=NotFound)
    targets.end()
