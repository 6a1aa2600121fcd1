"""Two stores that are asked the same and must answer the same: the memory backend as the model, and the one under test."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from msgspec.structs import replace

from jq_cli.backends.base import Backend, Claim
from jq_cli.backends.memory.backend import MemoryBackend
from jq_cli.change import DEDUP, Change, Verdict
from jq_cli.draft import Draft
from jq_cli.job import STATES, Job, State, lease_of
from jq_cli.testing.clock import ManualClock
from jq_cli.testing.structure import check_structure

T = TypeVar("T")
Pair = tuple[Job, Job]
"""One job as the model and as the store under test gave it; they differ in their versions only."""

Changes = tuple[Change, Change]
"""One change, made from each of a pair."""


def plain(job: Job | None) -> Job | None:
    """A job as it is compared: without its opaque version."""
    return None if job is None else replace(job, version="")


class Twins:
    """The model and the store under test, on one clock. Every method asks both, compares, and gives what callers need."""

    def __init__(self, subject: Backend, clock: ManualClock) -> None:
        self.clock = clock
        self.model = MemoryBackend(clock)
        self.subject = subject

    def ask(self, question: Callable[[Backend], T]) -> T:
        """The answer that both give."""
        wanted, got = question(self.model), question(self.subject)
        assert got == wanted, f"the store answered\n  {got}\ninstead of\n  {wanted}"
        return wanted

    def jobs(self, question: Callable[[Backend], Sequence[Job | None]], *, ordered: bool = True) -> list[Pair | None]:
        """The jobs that both give, in pairs."""
        wanted, got = question(self.model), question(self.subject)
        return self.paired(wanted, got) if ordered else self.paired(sorted(wanted, key=_place), sorted(got, key=_place))

    def paired(self, wanted: Sequence[Job | None], got: Sequence[Job | None]) -> list[Pair | None]:
        """The same jobs as the model and the store gave them; a difference is an error."""
        shown = [plain(job) for job in wanted], [plain(job) for job in got]
        assert shown[1] == shown[0], f"the store gave\n  {_text(shown[1])}\ninstead of\n  {_text(shown[0])}"
        return [(a, b) if a and b else None for a, b in zip(wanted, got, strict=True)]

    # --- calls that write ---

    def insert(self, drafts: Sequence[Draft]) -> None:
        self.ask(lambda backend: backend.insert(drafts))

    def claim(self, claim: Claim) -> list[Pair]:
        return [pair for pair in self.jobs(lambda backend: backend.claim(claim).jobs) if pair]

    def turn(self, changes: Sequence[Changes], claim: Claim) -> list[Pair]:
        wanted = self.model.turn([pair[0] for pair in changes], claim)
        got = self.subject.turn([pair[1] for pair in changes], claim)
        assert got.verdicts == wanted.verdicts, f"verdicts {got.verdicts} instead of {wanted.verdicts}"
        return [pair for pair in self.paired(wanted.jobs, got.jobs) if pair]

    def write(self, changes: Sequence[Changes]) -> list[Verdict]:
        wanted = self.model.replace([pair[0] for pair in changes])
        got = self.subject.replace([pair[1] for pair in changes])
        assert got == wanted, f"verdicts {got} instead of {wanted} for\n  {_text([pair[1] for pair in changes])}"
        return wanted

    def extend(self, pairs: Sequence[Pair], lease: int, live: dict[str, bytes]) -> None:
        leases = [lease_of(model) for model, _ in pairs]
        self.ask(lambda backend: backend.extend(leases, lease=lease, live=live))

    # --- calls that read ---

    def look(self, queue: str, ids: Sequence[str]) -> None:
        """Rows and side records."""
        self.jobs(lambda backend: backend.get(queue, ids))
        self.ask(lambda backend: backend.outputs(queue, ids))

    def due(self) -> list[Pair]:
        return [pair for pair in self.jobs(_due, ordered=False) if pair]

    def held(self, worker: str) -> list[Pair]:
        return [pair for pair in self.jobs(lambda backend: backend.held(worker), ordered=False) if pair]

    def get(self, queue: str, id: str) -> Pair | None:
        return self.jobs(lambda backend: backend.get(queue, [id]))[0]

    def compare_pages(self, queue: str, state: State, limit: int, reverse: bool) -> None:
        """One listing, page by page with each store's own cursors."""
        wanted = got = None
        while True:
            model = self.model.page(queue, state, cursor=wanted, limit=limit, reverse=reverse)
            subject = self.subject.page(queue, state, cursor=got, limit=limit, reverse=reverse)
            self.paired(model.jobs, subject.jobs)
            wanted, got = model.cursor, subject.cursor
            assert (got is None) == (wanted is None), f"the cursor after {state} jobs is {got} instead of {wanted}"
            if wanted is None:
                return

    def compare_all(self, workers: Sequence[str]) -> None:
        """Everything that can be read."""
        for queue in self.ask(lambda backend: backend.queues()):
            for state in STATES:
                for limit, reverse in ((1_000, False), (3, False), (2, True)):
                    self.compare_pages(queue, state, limit, reverse)
                self.look(queue, self.ids(queue, state))
        self.ask(lambda backend: backend.counts())
        self.ask(lambda backend: backend.read(""))
        for worker in workers:
            self.held(worker)
        check_structure(self.subject)

    # --- what the model knows, so that random runs need not fumble ---

    def waiting(self) -> int:
        """How many jobs wait."""
        return sum(len(q.orders["ready"].items) + len(q.orders["scheduled"].items) for q in self.model._queues.values())

    def ids(self, queue: str, state: State) -> list[str]:
        """The ids of the jobs that are in a state."""
        return [place[-1] for place in self.model._queue_or_empty(queue).orders[state].items]

    def holds(self, job: Job) -> bool:
        """Whether a job as it was claimed is still running under that lease."""
        (now,) = self.model.get(job.queue, [job.id])
        return now is not None and now.token == job.token

    def next_moment(self) -> int | None:
        """The next moment at which something becomes due or ends."""
        return min((moment for moment in self._moments() if moment > self.clock.now), default=None)

    def keys(self) -> list[tuple[str, str, int]]:
        """The unique keys that end soon: queue, field of the job record, moment."""
        return [
            (name, "dedup_key" if key.startswith(DEDUP) else "idempotency_key", held.until)
            for name, queue in self.model._queues.items()
            for key, held in queue.keys.items()
            if held.until is not None and held.until < self.clock.now + 1_000
        ]

    def _moments(self) -> Iterator[int]:
        for queue in self.model._queues.values():
            yield from (wake for wake, _ in queue.wakes.items)
            yield from (ready_at for ready_at, _ in queue.orders["scheduled"].items)
            yield from (key.until for key in queue.keys.values() if key.until is not None)
            yield from filter(None, [queue.controls.paused_until])


def _due(backend: Backend) -> list[Job]:
    """Rows whose wake-up passed. Whether one whose delay has ended was taken in before is the store's own business."""
    due = backend.due(1_000)
    ended = {job.id for job in due.jobs if job.state == "scheduled" and job.ready_at <= due.now}
    return [replace(job, state="ready") if job.id in ended else job for job in due.jobs]


def _place(job: Job | None) -> tuple[str, str]:
    return ("", "") if job is None else (job.queue, job.id)


def _text(items: Sequence[object]) -> str:
    return "\n  ".join(map(str, items)) or "nothing"
