"""`jq show`: everything about a job."""

import click

from jq_cli.cli import options, suggestions
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.cli.show_options import show_options
from jq_cli.cli.targets import ids_from, split_queue
from jq_cli.view.output import Form
from jq_cli.view.show_jobs import show_jobs

HELP = """Show everything about a job: its fields, payload, errors, result and captured output.

With the queue named before the ids, or by id alone; - reads ids from stdin."""


@options.command("show", HELP)
@click.argument("names", nargs=-1, required=True, metavar="[QUEUE] ID...", shell_complete=suggestions.ids_in())
@show_options("job")
@pass_session
def command(session: Session, /, names: tuple[str, ...], form: Form) -> None:
    """Show jobs by id."""
    queue, ids = split_queue(names, "show")
    named = list(ids_from(ids))
    with session.client() as client:
        if queue is not None:
            client.demand(queue)
        show_jobs(client, queue, named, form, only=None)
