"""The memory backend: plain Python structures in one process. For trying things out, for tests, and as the model that every
other backend is compared with; so it is written to be read."""

import time
from collections.abc import Callable, Mapping, Sequence
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
from jq_cli.backends.cursor import read_place, read_ready_place
from jq_cli.backends.memory.address import read_address
from jq_cli.backends.memory.queue import Key, MemoryQueue, UniqueKey
from jq_cli.backends.memory.watch import MemoryWatch, topics_of
from jq_cli.change import DEDUP, IDEMPOTENCY, Change, KeyChange, Verdict, caps_of
from jq_cli.draft import Draft
from jq_cli.job import FINAL, STATES, Job, State, Token

Method = TypeVar("Method", bound=Callable[..., Any])


def _locked(method: Method) -> Method:
    @wraps(method)
    def call(self: "MemoryBackend", *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            return method(self, *args, **kwargs)

    return cast(Method, call)


class MemoryBackend(Backend):
    """Everything in this process, gone with it."""

    url = "memory://"

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or (lambda: time.time_ns() // 1_000_000)
        self._lock = RLock()
        self._queues: dict[str, MemoryQueue] = {}
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

    def _judge(self, queue: MemoryQueue, draft: Draft, now: int) -> Inserted | None:
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

    def _take_keys(self, queue: MemoryQueue, draft: Draft, now: int) -> None:
        job = draft.job
        if job.dedup_key is not None:
            until = None if job.dedup_ttl is None else now + round(job.dedup_ttl * 1_000)
            queue.keys[DEDUP + job.dedup_key] = UniqueKey(job.id, until)
        if job.idempotency_key is not None:
            queue.keys[IDEMPOTENCY + job.idempotency_key] = UniqueKey(job.id, None, draft.fingerprint)

    # --- workers ---

    @_locked
    def claim(self, claim: Claim) -> Claimed:
        now = self._clock()
        jobs: list[Job] = []
        for name in claim.queues:
            queue = self._queues.get(name)
            if queue is None or queue.controls.holds(now):
                continue
            queue.take_in(now)
            chosen, ended = self._choose(queue, claim, already=len(jobs))
            jobs += [self._lease(queue, job, claim, now) for job in chosen]
            if ended:
                break
        return Claimed(now, jobs)

    def _choose(self, queue: MemoryQueue, claim: Claim, already: int) -> tuple[list[Job], bool]:
        """The jobs to hand out, and whether the claim ends with them because the next one must not be fetched ahead."""
        room = claim.limit - already
        if queue.controls.max_running:
            room = min(room, queue.controls.max_running - len(queue.orders["running"].items))
        chosen: list[Job] = []
        for *_, id in queue.orders["ready"].items[: max(0, room)]:
            job = queue.jobs[id]
            if job.delivery == "at_most_once" and already + len(chosen) >= claim.idle:
                return chosen, True
            chosen.append(job)
        return chosen, False

    def _lease(self, queue: MemoryQueue, job: Job, claim: Claim, now: int) -> Job:
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
        queue = self._queue_or_empty(lease.queue)
        job = queue.jobs.get(lease.id)
        if job is None or job.state != "running" or job.token != lease.token:
            return "lost"
        queue.put(replace(job, lease_until=until, version=f"{job.token}~{until}"))
        if lease.id in live:
            queue.outputs[lease.id] = live[lease.id]
        return "stop" if job.stop else "held"

    @_locked
    def replace(self, changes: Sequence[Change]) -> list[Verdict]:
        now = self._clock()
        verdicts = [self._replace(change, now) for change in changes]
        applied = [change for change, verdict in zip(changes, verdicts, strict=True) if verdict == "applied"]
        for queue_name, cap in caps_of(applied).items():
            self._trim(self._queue(queue_name), cap)
        self._hint({topic for c in applied for topic in topics_of(c)})
        return verdicts

    def _replace(self, change: Change, now: int) -> Verdict:
        queue = self._queue_or_empty(change.queue)
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

    def _write(self, queue: MemoryQueue, old: Job, change: Change, now: int) -> None:
        if change.job is None:
            queue.drop(change.id)
            queue.outputs.pop(change.id, None)
            return
        new = replace(change.job, version=change.mark, payload=change.job.payload if change.payload else old.payload)
        if change.delay is not None:
            new = replace(new, ready_at=now + change.delay)
        if new.state in FINAL:
            new = replace(new, stop=False, finished_at=now if new.finished_at is None else new.finished_at)
        elif old.stop:
            new = replace(new, stop=True)
        queue.put(new, change.keep)
        if change.output is not None:
            queue.outputs[change.id] = change.output

    def _change_key(self, queue: MemoryQueue, id: str, change: KeyChange, now: int) -> None:
        key = queue.live_key(change.name, now)
        if key is None or key.job != id:
            return
        if change.outcome is None:
            del queue.keys[change.name]
        else:
            key.outcome, key.until = change.outcome, now + change.ttl

    def _trim(self, queue: MemoryQueue, cap: int) -> None:
        for _, id in queue.counted.items[: max(0, len(queue.counted.items) - cap)]:
            queue.drop(id)
            queue.outputs.pop(id, None)

    @_locked
    def due(self, limit: int) -> Due:
        now = self._clock()
        rows: list[tuple[int, str, MemoryQueue]] = []
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
            last: Key = read_ready_place(cursor) if state == "ready" else read_place(cursor)
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

    def _queue(self, name: str) -> MemoryQueue:
        return self._queues.setdefault(name, MemoryQueue())

    def _queue_or_empty(self, name: str) -> MemoryQueue:
        return self._queues.get(name) or MemoryQueue()

    def _hint(self, topics: set[str]) -> None:
        for watch in self._watches:
            if watch.topics & topics:
                watch.hint()


def _seen(job: Job, now: int) -> Job:
    return replace(job, state="ready") if job.state == "scheduled" and job.ready_at <= now else job


def open_memory(url: str, *, namespace: str = "jq", clock: Clock | None = None, **options: object) -> Backend:
    """A fresh, empty store. The namespace makes no difference: nobody shares it."""
    read_address(url, options)
    return MemoryBackend(clock)
