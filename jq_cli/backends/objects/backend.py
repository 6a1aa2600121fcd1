"""The objects backend: a folder or a bucket is the whole store, and no server runs. (How it works: the package's docstring.)"""

import time
from collections.abc import Mapping, Sequence

import msgspec

from jq_cli.backends.base import (
    Backend,
    Claim,
    Claimed,
    Clock,
    Controls,
    Due,
    Extended,
    Inserted,
    Page,
    QueueCounts,
    Setting,
    Turned,
    Watch,
)  # fmt: skip
from jq_cli.backends.cursor import read_place, read_ready_place
from jq_cli.backends.objects import reads
from jq_cli.backends.objects.address import open_store, read_address
from jq_cli.backends.objects.changes import apply
from jq_cli.backends.objects.check import check_store
from jq_cli.backends.objects.claims import claim_rows, extend
from jq_cli.backends.objects.inserts import insert
from jq_cli.backends.objects.log import GRACE, Log
from jq_cli.backends.objects.queue import Place
from jq_cli.backends.objects.requests import PRICES
from jq_cli.backends.objects.step import Step
from jq_cli.backends.objects.store import Store
from jq_cli.backends.objects.tables import Tables
from jq_cli.change import Change, Verdict
from jq_cli.draft import Draft
from jq_cli.job import Job, State, Token

FORGET = 1_000
"""Ended keys that one tick forgets."""


def open_objects(url: str, *, namespace: str = "jq", clock: Clock | None = None, **options: object) -> Backend:
    """Open a folder (`file:///srv/jq`) or a bucket (`s3://bucket/prefix`, `gs://`, `az://`).

    Options, here or in the URL's query: `timeout`, for how long a call tries (seconds or a duration; 2 s for a folder, 5 s
    else); for buckets `poll`, to which an idle worker stretches its pauses (0.25 to 60 s, 5 s); for S3 `region`, `endpoint`
    and `profile`; for Azure `account` and `endpoint`.
    Raises UsageError for other options, BackendError and its kin when the store cannot be used.
    """
    address = read_address(url, options)
    backend = ObjectsBackend(open_store(address, namespace), clock, timeout=address.timeout)
    backend.idle_poll = address.poll
    return backend


class ObjectsBackend(Backend):
    """A namespace of a store of objects. `timeout` and `grace` in seconds (see `Log`)."""

    prices = PRICES

    def __init__(self, store: Store, clock: Clock | None = None, *, timeout: float = 5.0, grace: float = GRACE) -> None:
        self.url = store.url
        self._store = store
        self._clock = clock or (lambda: time.time_ns() // 1_000_000)
        self._log = Log(store, self._clock, timeout=timeout, grace=grace)

    # --- producers ---

    def insert(self, drafts: Sequence[Draft]) -> list[Inserted]:
        return self._log.write(lambda step: [insert(step, draft) for draft in drafts]) if drafts else []

    # --- workers ---

    def claim(self, claim: Claim) -> Claimed:
        turned = self.turn((), claim)
        return Claimed(turned.now, turned.jobs)

    def turn(self, changes: Sequence[Change], claim: Claim) -> Turned:
        def work(step: Step) -> Turned:
            verdicts = apply(step, changes)
            # Read before the commit: who cannot read the jobs must not own them.
            return Turned(step.now, verdicts, self._log.blobs.jobs(claim_rows(step, claim), step.now, step.shelf))

        return self._log.write(work)

    def extend(self, leases: Sequence[Token], *, lease: int, live: Mapping[str, bytes] | None = None) -> Extended:
        def work(step: Step) -> Extended:
            return Extended(step.now, [extend(step, each, step.now + lease, live or {}) for each in leases])

        # Who cannot keep its leases loses its jobs, so nothing is as urgent.
        return self._log.write(work, urgent=True) if leases else Extended(self._clock(), [])

    def replace(self, changes: Sequence[Change]) -> list[Verdict]:
        return self._log.write(lambda step: apply(step, changes)) if changes else []

    def due(self, limit: int) -> Due:
        now = self._clock()
        due = self._log.read(lambda tables: Due(now, self._log.blobs.jobs(reads.due(tables, limit, now), now)))
        if reads.ended_keys(self._log.tables, now, 1):
            self._log.write(_forget_ended_keys)
        return due

    # --- readers ---

    def get(self, queue: str, ids: Sequence[str]) -> list[Job | None]:
        def work(tables: Tables) -> list[Job | None]:
            rows = tables.queue(queue).rows
            found = [(queue, row) for id in ids if (row := rows.get(id)) is not None]
            jobs = {job.id: job for job in self._log.blobs.jobs(found, self._clock())}
            return [jobs.get(id) for id in ids]

        return self._log.read(work) if ids else []

    def find(self, id: str) -> Job | None:
        def work(tables: Tables) -> Job | None:
            found = [(name, row) for name, q in sorted(tables.queues.items()) if (row := q.rows.get(id)) is not None]
            return next(iter(self._log.blobs.jobs(found[:1], self._clock())), None)

        return self._log.read(work)

    def page(
        self, queue: str, state: State, *, cursor: str | None = None, limit: int = 100, reverse: bool = False
    ) -> Page:
        last = None if cursor is None else _place(state, cursor)

        def work(tables: Tables) -> Page:
            now = self._clock()
            q = tables.queue(queue)
            q.take_in(now)
            places, more = q.orders[state].page(last, limit, reverse)
            jobs = self._log.blobs.jobs([(queue, q.rows[place[-1]]) for place in places], now)
            return Page(jobs, msgspec.json.encode(places[-1]).decode() if more else None)

        return self._log.read(work)

    def outputs(self, queue: str, ids: Sequence[str]) -> list[bytes | None]:
        def work(tables: Tables) -> list[bytes | None]:
            rows = tables.queue(queue).rows
            refs = [row.output if (row := rows.get(id)) else None for id in ids]
            found = self._log.blobs.read(ref for ref in refs if ref is not None)
            return [None if ref is None else found[ref] for ref in refs]

        return self._log.read(work) if ids else []

    def held(self, worker: str) -> list[Job]:
        return self._log.read(lambda tables: self._log.blobs.jobs(reads.held(tables, worker), self._clock()))

    def queues(self) -> list[str]:
        return self._log.read(lambda tables: tables.names())

    def counts(self, queues: Sequence[str] | None = None) -> list[QueueCounts]:
        now = self._clock()
        return self._log.read(
            lambda tables: [
                reads.counts(tables.queue(name), name, now) for name in (tables.names() if queues is None else queues)
            ]
        )

    # --- controls and notes ---

    def control(self, queue: str, setting: Setting) -> Controls:
        def work(step: Step) -> Controls:
            controls = (step.tables.queue(queue).controls or Controls()).changed(setting, step.now)
            step.controls(queue, controls)
            return controls

        return self._log.write(work)

    def read(self, prefix: str) -> dict[str, bytes]:
        return self._log.read(lambda tables: {k: v for k, v in sorted(tables.notes.items()) if k.startswith(prefix)})

    def swap(self, key: str, old: bytes | None, new: bytes | None) -> bool:
        def work(step: Step) -> bool:
            held = step.tables.notes.get(key)
            if held == old and old != new:
                step.set("notes", "", key, new)
            return held == old

        return self._log.write(work)

    def now(self) -> int:
        return self._clock()

    def watch(self, topics: Sequence[str]) -> Watch | None:
        return self._store.watch(topics)

    @property
    def requests(self) -> dict[str, int]:
        return self._store.requests

    def check(self) -> str:
        check_store(self._store)
        return "conditional writes (create only if absent) are honoured"

    def erase(self) -> None:
        self._store.erase()

    def close(self) -> None:
        self._store.close()


def _forget_ended_keys(step: Step) -> None:
    for _, queue, name in reads.ended_keys(step.tables, step.now, FORGET):
        step.set("keys", queue, name, None)


def _place(state: State, cursor: str) -> Place:
    return read_ready_place(cursor) if state == "ready" else read_place(cursor)
