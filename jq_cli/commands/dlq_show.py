"""`jq dlq show`: everything about a dead job."""

import click

from jq_cli.cli import options, suggestions
from jq_cli.cli.filter_options import filter_options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.cli.show_options import show_options
from jq_cli.cli.targets import ids_from
from jq_cli.errors import UsageError
from jq_cli.triage.filter import JobFilter
from jq_cli.view.output import Form
from jq_cli.view.show_jobs import show_jobs

HELP = """Show everything about dead jobs of a queue: those with the ids named, where - reads ids from stdin, or those that a
filter means."""


@options.command("show", HELP)
@click.argument("queue", shell_complete=suggestions.queues)
@click.argument("ids", nargs=-1, metavar="[ID]...", shell_complete=suggestions.ids_in("dead"))
@filter_options(ids=False)
@show_options("job")
@pass_session
def command(session: Session, /, queue: str, ids: tuple[str, ...], jobs: JobFilter, form: Form) -> None:
    """Show dead jobs by id, or by a filter."""
    if not ids and not jobs:
        raise UsageError("name the jobs to show by their ids, or say which with a filter")
    named = list(ids_from(ids)) if ids else None
    with session.client() as client:
        client.demand(queue)
        show_jobs(client, queue, named, form, only="dead", jobs=jobs)
