"""The memory backend: plain Python structures in one process. For trying things out, for tests, and as the model that every
other backend is compared with; so it is written to be read."""

import os
import time
from bisect import bisect_right, insort
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from threading import RLock
from typing import Any, TypeVar, cast

import msgspec
from msgspec.structs import replace

from jq_cli.backends.base import (
    Backend,
    Claim,
    Claimed,
    Clock,
    Controls,
    Due,
    Extended,
    Hold,
    Inserted,
    Page,
    QueueCounts,
    Setting,
)  # fmt: skip
from jq_cli.change import DEDUP, IDEMPOTENCY, Change, KeyChange, Verdict
from jq_cli.draft import Draft
from jq_cli.job import FINAL, STATES, Job, State, Token

Method = TypeVar("Method", bound=Callable[..., Any])
Key = tuple[Any, ...]


def _locked(method: Method) -> Method:
    @wraps(method)
    def call(self: "MemoryBackend", *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            return method(self, *args, **kwargs)

    return cast(Method, call)


class _UniqueKey(msgspec.Struct):
    """A dedup or idempotency key: whose it is, until when (None: until its job ends), and the outcome kept under it."""

    job: str
    until: int | None = None
    fingerprint: str = ""
    outcome: bytes | None = None


class _Sorted:
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


class _Queue:
    """One queue: its jobs by id, an order of them for each state, and what is kept beside them."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.orders: dict[State, _Sorted] = {state: _Sorted() for state in STATES}
        self.counted = _Sorted()
        self.wakes = _Sorted()
        self.keep: dict[str, int] = {}
        self.outputs: dict[str, bytes] = {}
        self.keys: dict[str, _UniqueKey] = {}
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

    def live_key(self, name: str, now: int) -> _UniqueKey | None:
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


class MemoryBackend(Backend):
    """Everything in this process, gone with it."""

    url = "memory://"

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or (lambda: time.time_ns() // 1_000_000)
        self._lock = RLock()
        self._queues: dict[str, _Queue] = {}
        self._notes: dict[str, bytes] = {}
        self._watches: list[MemoryWatch] = []

    # --- producers ---

    @_locked
    def insert(self, drafts: Sequence[Draft]) -> list[Inserted]:
        now = self._clock()
        answers = [self._insert(draft, now) for draft in drafts]
        self._hint({f"ready:{d.job.queue}" for d in drafts if d.delay == 0})
        return answers

    def _insert(self, draft: Draft, now: int) -> Inserted:
        queue = self._queue(draft.job.queue)
        refused = self._judge(queue, draft, now)
        if refused is not None:
            if refused.status != "mismatch":
                queue.count("duplicates")
            return refused
        job = replace(
            draft.job,
            state="scheduled" if draft.delay > 0 else "ready",
            created_at=now,
            ready_at=now + draft.delay,
            expires_at=None if draft.expires_in is None else now + draft.expires_in,
            version=draft.job.id,
        )
        queue.put(job)
        queue.count("enqueued")
        self._take_keys(queue, draft, now)
        return Inserted("created", job.id)

    def _judge(self, queue: _Queue, draft: Draft, now: int) -> Inserted | None:
        job = draft.job
        if job.id in queue.jobs:
            return Inserted("duplicate", job.id)
        if job.dedup_key is not None and (key := queue.live_key(DEDUP + job.dedup_key, now)):
            return Inserted("duplicate", key.job)
        if job.idempotency_key is not None and (key := queue.live_key(IDEMPOTENCY + job.idempotency_key, now)):
            if key.fingerprint != draft.fingerprint:
                return Inserted("mismatch", key.job)
            return Inserted("duplicate" if key.outcome is None else "replayed", key.job, key.outcome)
        return None

    def _take_keys(self, queue: _Queue, draft: Draft, now: int) -> None:
        job = draft.job
        if job.dedup_key is not None:
            until = None if job.dedup_ttl is None else now + round(job.dedup_ttl * 1_000)
            queue.keys[DEDUP + job.dedup_key] = _UniqueKey(job.id, until)
        if job.idempotency_key is not None:
            queue.keys[IDEMPOTENCY + job.idempotency_key] = _UniqueKey(job.id, None, draft.fingerprint)

    # --- workers ---

    @_locked
    def claim(self, claim: Claim) -> Claimed:
        now = self._clock()
        jobs: list[Job] = []
        for name in claim.queues:
            queue = self._queues.get(name)
            if queue is not None and not queue.controls.holds(now):
                queue.take_in(now)
                jobs += self._claim_from(queue, claim, now, already=len(jobs))
        return Claimed(now, jobs)

    def _claim_from(self, queue: _Queue, claim: Claim, now: int, already: int) -> list[Job]:
        room = claim.limit - already
        if queue.controls.max_running:
            room = min(room, queue.controls.max_running - len(queue.orders["running"].items))
        chosen: list[Job] = []
        for *_, id in queue.orders["ready"].items[: max(0, room)]:
            job = queue.jobs[id]
            if job.delivery == "at_most_once" and already + len(chosen) >= claim.idle:
                break
            chosen.append(job)
        return [self._lease(queue, job, claim, now) for job in chosen]

    def _lease(self, queue: _Queue, job: Job, claim: Claim, now: int) -> Job:
        token = f"{job.generation + 1}.{claim.nonce}"
        leased = replace(
            job,
            state="running",
            generation=job.generation + 1,
            owner=claim.worker,
            token=token,
            version=token,
            started_at=now,
            lease_until=now + claim.lease,
        )
        queue.put(leased)
        return leased

    @_locked
    def extend(self, leases: Sequence[Token], *, lease: int, live: Mapping[str, bytes] | None = None) -> Extended:
        now = self._clock()
        return Extended(now, [self._extend(each, now + lease, live or {}) for each in leases])

    def _extend(self, lease: Token, until: int, live: Mapping[str, bytes]) -> Hold:
        queue = self._queue(lease.queue)
        job = queue.jobs.get(lease.id)
        if job is None or job.state != "running" or job.token != lease.token:
            return "lost"
        queue.put(replace(job, lease_until=until))
        if lease.id in live:
            queue.outputs[lease.id] = live[lease.id]
        return "stop" if job.stop else "held"

    @_locked
    def replace(self, changes: Sequence[Change]) -> list[Verdict]:
        now = self._clock()
        verdicts = [self._replace(change, now) for change in changes]
        for queue_name, cap in {c.queue: c.cap for c in changes if c.cap is not None}.items():
            self._trim(self._queue(queue_name), cap)
        self._hint({topic for c in changes for topic in _topics(c)})
        return verdicts

    def _replace(self, change: Change, now: int) -> Verdict:
        queue = self._queue(change.queue)
        job = queue.jobs.get(change.id)
        if job is None:
            return "already" if change.job is None else "lost"
        if job.version == change.mark:
            return "already"
        if change.fenced and (job.state != "running" or job.token != change.expect):
            return "lost"
        if not change.fenced and job.version != change.expect:
            return "lost"
        self._write(queue, job, change, now)
        for total in change.totals:
            queue.count(total)
        for key in change.keys:
            self._change_key(queue, change.id, key, now)
        return "applied"

    def _write(self, queue: _Queue, old: Job, change: Change, now: int) -> None:
        if change.job is None:
            queue.drop(change.id)
            queue.outputs.pop(change.id, None)
            return
        new = replace(change.job, version=change.mark, payload=change.job.payload if change.payload else old.payload)
        if change.delay is not None:
            new = replace(new, ready_at=now + change.delay)
        if new.state in FINAL and new.finished_at is None:
            new = replace(new, finished_at=now)
        queue.put(new, change.keep)
        if change.output is not None:
            queue.outputs[change.id] = change.output

    def _change_key(self, queue: _Queue, id: str, change: KeyChange, now: int) -> None:
        key = queue.keys.get(change.name)
        if key is None or key.job != id:
            return
        if change.outcome is None:
            del queue.keys[change.name]
        else:
            key.outcome, key.until = change.outcome, now + change.ttl

    def _trim(self, queue: _Queue, cap: int) -> None:
        for _, id in queue.counted.items[: max(0, len(queue.counted.items) - cap)]:
            queue.drop(id)
            queue.outputs.pop(id, None)

    @_locked
    def due(self, limit: int) -> Due:
        now = self._clock()
        rows: list[tuple[int, str, _Queue]] = []
        for queue in self._queues.values():
            rows += [(wake, id, queue) for wake, id in queue.wakes.upto((now, "~"))[:limit]]
            for name in [n for n, k in queue.keys.items() if k.until is not None and k.until <= now]:
                del queue.keys[name]
        rows.sort(key=lambda row: row[:2])
        return Due(now, [queue.jobs[id] for _, id, queue in rows[:limit]])

    # --- readers ---

    @_locked
    def get(self, queue: str, ids: Sequence[str]) -> list[Job | None]:
        jobs, now = self._queue_or_empty(queue).jobs, self._clock()
        return [_seen(job, now) if (job := jobs.get(id)) else None for id in ids]

    @_locked
    def find(self, id: str) -> Job | None:
        now = self._clock()
        return next((_seen(q.jobs[id], now) for q in self._queues.values() if id in q.jobs), None)

    @_locked
    def page(
        self, queue: str, state: State, *, cursor: str | None = None, limit: int = 100, reverse: bool = False
    ) -> Page:
        q = self._queue_or_empty(queue)
        q.take_in(self._clock())
        places = q.orders[state].items[::-1] if reverse else q.orders[state].items
        if cursor is not None:
            last = tuple(msgspec.json.decode(cursor))
            places = [place for place in places if (place < last if reverse else place > last)]
        chosen = places[:limit]
        more = len(places) > limit
        return Page([q.jobs[place[-1]] for place in chosen], msgspec.json.encode(chosen[-1]).decode() if more else None)

    @_locked
    def outputs(self, queue: str, ids: Sequence[str]) -> list[bytes | None]:
        outputs = self._queue_or_empty(queue).outputs
        return [outputs.get(id) for id in ids]

    @_locked
    def held(self, worker: str) -> list[Job]:
        return [
            q.jobs[id]
            for q in self._queues.values()
            for _, id in q.orders["running"].items
            if q.jobs[id].owner == worker
        ]

    @_locked
    def queues(self) -> list[str]:
        return sorted(self._queues)

    @_locked
    def counts(self, queues: Sequence[str] | None = None) -> list[QueueCounts]:
        now = self._clock()
        return [self._counts(name, now) for name in (sorted(self._queues) if queues is None else queues)]

    def _counts(self, name: str, now: int) -> QueueCounts:
        queue = self._queue_or_empty(name)
        queue.take_in(now)
        states = {state: len(queue.orders[state].items) for state in STATES}
        oldest = min((ready_at for _, ready_at, _ in queue.orders["ready"].items), default=None)
        return QueueCounts(name, now, states, oldest, dict(queue.totals), queue.controls)

    # --- controls and notes ---

    @_locked
    def control(self, queue: str, setting: Setting) -> Controls:
        q = self._queue(queue)
        q.controls = q.controls.changed(setting, self._clock())
        self._hint({f"ready:{queue}"})
        return q.controls

    @_locked
    def read(self, prefix: str) -> dict[str, bytes]:
        return {key: value for key, value in self._notes.items() if key.startswith(prefix)}

    @_locked
    def swap(self, key: str, old: bytes | None, new: bytes | None) -> bool:
        if self._notes.get(key) != old:
            return False
        if new is None:
            self._notes.pop(key, None)
        else:
            self._notes[key] = new
        return True

    def now(self) -> int:
        return self._clock()

    def watch(self, topics: Sequence[str]) -> "MemoryWatch":
        watch = MemoryWatch(frozenset(topics), self._watches)
        self._watches.append(watch)
        return watch

    # --- parts ---

    def _queue(self, name: str) -> _Queue:
        return self._queues.setdefault(name, _Queue())

    def _queue_or_empty(self, name: str) -> _Queue:
        return self._queues.get(name) or _Queue()

    def _hint(self, topics: set[str]) -> None:
        for watch in self._watches:
            if watch.topics & topics:
                watch.hint()


class MemoryWatch:
    """A pipe that gets a byte when a watched topic has news."""

    def __init__(self, topics: frozenset[str], registry: list["MemoryWatch"]) -> None:
        self.topics = topics
        self._registry = registry
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def hint(self) -> None:
        """Make the descriptor readable."""
        with suppress(BlockingIOError):  # full: a hint is waiting already
            os.write(self._write, b".")

    def fileno(self) -> int:
        """The readable end."""
        return self._read

    def drain(self) -> None:
        """Take all waiting hints."""
        with suppress(BlockingIOError):
            while os.read(self._read, 4096):
                pass

    def close(self) -> None:
        """Stop watching and close the pipe."""
        self._registry.remove(self)
        os.close(self._read)
        os.close(self._write)


def _topics(change: Change) -> list[str]:
    if change.job is None or change.job.state in FINAL:
        return [f"done:{change.queue}"]
    return [f"ready:{change.queue}"] if change.job.state == "ready" else []


def _seen(job: Job, now: int) -> Job:
    return replace(job, state="ready") if job.state == "scheduled" and job.ready_at <= now else job


def open_memory(url: str, *, namespace: str = "jq", clock: Clock | None = None, **options: object) -> Backend:
    """A fresh, empty store. The namespace makes no difference: nobody shares it."""
    return MemoryBackend(clock)
