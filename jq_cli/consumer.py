"""A consumer: what a worker may do with a store. Joins the seam with policy: claims jobs, settles outcomes, keeps leases
alive, recovers what others lost. The worker pool, the compatibility layer and the conformance kit all go through here."""

import os
import random
import socket
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from jq_cli import lifecycle
from jq_cli.backends.base import Backend, Claim, Hold, Turned
from jq_cli.change import Change, Verdict
from jq_cli.ids import nonce
from jq_cli.job import FORMAT, Job, lease_of
from jq_cli.lifecycle import SUCCEEDED, Keeping, Outcome

WORKER_NOTE = "worker:"
HEARTBEAT = 3_000
HEARTBEAT_VALID = 10_000
"""ms between heartbeats, and ms for which one is valid: the lease of a worker pool."""

TICK_BATCH = 500
PRUNE_AFTER = 60_000


def worker_id() -> str:
    """A name for this process start that no other start ever had: `host:pid:random`."""
    return f"{socket.gethostname()}:{os.getpid()}:{nonce()}"


class Registration(msgspec.Struct, omit_defaults=True):
    """What a worker tells about itself, stored as the note `worker:<id>`. `seen_at` is the store's time of its last
    heartbeat, which is valid for `valid` ms; `hooks` how many events each hook was `sent` and how many were `dropped`."""

    id: str
    host: str
    pid: int
    started_at: int
    seen_at: int
    valid: int = HEARTBEAT_VALID
    queues: tuple[str, ...] = ()
    processes: int = 1
    running: int = 0
    done: int = 0
    state: str = "working"
    hooks: dict[str, dict[str, int]] = {}

    def dead(self, now: int) -> bool:
        """Whether its heartbeat ran out."""
        return now > self.seen_at + self.valid


class Consumer:
    """One worker's view of a store. `keeping` gives the retention policy of a queue; `rand` drives retry jitter."""

    def __init__(
        self,
        backend: Backend,
        *,
        worker: str | None = None,
        lease: int = HEARTBEAT_VALID,
        keeping: Callable[[str], Keeping] = lambda _queue: lifecycle.KEEPING,
        rand: Callable[[], float] = random.random,
    ) -> None:
        self.backend = backend
        self.worker = worker or worker_id()
        self.lease = lease
        self._keeping = keeping
        self._rand = rand
        self.notice: Callable[[str], None] = lambda _text: None
        """Told, for people, what a claimed job was refused for that its store cannot show."""
        self._now = 0
        self._read_at = 0.0
        self._note: bytes | None = None
        self._succeeded: Change | None = None
        self._last: Claim | None = None

    # --- claiming and settling ---

    def turn(
        self, changes: Sequence[Change], queues: Sequence[str], limit: int, idle: int = 1_000
    ) -> tuple[list[Verdict], list[Job]]:
        """Apply changes, then claim up to `limit` jobs. Jobs that must not start (expired, damaged, of a newer format) are
        settled here and not returned; when every claimed job was of that kind, the next ones are claimed."""
        claim = self._last = Claim(tuple(queues), limit, self.worker, self.lease, nonce(), idle)
        return self._turned(self.backend.turn(changes, claim), claim)

    def begin(
        self, changes: Sequence[Change], queues: Sequence[str], limit: int, idle: int
    ) -> tuple[list[Verdict], list[Job]] | Callable[[], tuple[list[Verdict], list[Job]]]:
        """A `turn` in two halves, see `Backend.begin`. It may bring nothing although there are jobs, when the next one was begun
        before its second half."""
        claim = self._last = Claim(tuple(queues), limit, self.worker, self.lease, nonce(), idle)
        begun = self.backend.begin(changes, claim)
        return (lambda: self._turned(begun(), claim)) if callable(begun) else self._turned(begun, claim)

    def _turned(self, turned: Turned, claim: Claim) -> tuple[list[Verdict], list[Job]]:
        self._saw(turned.now)
        jobs, verdicts = self._startable(turned.jobs, turned.now), turned.verdicts
        while not jobs and turned.jobs and self._last is claim:  # else later jobs are under way, which come first then
            turned = self.backend.turn([], msgspec.structs.replace(claim, nonce=nonce()))
            jobs = self._startable(turned.jobs, turned.now)
        return verdicts, jobs

    def claim(self, queues: Sequence[str], limit: int = 1, idle: int = 1_000) -> list[Job]:
        """Claim up to `limit` jobs that may start now."""
        return self.turn((), queues, limit, idle)[1]

    def settle(self, job: Job, outcome: Outcome, now: int | None = None) -> Change:
        """The change that an outcome makes; pass it to `turn` or `write`. `now`: what `now()` gave, for many at a time."""
        if outcome is SUCCEEDED:
            before = self._succeeded
            change = None if before is None else lifecycle.as_before(before, job)
            if change is None:
                change = self._succeeded = lifecycle.succeed(job, outcome.result, self._keeping(job.queue))
            return change
        now = self.now() if now is None else now
        return lifecycle.settle(job, outcome, now=now, rand=self._rand(), keeping=self._keeping(job.queue))

    def lose(self, job: Job, why: str) -> Change:
        """The change for a running job whose process this worker saw die."""
        return lifecycle.lose(job, now=self.now(), keeping=self._keeping(job.queue), why=why)

    def write(self, changes: Sequence[Change]) -> list[Verdict]:
        """Apply changes."""
        return self.backend.replace(changes) if changes else []

    def extend(self, jobs: Sequence[Job], live: Mapping[str, bytes] | None = None) -> list[Hold]:
        """Renew the leases of jobs this worker runs."""
        extended = self.backend.extend([lease_of(job) for job in jobs], lease=self.lease, live=live)
        self._saw(extended.now)
        return extended.holds

    def release_unknown(self, known: Mapping[str, Job]) -> int:
        """Release the leases this worker owns but does not know of: those of a claim whose answer was lost."""
        unknown = [job for job in self.backend.held(self.worker) if job.id not in known]
        self.write([lifecycle.release(job, self._keeping(job.queue)) for job in unknown])
        return len(unknown)

    def _startable(self, jobs: Sequence[Job], now: int) -> list[Job]:
        doubtful = lifecycle.doubtful(jobs)
        refused = {j.id: c for j in doubtful if (c := lifecycle.refusal(j, now=now, keeping=self._keeping(j.queue)))}
        if refused:
            self.write(list(refused.values()))
            for job in jobs:
                if job.format > FORMAT:
                    self.notice(
                        f"job {job.id} on {job.queue} was written by a newer version; left to newer workers for 30s"
                    )
        return [job for job in jobs if job.id not in refused] if refused else list(jobs)

    # --- maintenance ---

    def tick(self, told: Callable[[Job], None] = lambda _job: None) -> int:
        """Settle what became due (leases that ended, expiries, retention) and prune dead workers' registrations; gives the
        number of jobs changed. Any number of consumers may do so at the same time: each job moves once. `told` gets each
        job that this call changed, as it was before."""
        moved = 0
        while True:
            due = self.backend.due(TICK_BATCH)
            self._saw(due.now)
            changes = [
                lifecycle.on_due(job, now=due.now, mark=nonce(), keeping=self._keeping(job.queue)) for job in due.jobs
            ]
            verdicts = self.write(changes)
            for job, verdict in zip(due.jobs, verdicts, strict=True):
                if verdict == "applied":
                    told(job)
            applied = verdicts.count("applied")
            moved += applied
            if len(due.jobs) < TICK_BATCH or not applied:
                return moved

    def recover(self, worker: str) -> int:
        """Take all jobs from a worker that is known to be gone, without waiting for their leases."""
        jobs = self.backend.held(worker)
        changes = [lifecycle.lose(job, now=self.now(), mark=nonce(), keeping=self._keeping(job.queue)) for job in jobs]
        return self.write(changes).count("applied")

    # --- the registry of workers ---

    def register(self, **fields: object) -> None:
        """Write or renew this worker's registration, as of the store's time in its last answer."""
        now = self.now()
        registration = Registration(
            id=self.worker, host=socket.gethostname(), pid=os.getpid(), started_at=now, seen_at=now, valid=self.lease
        )
        if self._note is not None:
            registration.started_at = msgspec.json.decode(self._note, type=Registration).started_at
        for name, value in fields.items():
            setattr(registration, name, value)
        note = msgspec.json.encode(registration)
        if self.backend.swap(WORKER_NOTE + self.worker, self._note, note):
            self._note = note
        else:
            # Pruned, or an earlier write whose answer was lost took effect: go on from what is there.
            self._note = self.backend.read(WORKER_NOTE + self.worker).get(WORKER_NOTE + self.worker)

    def unregister(self) -> None:
        """Remove this worker's registration."""
        if self._note is not None:
            self.backend.swap(WORKER_NOTE + self.worker, self._note, None)

    def prune(self) -> None:
        """Remove registrations of workers dead for a minute, never before their jobs are recovered."""
        now = self.now()
        for key, note in self.backend.read(WORKER_NOTE).items():
            registration = read_registration(note)
            if registration is not None and now <= registration.seen_at + registration.valid + PRUNE_AFTER:
                continue
            if registration is None or not self.backend.held(registration.id):
                self.backend.swap(key, note, None)

    # --- time ---

    def now(self) -> int:
        """The store's time as of its last answer plus what has passed since; for what people read, never for a decision."""
        if not self._now:
            self._saw(self.backend.now())
        return self._now + round((time.monotonic() - self._read_at) * 1_000)

    def _saw(self, now: int) -> None:
        self._now, self._read_at = now, time.monotonic()


def read_registration(note: bytes) -> Registration | None:
    """The registration in a note, None when it cannot be decoded."""
    try:
        return msgspec.json.decode(note, type=Registration)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
