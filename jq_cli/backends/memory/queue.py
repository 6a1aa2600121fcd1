"""What the memory backend keeps for one queue: the jobs by id, an order of them for each state, and what lies beside them."""

from bisect import bisect_right, insort
from typing import Any

import msgspec
from msgspec.structs import replace

from jq_cli.backends.base import Controls
from jq_cli.job import FINAL, STATES, Job, State

Key = tuple[Any, ...]


class UniqueKey(msgspec.Struct):
    """A dedup or idempotency key: whose it is, until when (None: until its job ends), and the outcome kept under it."""

    job: str
    until: int | None = None
    fingerprint: str = ""
    outcome: bytes | None = None


class Sorted:
    """A set of tuples in order."""

    def __init__(self) -> None:
        self.items: list[Key] = []

    def add(self, key: Key) -> None:
        insort(self.items, key)

    def discard(self, key: Key) -> None:
        at = bisect_right(self.items, key) - 1
        if at >= 0 and self.items[at] == key:
            del self.items[at]

    def upto(self, key: Key) -> list[Key]:
        return self.items[: bisect_right(self.items, key)]


class MemoryQueue:
    """One queue: its jobs by id, an order of them for each state, and what is kept beside them."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.orders: dict[State, Sorted] = {state: Sorted() for state in STATES}
        self.counted = Sorted()
        self.wakes = Sorted()
        self.keep: dict[str, int] = {}
        self.outputs: dict[str, bytes] = {}
        self.keys: dict[str, UniqueKey] = {}
        self.totals: dict[str, int] = {}
        self.controls = Controls()

    def put(self, job: Job, keep: int | None = None) -> None:
        """Store a job in place of the one with its id, in every order it belongs to."""
        self.drop(job.id)
        self.jobs[job.id] = job
        self.orders[job.state].add(_place(job))
        if keep is not None and job.finished_at is not None:
            self.keep[job.id] = job.finished_at + keep
        if (wake := self.wake_of(job)) is not None:
            self.wakes.add((wake, job.id))
        if job.state in FINAL and job.counted:
            self.counted.add((job.finished_at, job.id))

    def drop(self, id: str) -> None:
        """Forget a job and its places, but not its output."""
        job = self.jobs.pop(id, None)
        if job is None:
            return
        self.orders[job.state].discard(_place(job))
        if job.state in FINAL:
            self.counted.discard((job.finished_at, id))
        if (wake := self.wake_of(job)) is not None:
            self.wakes.discard((wake, id))
        self.keep.pop(id, None)

    def wake_of(self, job: Job) -> int | None:
        return self.keep.get(job.id) if job.state in FINAL else job.wake_at

    def take_in(self, now: int) -> None:
        """Make due scheduled jobs ready; they compete by the moment their delay ended."""
        for _, id in self.orders["scheduled"].upto((now, "~")):
            self.put(replace(self.jobs[id], state="ready"))

    def count(self, total: str, by: int = 1) -> None:
        self.totals[total] = self.totals.get(total, 0) + by

    def live_key(self, name: str, now: int) -> UniqueKey | None:
        key = self.keys.get(name)
        return key if key is not None and (key.until is None or key.until > now) else None


def _place(job: Job) -> Key:
    if job.state == "ready":
        return job.order
    if job.state == "scheduled":
        return (job.ready_at, job.id)
    if job.state == "running":
        return (job.lease_until, job.id)
    return (job.finished_at, job.id)
