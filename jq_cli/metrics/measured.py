"""A store whose calls are measured: stands before any backend, does what it does, and tells the meters what went by.

Every job that a process takes, settles or recovers passes here, whichever way it came, and a pool's children have no store of
their own. So what stands here in a worker knows everything that its children did, and in a server what its clients did.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from jq_cli import lifecycle
from jq_cli.backends.base import Backend, Claim, Claimed, Due, Extended, Turned
from jq_cli.backends.front import Front
from jq_cli.change import Change, Verdict
from jq_cli.errors import BackendError
from jq_cli.job import Job, Token

CALLS = frozenset(name for name, value in vars(Backend).items() if callable(value) and not name.startswith("_")) - {
    "watch",
    "close",
}
"""The calls of the seam that ask a store for something."""

MAX_TAKEN = 50_000
"""Jobs under way that are remembered; beyond that the oldest are forgotten, and their run time is not measured."""


class Tells(Protocol):
    """What measurements go to. Seconds."""

    def ran(self, queue: str, seconds: float) -> None: ...

    def waited(self, queue: str, seconds: float) -> None: ...

    def lost(self, queue: str) -> None: ...

    def recovered(self, seconds: float) -> None: ...

    def called(self, call: str, seconds: float) -> None: ...

    def failed(self, call: str) -> None: ...


class _Stopwatch:
    """Seconds spent on one call, in however many parts."""

    def __init__(self) -> None:
        self.seconds = 0.0


class Measured(Front):
    """A backend (`measured` says so to the type checker). What it does not define it takes from the backend behind it."""

    def __init__(self, backend: Backend, meters: Tells) -> None:
        super().__init__(backend)
        self._meters = meters
        self._taken: dict[str, Job] = {}
        self._offset = 0.0

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._backend, name)
        if name not in CALLS:
            return attribute

        def call(*args: Any, **options: Any) -> Any:
            return self._timed(name, *args, **options)

        setattr(self, name, call)
        return call

    def close(self) -> None:
        """Close the store."""
        self._backend.close()

    def claim(self, claim: Claim) -> Claimed:
        """As the backend does."""
        claimed: Claimed = self._timed("claim", claim)
        self._saw(claimed.now)
        self._take(claimed.jobs)
        return claimed

    def turn(self, changes: Sequence[Change], claim: Claim) -> Turned:
        """As the backend does."""
        return self._turned(changes, self._timed("turn", changes, claim))

    def begin(self, changes: Sequence[Change], claim: Claim) -> Turned | Callable[[], Turned]:
        """As the backend does. What its caller does between the halves is no time of the store's."""
        stopwatch = _Stopwatch()
        begun: Turned | Callable[[], Turned] = self._watched("turn", stopwatch, self._backend.begin, changes, claim)
        if callable(begun):
            return lambda: self._turned(changes, self._told("turn", stopwatch, begun))
        self._meters.called("turn", stopwatch.seconds)
        return self._turned(changes, begun)

    def _turned(self, changes: Sequence[Change], turned: Turned) -> Turned:
        self._saw(turned.now)
        self._settle(changes, turned.verdicts, turned.now)
        self._take(turned.jobs)
        return turned

    def replace(self, changes: Sequence[Change]) -> list[Verdict]:
        """As the backend does."""
        verdicts: list[Verdict] = self._timed("replace", changes)
        self._settle(changes, verdicts, round(time.monotonic() * 1_000 + self._offset))
        return verdicts

    def extend(self, leases: Sequence[Token], *, lease: int, live: Mapping[str, bytes] | None = None) -> Extended:
        """As the backend does."""
        extended: Extended = self._timed("extend", leases, lease=lease, live=live)
        self._saw(extended.now)
        for token, hold in zip(leases, extended.holds, strict=True):
            if hold == "lost":
                self._lose(_key(token.id, token.token))
        return extended

    def due(self, limit: int) -> Due:
        """As the backend does."""
        due: Due = self._timed("due", limit)
        self._saw(due.now)
        return due

    def _timed(self, name: str, *args: Any, **options: Any) -> Any:
        return self._told(name, _Stopwatch(), getattr(self._backend, name), *args, **options)

    def _told(self, name: str, stopwatch: "_Stopwatch", call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """The answer of what completes a call."""
        answer = self._watched(name, stopwatch, call, *args, **options)
        self._meters.called(name, stopwatch.seconds)
        return answer

    def _watched(self, name: str, stopwatch: "_Stopwatch", call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        began = time.perf_counter()
        try:
            return call(*args, **options)
        except BackendError:
            self._meters.failed(name)
            self._meters.called(name, stopwatch.seconds + time.perf_counter() - began)
            raise
        finally:
            stopwatch.seconds += time.perf_counter() - began

    def _take(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            if job.started_at is None or lifecycle.refusal(job, now=job.started_at) is not None:
                continue
            self._meters.waited(job.queue, max(0, job.started_at - job.ready_at) / 1_000)
            self._taken[_key(job.id, job.token)] = job
        while len(self._taken) > MAX_TAKEN:
            del self._taken[next(iter(self._taken))]

    def _settle(self, changes: Sequence[Change], verdicts: Sequence[Verdict], now: int) -> None:
        for change, verdict in zip(changes, verdicts, strict=True):
            if not change.fenced:
                self._recover(change, verdict, now)
            elif verdict == "lost":
                self._lose(_key(change.id, change.expect))
            elif (job := self._taken.pop(_key(change.id, change.expect), None)) is not None and _ran(change):
                self._meters.ran(job.queue, max(0, now - (job.started_at or now)) / 1_000)

    def _recover(self, change: Change, verdict: Verdict, now: int) -> None:
        if verdict == "applied" and "recovered" in change.totals and change.step is not None:
            self._meters.recovered(max(0, now - (change.step.old.lease_until or now)) / 1_000)

    def _lose(self, key: str) -> None:
        """Each lease is lost once, however often that is heard."""
        job = self._taken.pop(key, None)
        if job is not None:
            self._meters.lost(job.queue)

    def _saw(self, now: int) -> None:
        self._offset = now - time.monotonic() * 1_000


def measured(backend: Backend, meters: Tells) -> Backend:
    """The backend with its calls measured."""
    standing: Any = Measured(backend, meters)
    return standing  # type: ignore[no-any-return]


def _key(id: str, token: str | None) -> str:
    return f"{id} {token}"


def _ran(change: Change) -> bool:
    """Whether the change records how an execution ended: one that was given back unstarted did not run."""
    return not change.mark.endswith(":released")
