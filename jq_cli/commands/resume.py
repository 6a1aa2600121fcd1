"""`jq resume`: hand out the jobs of queues again."""

import click

from jq_cli.backends.base import Setting
from jq_cli.cli import options, suggestions
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session, say
from jq_cli.cli.targets import Targets
from jq_cli.errors import NotFound
from jq_cli.pausing import pause_words


@options.command("resume", "Hand out the jobs of paused queues again.")
@click.argument("queues", nargs=-1, required=True, metavar="QUEUE...", shell_complete=suggestions.queues)
@pass_session
def command(session: Session, queues: tuple[str, ...]) -> None:
    """Resume queues."""
    targets = Targets()
    with session.client() as client:

        def resume(queue: str) -> None:
            counts = client.demand(queue)
            client.backend.control(queue, Setting(paused=False))
            was = pause_words(counts.controls) if counts.controls.paused else "not paused"
            say(f"{queue} is resumed; it was {was} (store: {client.backend.url})")

        targets.each(queues, resume, bears=NotFound)
    targets.end()
