"""Lists jobs of queues in states: what `jq ls` and `jq dlq ls` have in common."""

from collections.abc import Iterator, Sequence

from jq_cli.backends.base import QueueCounts
from jq_cli.cli.session import say
from jq_cli.cli.targets import Targets
from jq_cli.client import Client
from jq_cli.errors import NotFound
from jq_cli.job import State
from jq_cli.view.output import Answer, Form, Listing, show
from jq_cli.view.records import JOB_FIELDS, Record, job_record

COLUMNS = ("id", "state", "priority", "ready_at", "failures", "losses", "payload")
DEAD_COLUMNS = ("id", "reason", "failures", "losses", "finished_at", "last_error", "payload")


def list_jobs(
    client: Client, queues: Sequence[str], states: Sequence[State], form: Form, *, columns: Sequence[str], reverse: bool
) -> None:
    """Print the jobs of each queue, state by state, each state in its own order or (`reverse`) the other way round."""
    shown = columns if len(queues) == 1 else ("queue", *columns)
    listing = Listing(fields=JOB_FIELDS, columns=tuple(shown), id="id", more=("raw",))
    targets = Targets()

    def fetch() -> Answer:
        found = client.look(queues)
        for each in found:
            if isinstance(each, NotFound):
                targets.failed(each)
        known = [each for each in found if isinstance(each, QueueCounts)]
        targets.done = len(known)
        if not known:
            targets.end()
        if form.kind == "table":
            _say_rest(known, states, form.limit)
        return Answer(_records(client, known, states, reverse=reverse), known[0].now if known else 0)

    show(listing, fetch, form)
    targets.end()


def _records(
    client: Client, queues: Sequence[QueueCounts], states: Sequence[State], *, reverse: bool
) -> Iterator[Record]:
    for queue in queues:
        for state in states:
            if queue.states.get(state, 0):
                yield from map(job_record, client.jobs(queue.queue, state, reverse=reverse))


def _say_rest(queues: Sequence[QueueCounts], states: Sequence[State], limit: int) -> None:
    total = sum(queue.states.get(state, 0) for queue in queues for state in states)
    if limit and total > limit:
        say(f"showing {limit:,} of {total:,} jobs; --limit 0 shows all")
