"""Two stores that are asked the same and must answer the same: the memory backend as the model, and the one under test."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from jq_cli.backends.base import Backend, Claim, Setting
from jq_cli.backends.memory import MemoryBackend
from jq_cli.change import Change, Verdict
from jq_cli.draft import Draft
from jq_cli.job import STATES, Job, State, lease_of
from jq_cli.testing.clock import ManualClock
from jq_cli.testing.structure import check_structure

T = TypeVar("T")
Pair = tuple[Job, Job]
"""One job as the model and as the store under test gave it; they differ in their versions only."""

Changes = tuple[Change, Change]
"""One change, made from each of a pair."""


def plain(job: Job | None, now: int) -> Job | None:
    """A job as it is compared: without its opaque version, and ready if its delay has ended."""
    if job is None:
        return None
    due = job.state == "scheduled" and job.ready_at <= now
    return replace(job, version="", state="ready" if due else job.state)


class Twins:
    """The model and the store under test, on one clock. Every method asks both, compares, and gives what callers need."""

    def __init__(self, subject: Backend, clock: ManualClock) -> None:
        self.clock = clock
        self.model: Backend = MemoryBackend(clock)
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
        now = self.clock.now
        shown = [plain(job, now) for job in wanted], [plain(job, now) for job in got]
        assert shown[1] == shown[0], f"the store gave\n  {_text(shown[1])}\ninstead of\n  {_text(shown[0])}"
        return [(a, b) if a and b else None for a, b in zip(wanted, got, strict=True)]

    # --- calls that write ---

    def insert(self, drafts: Sequence[Draft]) -> None:
        self.ask(lambda backend: backend.insert(drafts))

    def claim(self, claim: Claim) -> list[Pair]:
        return [pair for pair in self.jobs(lambda backend: backend.claim(claim).jobs) if pair]

    def turn(self, changes: Sequence[Changes], claim: Claim) -> list[Pair]:
        turned = (
            self.model.turn([pair[0] for pair in changes], claim),
            self.subject.turn([pair[1] for pair in changes], claim),
        )
        assert turned[1].verdicts == turned[0].verdicts, (
            f"verdicts {turned[1].verdicts} instead of {turned[0].verdicts}"
        )
        return [pair for pair in self.paired(turned[0].jobs, turned[1].jobs) if pair]

    def write(self, changes: Sequence[Changes]) -> list[Verdict]:
        wanted = self.model.replace([pair[0] for pair in changes])
        got = self.subject.replace([pair[1] for pair in changes])
        assert got == wanted, f"verdicts {got} instead of {wanted} for\n  {_text([pair[1] for pair in changes])}"
        return wanted

    def extend(self, pairs: Sequence[Pair], lease: int, live: dict[str, bytes]) -> None:
        leases = [lease_of(model) for model, _ in pairs]
        self.ask(lambda backend: backend.extend(leases, lease=lease, live=live))

    def control(self, queue: str, setting: Setting) -> None:
        self.ask(lambda backend: backend.control(queue, setting))

    def swap(self, key: str, old: bytes | None, new: bytes | None) -> None:
        self.ask(lambda backend: backend.swap(key, old, new))

    # --- calls that read ---

    def look(self, queue: str, ids: Sequence[str]) -> None:
        """Rows and side records."""
        self.jobs(lambda backend: backend.get(queue, ids))
        self.ask(lambda backend: backend.outputs(queue, ids))

    def due(self) -> list[Pair]:
        return [pair for pair in self.jobs(lambda backend: backend.due(1_000).jobs, ordered=False) if pair]

    def held(self, worker: str) -> list[Pair]:
        return [pair for pair in self.jobs(lambda backend: backend.held(worker), ordered=False) if pair]

    def get(self, queue: str, id: str) -> Pair | None:
        return self.jobs(lambda backend: backend.get(queue, [id]))[0]

    def compare_counts(self) -> None:
        """Every number both show."""
        self.ask(lambda backend: backend.counts())

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
        self.compare_counts()
        self.ask(lambda backend: backend.read(""))
        for queue in self.ask(lambda backend: backend.queues()):
            for state in STATES:
                self.compare_pages(queue, state, 1_000, reverse=False)
                self.look(queue, [job.id for job in self.model.page(queue, state, limit=1_000).jobs])
        for worker in workers:
            self.held(worker)
        check_structure(self.subject)


def _place(job: Job | None) -> tuple[str, str]:
    return ("", "") if job is None else (job.queue, job.id)


def _text(items: Sequence[object]) -> str:
    return "\n  ".join(map(str, items)) or "nothing"
