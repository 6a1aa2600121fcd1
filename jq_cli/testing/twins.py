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
        wanted, got = list(question(self.model)), list(question(self.subject))
        if not ordered:
            wanted, got = sorted(wanted, key=_place), sorted(got, key=_place)
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
        turned = [
            backend.turn([pair[side] for pair in changes], claim)
            for side, backend in enumerate((self.model, self.subject))
        ]
        assert turned[1].verdicts == turned[0].verdicts, (
            f"verdicts {turned[1].verdicts} instead of {turned[0].verdicts}"
        )
        answers = dict(zip((self.model, self.subject), turned, strict=True))
        return [pair for pair in self.jobs(lambda backend: answers[backend].jobs) if pair]

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
        cursors: list[str | None] = [None, None]
        while True:
            pages = [
                backend.page(queue, state, cursor=cursor, limit=limit, reverse=reverse)
                for backend, cursor in zip((self.model, self.subject), cursors, strict=True)
            ]
            answers = dict(zip((self.model, self.subject), pages, strict=True))
            self.jobs(lambda backend, answers=answers: answers[backend].jobs)
            cursors = [page.cursor for page in pages]
            assert (cursors[1] is None) == (cursors[0] is None), (
                f"{state} page ends: {cursors[1]} instead of {cursors[0]}"
            )
            if cursors[0] is None:
                return

    def compare_all(self, workers: Sequence[str]) -> None:
        """Everything that can be read."""
        self.compare_counts()
        self.ask(lambda backend: backend.read(""))
        for queue in self.ask(lambda backend: backend.queues()):
            for state in STATES:
                self.compare_pages(queue, state, 1_000, reverse=False)
                ids = [job.id for job in self.model.page(queue, state, limit=1_000).jobs]
                self.ask(lambda backend, queue=queue, ids=ids: backend.outputs(queue, ids))
        for worker in workers:
            self.held(worker)
        check_structure(self.subject)


def _place(job: Job | None) -> tuple[str, str]:
    return ("", "") if job is None else (job.queue, job.id)


def _text(items: Sequence[object]) -> str:
    return "\n  ".join(map(str, items)) or "nothing"
