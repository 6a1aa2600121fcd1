"""`jq ls`: the jobs of a queue, by state."""

import click

from jq_cli.cli import options, suggestions
from jq_cli.cli.filter_options import ORDER, filter_options, group_option
from jq_cli.cli.listing_options import LIMIT, listing_options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.triage.filter import JobFilter
from jq_cli.view.group_jobs import group_jobs
from jq_cli.view.list_jobs import COLUMNS, list_jobs
from jq_cli.view.output import Form

HELP = """List the jobs of queues, state by state, each state in its own order: ready ones as they will leave, scheduled ones
by their moment, running ones by the end of their lease, finished ones by when they ended."""


@options.command("ls", HELP)
@click.argument("queues", nargs=-1, required=True, metavar="QUEUE...", shell_complete=suggestions.queues)
@filter_options(state=True)
@group_option
@click.option(
    "--reverse",
    is_flag=True,
    help="Each state, or the groups, in the other order, such as the newest finished ones first.",
)
@listing_options(limit=LIMIT)
@pass_session
def command(
    session: Session, queues: tuple[str, ...], *, reverse: bool, by: str | None, jobs: JobFilter, form: Form
) -> None:
    """List jobs."""
    states = tuple(state for state in ORDER if state in (jobs.states or ORDER))
    with session.client() as client:
        if by is None:
            list_jobs(client, queues, states, jobs, form, columns=COLUMNS, reverse=reverse)
        else:
            group_jobs(client, queues, states, jobs, form, by=by, reverse=reverse)
