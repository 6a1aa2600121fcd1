"""Waiting for jobs to end, for the command line and the Python API. A look at the store is the truth, a hint only says when to
look; so nothing is missed when hints are, and nobody polls busily.

A job that is gone when it is looked for was removed, or ended and was not kept: no store tells the two apart afterwards, so
its outcome is reported as unknown (`removed`), never guessed.
"""

import selectors
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Literal

import msgspec

from jq_cli.backends.base import Backend, Watch
from jq_cli.client import PAGE, Client
from jq_cli.durations import format_duration
from jq_cli.errors import BackendError, BackendUnreachable, TimedOut
from jq_cli.job import FINAL, Job, State
from jq_cli.task import SideRecord

POLL = 2.0
POLL_WITHOUT_HINTS = 0.5
"""Seconds between two looks, on a store that gives hints and on one that does not."""

PAUSE = 0.05
SHARE = 4
"""The least seconds between two looks, and how many times the last one's length: hints come for every job of a queue, and a
waiter must not cost its store more than a fifth of a connection."""

OUTAGE = 60.0
"""Seconds for which a store may give no answer before waiting is given up."""

REWATCH = 5.0

How = Literal["succeeded", "dead", "cancelled", "expired", "removed"]

EXIT_CODES: dict[How, int] = {"succeeded": 0, "dead": 11, "cancelled": 12, "expired": 13, "removed": 3}

_COMMANDS_END = frozenset({"retries", "permanent", "at_most_once", "snoozed"})
"""Reasons of a death that may follow from how a command ended."""


class Finished(msgspec.Struct, frozen=True):
    """How the wait for one job ended. `removed`: the job is gone, its outcome is not known and `job` is None."""

    queue: str
    id: str
    how: How
    job: Job | None = None


class Waiter:
    """Waits for jobs, each named by its queue and id. Use it once: iterate over `finished()`.

    timeout  seconds after which TimedOut is raised; None: never
    most     the most seconds between two looks, for callers that show progress
    looked   called after each look
    say      gets messages for people about trouble that is waited out
    """

    def __init__(
        self,
        client: Client,
        jobs: Iterable[tuple[str, str]],
        *,
        timeout: float | None = None,
        most: float = POLL,
        looked: Callable[["Waiter"], None] = lambda _waiter: None,
        say: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._client = client
        self.left: dict[str, dict[str, State | None]] = {}
        """Queue to id to the state last seen, of jobs that have not ended."""
        for queue, id in jobs:
            self.left.setdefault(queue, {})[id] = None
        self.total = self.count
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._most = most
        self._looked = looked
        self._say = say
        self._trouble_since: float | None = None

    @property
    def count(self) -> int:
        """How many jobs have not ended."""
        return sum(map(len, self.left.values()))

    def finished(self) -> Generator[Finished, None, None]:
        """The jobs as they end. Raises TimedOut, and BackendUnreachable after OUTAGE seconds without an answer."""
        if not self.left:
            return
        hints = _Hints(self._client.backend, [f"done:{queue}" for queue in self.left])
        try:
            while True:
                began = time.monotonic()
                yield from self._look()
                self._looked(self)
                if not self.left:
                    return
                self._rest(hints, began)
        finally:
            hints.close()

    def _look(self) -> Iterator[Finished]:
        try:
            for queue in list(self.left):
                ids = list(self.left[queue])
                for at in range(0, len(ids), PAGE):
                    yield from self._look_at(queue, ids[at : at + PAGE])
                if not self.left[queue]:
                    del self.left[queue]
        except BackendUnreachable as error:
            self._endure(error)

    def _look_at(self, queue: str, ids: Sequence[str]) -> Iterator[Finished]:
        jobs = self._client.get(queue, ids)
        self._trouble_since = None
        for id, job in zip(ids, jobs, strict=True):
            if job is None or job.state in FINAL:
                del self.left[queue][id]
                yield Finished(queue, id, how(job), job)
            else:
                self.left[queue][id] = job.state

    def _rest(self, hints: "_Hints", began: float) -> None:
        now = time.monotonic()
        left = float("inf") if self._deadline is None else self._deadline - now
        if left <= 0:
            raise TimedOut(self._overdue())
        most = min(self._most, left, POLL if hints.open else POLL_WITHOUT_HINTS)
        least = min(most, max(PAUSE, SHARE * (now - began)))
        time.sleep(least)
        hints.wait(most - least)

    def _endure(self, error: BackendUnreachable) -> None:
        now = time.monotonic()
        if self._trouble_since is None:
            self._trouble_since = now
            self._say(f"{error}; trying again")
        elif now - self._trouble_since > OUTAGE:
            raise error

    def _overdue(self) -> str:
        names = [id for ids in self.left.values() for id in ids]
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
        what = f"job {shown} has" if len(names) == 1 else f"{len(names):,} jobs have"
        told = "" if len(names) == 1 else f": {shown}"
        return f"{what} not ended within {format_duration(round((self._timeout or 0) * 1_000))}{told}"


class _Hints:
    """A watch that may break: then waiting is sleeping, and watching is tried again now and then."""

    def __init__(self, backend: Backend, topics: Sequence[str]) -> None:
        self._backend = backend
        self._topics = topics
        self._watch: Watch | None = None
        self._selector = selectors.DefaultSelector()
        self._retry_at: float | None = 0.0
        self._open()

    @property
    def open(self) -> bool:
        """Whether hints may come."""
        return self._watch is not None

    def wait(self, seconds: float) -> None:
        """Wait for a hint, at most so long."""
        if self._watch is None:
            time.sleep(seconds)
            self._open()
        elif self._selector.select(seconds):
            try:
                self._watch.drain()
            except BackendError:
                self._drop()

    def _open(self) -> None:
        if self._retry_at is None or time.monotonic() < self._retry_at:
            return
        self._retry_at = time.monotonic() + REWATCH
        try:
            self._watch = self._backend.watch(self._topics)
        except BackendError:
            return
        if self._watch is None:
            self._retry_at = None  # this store gives no hints
        else:
            self._selector.register(self._watch, selectors.EVENT_READ)

    def _drop(self) -> None:
        if self._watch is not None:
            self._selector.unregister(self._watch)
            self._watch.close()
            self._watch = None

    def close(self) -> None:
        self._drop()
        self._selector.close()


def how(job: Job | None) -> How:
    """How a job ended that is in a final state, or gone."""
    if job is None:
        return "removed"
    if job.state == "dead":
        return "expired" if job.reason == "expired" else "dead"
    assert job.state in ("succeeded", "cancelled"), f"job {job.id} is {job.state}"
    return job.state


def own_code(job: Job, record: SideRecord | None) -> int | None:
    """The exit code of the command that ended a job; None when it ended in another way. A success is 0."""
    if job.state == "succeeded":
        return 0
    if job.reason not in _COMMANDS_END or record is None or record.generation != job.generation:
        return None
    return record.exit_code
