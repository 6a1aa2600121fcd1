"""Lists jobs of queues in states: what `jq ls` and `jq dlq ls` have in common."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from jq_cli.backends.base import QueueCounts
from jq_cli.cli.session import say
from jq_cli.cli.targets import Targets
from jq_cli.client import Client
from jq_cli.errors import NotFound
from jq_cli.job import Job, State
from jq_cli.triage.filter import JobFilter
from jq_cli.view.bar import Bar
from jq_cli.view.output import Answer, Form, Listing, show
from jq_cli.view.records import JOB_FIELDS, Record, job_record

COLUMNS = ("id", "state", "priority", "ready_at", "failures", "losses", "payload")
DEAD_COLUMNS = ("id", "reason", "failures", "losses", "finished_at", "last_error", "payload")
_DISPENSABLE = frozenset({"failures", "losses", "finished_at"})
"""What a narrow terminal does without."""


class Looked(Iterator[Job]):
    """The jobs that a filter means, of queues and states, with a bar that shows how far the search came where it may be long."""

    def __init__(
        self,
        client: Client,
        queues: Sequence[QueueCounts],
        states: Sequence[State],
        jobs: JobFilter,
        *,
        reverse: bool,
        color: bool,
    ) -> None:
        self.found = self._seen = 0
        self.total = sum(queue.states.get(state, 0) for queue in queues for state in states)
        self._bar = Bar(color=color)
        self._jobs = (
            job
            for queue in queues
            if any(queue.states.get(state, 0) for state in states)
            for job in client.matching(queue.queue, states, jobs, queue.now, reverse=reverse, seen=self._step)
        )

    def __next__(self) -> Job:
        job = next(self._jobs)
        self.found += 1
        return job

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()

    def _step(self, jobs: int) -> None:
        self._seen += jobs
        self._bar.step("search", self.found, self._seen, self.total)


def list_jobs(
    client: Client,
    queues: Sequence[str],
    states: Sequence[State],
    jobs: JobFilter,
    form: Form,
    *,
    columns: Sequence[str],
    reverse: bool,
) -> None:
    """Print the jobs of each queue that a filter means, state by state, each in its own order or (`reverse`) the other way."""
    shown = columns if len(queues) == 1 else ("queue", *columns)
    few = tuple(name for name in shown if name not in _DISPENSABLE)
    listing = Listing(fields=JOB_FIELDS, columns=tuple(shown), id="id", more=("raw",), few=few)
    targets = Targets()

    def fetch() -> Answer:
        known = known_queues(client, queues, targets)
        found = Looked(client, known, states, jobs, reverse=reverse, color=form.color != "never")
        if form.kind == "table" and not jobs.narrow:
            _say_rest(found.total, form.limit)
        return Answer(_records(found, form, filtered=jobs.narrow), known[0].now if known else 0)

    show(listing, fetch, form)
    targets.end()


def known_queues(client: Client, queues: Sequence[str], targets: Targets) -> list[QueueCounts]:
    """The counts of the queues that exist; the others are reported. Ends the command when there is none."""
    found = client.look(queues)
    for each in found:
        if isinstance(each, NotFound):
            targets.failed(each)
    known = [each for each in found if isinstance(each, QueueCounts)]
    targets.done = len(known)
    if not known:
        targets.end()
    return known


def _records(found: Looked, form: Form, *, filtered: bool) -> Iterable[Record]:
    if form.kind != "table":
        return _streamed(found)
    # A table is printed when all of it is there; the bar must be gone by then.
    records = [job_record(job) for job in islice(found, form.limit or None)]
    found.close()
    if filtered and form.limit and found.found == form.limit:
        say(f"showing the first {form.limit:,} that match; --limit 0 shows all")
    return records


def _streamed(found: Looked) -> Iterator[Record]:
    try:
        yield from map(job_record, found)
    finally:
        found.close()


def _say_rest(total: int, limit: int) -> None:
    if limit and total > limit:
        say(f"showing {limit:,} of {total:,} jobs; --limit 0 shows all")
