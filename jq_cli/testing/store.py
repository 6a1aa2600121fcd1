"""What a conformance test holds in its hand: one open store, a clock it moves, and short words for what producers, workers
and operators do. Nothing here decides anything: calls go straight through the seam, or through a `Consumer`."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import msgspec

from jq_cli.backends.base import Backend, Claim, Controls, Inserted, QueueCounts, Setting
from jq_cli.change import Change, Verdict
from jq_cli.consumer import Consumer
from jq_cli.draft import Draft, make_draft
from jq_cli.ids import new_id, nonce
from jq_cli.job import Job, State
from jq_cli.lifecycle import KEEPING, Keeping, Outcome
from jq_cli.testing.clock import ManualClock
from jq_cli.testing.structure import check_structure, listed

Opener = Callable[[ManualClock, str], Backend]
"""Opens the store under test with a clock, in a namespace. Opened twice with one namespace it is the same store."""

Damager = Callable[[Backend, str, str, bytes], None]
"""Overwrites the stored body of the job `id` of a queue, past the seam, as a defect or a newer version would."""


class Store:
    """One store in a namespace of its own. `keeping` is the retention policy that `settle` and `tick` apply."""

    def __init__(self, opener: Opener, *, alone: bool = False, slow: int = 1, damager: Damager | None = None) -> None:
        self.clock = ManualClock()
        self.namespace = "t" + nonce()
        self.keeping = KEEPING
        self._opener, self._alone, self._slow, self._damager = opener, alone, slow, damager
        self._opened = ExitStack()
        self.backend = self._opened.enter_context(opener(self.clock, self.namespace))

    def close(self) -> None:
        """Close every handle."""
        self._opened.close()

    def check(self) -> None:
        """Check that counts, listings and rows tell the same story."""
        check_structure(self.backend)

    def another(self) -> Backend:
        """A second handle on the same store, to be used by the calling thread and closed by the caller. A store that lives
        inside one process has only one handle, which is given again."""
        return self.backend if self._alone else self._opener(self.clock, self.namespace)

    def many(self, number: int) -> int:
        """So many jobs, or fewer on a store that is slow (see Subject)."""
        return number // self._slow

    def elsewhere(self) -> Backend:
        """A handle on another namespace of the same store."""
        return self._opened.enter_context(self._opener(self.clock, self.namespace + "b"))

    def damage(self, id: str, body: bytes, queue: str = "q") -> None:
        """Overwrite a stored body with these bytes."""
        assert self._damager is not None
        self._damager(self.backend, queue, id, body)

    # --- producers ---

    def draft(
        self, payload: bytes = b'{"n": 1}', *, queue: str = "q", delay: int = 0, expires_in: int | None = None, **f: Any
    ) -> Draft:
        """A draft of a job; `f` are fields of the job record."""
        return make_draft(
            Job(id=f.pop("id", None) or new_id(), queue=queue, payload=payload, **f), delay=delay, expires_in=expires_in
        )

    def insert(self, *drafts: Draft) -> list[Inserted]:
        """What became of each draft."""
        return self.backend.insert(drafts)

    def offer(self, payload: bytes = b'{"n": 1}', **fields: Any) -> Inserted:
        """What becomes of one draft with these fields."""
        return self.insert(self.draft(payload, **fields))[0]

    def add(self, payload: bytes = b'{"n": 1}', **fields: Any) -> str:
        """The id of a new job with these fields."""
        inserted = self.offer(payload, **fields)
        assert inserted.status == "created"
        return inserted.id

    # --- workers ---

    def claim(
        self,
        limit: int = 1,
        *,
        queues: tuple[str, ...] = ("q",),
        worker: str = "w1",
        lease: int = 10_000,
        idle: int = 1_000,
    ) -> list[Job]:
        """Jobs as the seam hands them out."""
        return self.backend.claim(Claim(queues, limit, worker, lease, nonce(), idle)).jobs

    def take(self, **options: Any) -> Job:
        """The one job that a claim of one hands out."""
        (job,) = self.claim(1, **options)
        return job

    def run(self, payload: bytes = b'{"n": 1}', **fields: Any) -> Job:
        """A new job, claimed. Nothing else may be ready in its queue."""
        id = self.add(payload, **fields)
        job = self.take(queues=(fields.get("queue", "q"),))
        assert job.id == id
        return job

    def consumer(self, worker: str = "w1", **options: Any) -> Consumer:
        """A worker with policy, whose retries have no jitter."""
        return Consumer(self.backend, worker=worker, keeping=lambda _queue: self.keeping, rand=lambda: 0.0, **options)

    def outcome(self, job: Job, kind: str = "succeeded", **fields: Any) -> Change:
        """The change that an outcome makes."""
        return self.consumer().settle(job, Outcome(kind, **fields))

    def settle(self, job: Job, kind: str = "succeeded", **fields: Any) -> Verdict:
        """Report an outcome."""
        return self.write(self.outcome(job, kind, **fields))

    def finish(self, kind: str = "succeeded", **fields: Any) -> str:
        """The id of a new job that was run to this outcome."""
        job = self.run(**fields)
        assert self.settle(job, kind) == "applied"
        return job.id

    def write(self, change: Change) -> Verdict:
        """The verdict on one change."""
        (verdict,) = self.backend.replace([change])
        return verdict

    def tick(self) -> int:
        """One maintenance tick: how many jobs it moved."""
        return self.consumer("maintainer").tick()

    def expire_lease(self, job: Job) -> None:
        """Let the lease of a claimed job run out and recover it."""
        assert job.lease_until is not None
        self.clock.advance(job.lease_until - self.clock.now)
        assert self.tick() == 1

    # --- operators and readers ---

    def job(self, id: str, queue: str = "q") -> Job:
        """The job with this id."""
        (job,) = self.backend.get(queue, [id])
        assert job is not None
        return job

    def gone(self, id: str, queue: str = "q") -> bool:
        """Whether there is no such job."""
        return self.backend.get(queue, [id]) == [None]

    def state(self, id: str, queue: str = "q") -> State:
        """The state a reader sees."""
        return self.job(id, queue).state

    def ids(self, state: State, queue: str = "q", **options: Any) -> list[str]:
        """The ids listed in a state, over all pages."""
        return [job.id for job in listed(self.backend, queue, state, **options)]

    def counts(self, queue: str = "q") -> QueueCounts:
        """The counts of one queue."""
        (counts,) = self.backend.counts([queue])
        return counts

    def count(self, state: State, queue: str = "q") -> int:
        """How many jobs are in a state."""
        return self.counts(queue).states[state]

    def total(self, name: str, queue: str = "q") -> int:
        """How often something was counted."""
        return self.counts(queue).totals.get(name, 0)

    def control(self, queue: str = "q", **setting: Any) -> Controls:
        """Set a queue's controls."""
        return self.backend.control(queue, Setting(**setting))

    def keep(self, **policy: Any) -> None:
        """Set the retention policy."""
        self.keeping = Keeping(**policy)


def raw(value: object) -> msgspec.Raw:
    """A value as a job's result."""
    return msgspec.Raw(msgspec.json.encode(value))
