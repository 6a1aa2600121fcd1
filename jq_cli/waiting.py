"""Waiting for jobs to end, for the command line and the Python API. A look at the store is the truth, a hint only says when to
look; so nothing is missed when hints are, and nobody polls busily.

A job that is gone when it is looked for was removed, or ended and was not kept: no store tells the two apart afterwards, so
its outcome is reported as unknown (`removed`), never guessed.
"""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any, Literal

import msgspec

from jq_cli.client import PAGE, Client
from jq_cli.durations import format_duration
from jq_cli.errors import BackendUnreachable, TimedOut
from jq_cli.hints import Hints
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

    @property
    def ok(self) -> bool:
        """Whether the job succeeded."""
        return self.how == "succeeded"

    @property
    def result(self) -> Any:
        """What the handler returned, as Python values; None when there is nothing."""
        return None if self.job is None else self.job.returned

    @property
    def error(self) -> str | None:
        """Why the job did not succeed, if that is known."""
        return None if self.job is None or self.ok else self.job.last_error


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
        with Hints(self._client.backend, [f"done:{queue}" for queue in self.left]) as hints:
            while True:
                began = time.monotonic()
                yield from self._look()
                self._looked(self)
                if not self.left:
                    return
                self._rest(hints, began)

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

    def _rest(self, hints: Hints, began: float) -> None:
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
