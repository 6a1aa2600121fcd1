"""`jq ls`: the jobs of a queue, by state."""

import click

from jq_cli.cli import options, suggestions
from jq_cli.cli.listing_options import LIMIT, listing_options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.errors import UsageError
from jq_cli.job import STATES, State
from jq_cli.view.list_jobs import COLUMNS, list_jobs
from jq_cli.view.output import Form

ORDER: tuple[State, ...] = ("running", "ready", "scheduled", "dead", "cancelled", "succeeded")
"""States of one listing: first what moves."""

HELP = """List the jobs of queues, state by state, each state in its own order: ready ones as they will leave, scheduled ones
by their moment, running ones by the end of their lease, finished ones by when they ended."""


def _states(context: click.Context, parameter: click.Parameter, value: str) -> tuple[State, ...]:
    names = [name.strip() for name in value.split(",")]
    if names == ["all"]:
        return ORDER
    for name in names:
        if name not in STATES:
            raise UsageError(f"--state: no state {name[:40]!r}; known: {', '.join(STATES)}, all")
    return tuple(state for state in ORDER if state in names)


@options.command("ls", HELP)
@click.argument("queues", nargs=-1, required=True, metavar="QUEUE...", shell_complete=suggestions.queues)
@click.option(
    "--state",
    "states",
    default="all",
    metavar="STATE[,STATE]",
    callback=_states,
    shell_complete=suggestions.states,
    help="Which; all unless given.",
)
@click.option("--reverse", is_flag=True, help="Each state in the other order, such as the newest finished ones first.")
@listing_options(limit=LIMIT)
@pass_session
def command(session: Session, queues: tuple[str, ...], states: tuple[State, ...], reverse: bool, form: Form) -> None:
    """List jobs."""
    with session.client() as client:
        list_jobs(client, queues, states, form, columns=COLUMNS, reverse=reverse)
