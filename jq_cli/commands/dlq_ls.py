"""`jq dlq ls`: the dead jobs of a queue."""

import click

from jq_cli.cli import options, suggestions
from jq_cli.cli.filter_options import filter_options, group_option
from jq_cli.cli.listing_options import LIMIT, listing_options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.triage.filter import JobFilter
from jq_cli.view.group_jobs import group_jobs
from jq_cli.view.list_jobs import DEAD_COLUMNS, list_jobs
from jq_cli.view.output import Form


@options.command("ls", "List the dead jobs of queues, the one that died first at the top.")
@click.argument("queues", nargs=-1, required=True, metavar="QUEUE...", shell_complete=suggestions.queues)
@filter_options()
@group_option
@click.option("--reverse", is_flag=True, help="The one that died last, or the smallest group, at the top.")
@listing_options(limit=LIMIT)
@pass_session
def command(
    session: Session, queues: tuple[str, ...], *, reverse: bool, by: str | None, jobs: JobFilter, form: Form
) -> None:
    """List dead jobs."""
    with session.client() as client:
        if by is None:
            list_jobs(client, queues, ("dead",), jobs, form, columns=DEAD_COLUMNS, reverse=reverse)
        else:
            group_jobs(client, queues, ("dead",), jobs, form, by=by, reverse=reverse)
