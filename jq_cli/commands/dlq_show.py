"""`jq dlq show`: everything about a dead job."""

from typing import Any

import click

from jq_cli.cli import options, suggestions
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.cli.targets import ids_from
from jq_cli.view.show_jobs import show_jobs, show_options


@options.command("show", "Show everything about dead jobs of a queue; - reads ids from stdin.")
@click.argument("queue", shell_complete=suggestions.queues)
@click.argument("ids", nargs=-1, required=True, metavar="ID...", shell_complete=suggestions.ids_in("dead"))
@show_options
@pass_session
def command(session: Session, /, queue: str, ids: tuple[str, ...], **form: Any) -> None:
    """Show dead jobs by id."""
    named = list(ids_from(ids))
    with session.client() as client:
        client.demand(queue)
        show_jobs(client, queue, named, only="dead", **form)
