"""`jq len`: how many jobs queues hold; a bare number for one queue."""

import click
from msgspec.structs import replace

from jq_cli.backends.base import QueueCounts
from jq_cli.cli import options, suggestions
from jq_cli.cli.listing_options import listing_options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.cli.targets import Targets
from jq_cli.errors import NotFound
from jq_cli.job import STATES
from jq_cli.view.output import Answer, Form, Listing, show
from jq_cli.view.records import Record

FIELDS = ("queue", "state", "jobs")
LISTING = Listing(fields=FIELDS, columns=FIELDS, id="queue")


@options.command("len", "Show how many jobs a queue holds: a bare number for one queue, QUEUE<TAB>NUMBER for several.")
@click.argument("queues", nargs=-1, metavar="[QUEUE]...", shell_complete=suggestions.queues)
@click.option("--state", default="ready", type=click.Choice([*STATES, "all"]), help="Which jobs; ready unless given.")
@listing_options()
@pass_session
def command(session: Session, queues: tuple[str, ...], state: str, form: Form) -> None:
    """Count the jobs in a state; without a name in every queue."""
    targets = Targets()
    with session.client() as client:

        def fetch() -> Answer:
            found = client.look(queues) if queues else client.counts()
            for each in found:
                if isinstance(each, NotFound):
                    targets.failed(each)
            return Answer([_record(each, state) for each in found if isinstance(each, QueueCounts)], 0)

        targets.done = show(LISTING, fetch, _bare(form, alone=len(queues) == 1))
    targets.end()


def _record(counts: QueueCounts, state: str) -> Record:
    jobs = sum(counts.states.values()) if state == "all" else counts.states.get(state, 0)  # type: ignore[call-overload]
    return {"queue": counts.queue, "state": state, "jobs": jobs}


def _bare(form: Form, *, alone: bool) -> Form:
    if form.kind != "table" or form.columns:
        return form
    return replace(form, kind="plain", headers=False, columns=("jobs",) if alone else ("queue", "jobs"))
