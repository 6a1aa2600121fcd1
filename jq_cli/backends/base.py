"""The seam: what a backend must do. A backend is a compare-and-swap job store with one query, `claim`.

Everything a queue means (retry, dead letter, at-most-once, promotion, recovery) is decided above, in `lifecycle`, once. A
backend stores jobs, hands them out in order, and replaces a job if it still is the one the caller saw. It adds only what
must be atomic with the write: order, leases, keys, totals, controls.

Rules for every backend
- Every call takes a batch and says, per item, what it really did. Each item is atomic; a batch need not be.
- Only the store's clock decides, read inside the step; `now` in answers is its reading, in ms since the epoch. A backend
  opened with a clock uses that one instead (tests, simulation).
- Every call ends within a deadline (about 2 s) with an answer or with BackendUnreachable, in which case whether it took
  effect is unknown. Driver errors never leave a backend raw: they are BackendError and its kin.
- Names arrive checked. Stored data is never trusted: `job.decode` never fails.
- Backends are used by one thread of one process at a time, and opened after a fork.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec
from msgspec.structs import replace

from jq_cli.backends.schema import Schema
from jq_cli.change import Change, Verdict
from jq_cli.closing import Closing
from jq_cli.draft import Draft
from jq_cli.errors import BackendError, UsageError
from jq_cli.ids import nonce
from jq_cli.job import STATES, Job, State, Token

Clock = Callable[[], int]
"""Gives ms since the Unix epoch."""


class Inserted(msgspec.Struct, frozen=True, gc=False):
    """What became of one draft, judged in this order: its id, its dedup key, its idempotency key.

    created    the job is stored; `id` is its id
    duplicate  no job was made: the id exists, or a live key belongs to the job `id`
    replayed   no job was made: the idempotency key's job `id` has ended and `outcome` is its stored outcome (JSON)
    mismatch   no job was made: the idempotency key belongs to job `id`, which has another payload
    """

    status: Literal["created", "duplicate", "replayed", "mismatch"]
    id: str
    outcome: bytes | None = None


class Claim(msgspec.Struct, frozen=True):
    """A request for jobs.

    queues  strictly in this order: the second is looked at only when the first has nothing (more) to hand out
    limit   at most so many jobs in all, 1..1,000
    lease   ms until the lease ends unless it is extended
    nonce   fresh random text; the token of each claimed job is `<generation>.<nonce>`
    idle    so many jobs the caller starts at once. An at_most_once job is handed out only among the first `idle` of the
            answer; the claim ends before one that would come later, so that it is never fetched ahead
    """

    queues: tuple[str, ...]
    limit: int
    worker: str
    lease: int
    nonce: str
    idle: int = 1_000


class Claimed(msgspec.Struct, frozen=True):
    """Leased jobs in the order in which they must start, and the store's time."""

    now: int
    jobs: list[Job]


class Turned(msgspec.Struct, frozen=True):
    """The answer to `turn`: a verdict for each change, then what was claimed."""

    now: int
    verdicts: list[Verdict]
    jobs: list[Job]


class Due(msgspec.Struct, frozen=True):
    """Rows whose wake-up passed: running ones whose lease ended, waiting ones that expired, final ones kept long enough."""

    now: int
    jobs: list[Job]


class Page(msgspec.Struct, frozen=True):
    """Part of a listing; `cursor` continues it and is None at its end."""

    jobs: list[Job]
    cursor: str | None


class Setting(msgspec.Struct, frozen=True, omit_defaults=True):
    """A change of a queue's controls; None leaves a field as it is. `pause_for`: ms until a pause ends by itself."""

    paused: bool | None = None
    reason: str = ""
    by: str = ""
    pause_for: int | None = None
    max_running: int | None = None


class Controls(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an operator set on a queue; judged inside `claim`. `paused_until` in ms, None: until resumed. `max_running` 0:
    no limit over all workers."""

    paused: bool = False
    paused_reason: str = ""
    paused_by: str = ""
    paused_until: int | None = None
    max_running: int = 0

    def holds(self, now: int) -> bool:
        """Whether the queue hands nothing out at that moment."""
        return self.paused and (self.paused_until is None or self.paused_until > now)

    def changed(self, setting: Setting, now: int) -> "Controls":
        """These controls after a setting."""
        new = self
        if setting.paused is True:
            until = None if setting.pause_for is None else now + setting.pause_for
            new = replace(new, paused=True, paused_reason=setting.reason, paused_by=setting.by, paused_until=until)
        elif setting.paused is False:
            new = Controls(max_running=new.max_running)
        return new if setting.max_running is None else replace(new, max_running=setting.max_running)


class QueueCounts(msgspec.Struct, frozen=True):
    """One queue at one moment. `ready` includes scheduled jobs that are due. `oldest_ready_at`: the least `ready_at` among
    its ready jobs. `totals` ever counted: enqueued, succeeded, failed, dead, recovered, duplicates."""

    queue: str
    now: int
    states: dict[State, int]
    oldest_ready_at: int | None
    totals: dict[str, int]
    controls: Controls


Hold = Literal["held", "stop", "lost"]


class Extended(msgspec.Struct, frozen=True):
    """For each lease: held (until now + lease), stop (held, but an operator asked to cancel the job) or lost."""

    now: int
    holds: list[Hold]


class Watch(Protocol):
    """Hints that something happened. A hint may be missed or come for nothing: polling is the truth."""

    def fileno(self) -> int:
        """A descriptor that becomes readable when there is a hint."""

    def drain(self) -> None:
        """Take the hints, without blocking. A broken watch repairs itself here or raises BackendUnreachable."""

    def close(self) -> None:
        """Stop watching."""


class Backend(Closing):
    """One open store, bound to a namespace. Use as a context manager or call `close`."""

    url: str = ""
    """Where it is, secrets masked; for messages."""

    prices: Mapping[str, float] = {}
    """Dollars, at list price, for a million of each kind of `requests`."""

    idle_poll: float = 0.0
    """Seconds to which an idle worker may stretch the pause between looks, where each costs money; 0: not at all."""

    @abstractmethod
    def insert(self, drafts: Sequence[Draft]) -> list[Inserted]:
        """Store jobs in order; earlier ones of the batch count when later ones are judged.

        Sets `created_at` = now, `ready_at` = now + delay, state `ready` or `scheduled` (delay > 0), `expires_at` = now +
        expires_in, and a fresh `version` (the job's own id will do). In the same step it takes the dedup key (for
        `dedup_ttl`; with `dedup_until: done` until the job ends, or the ttl if one is given) and the idempotency key
        (open-ended, with the draft's fingerprint), and counts `enqueued` or `duplicates` (duplicate and replayed).
        The queue exists from now on.
        """

    def insert_within(self, connection: Any, drafts: Sequence[Draft]) -> list[Inserted]:
        """As `insert`, in the transaction that the caller's own connection is in: the jobs come to be when it commits, and
        never when it rolls back. Nothing hints at them. Raises UsageError where the store is no database of the caller's."""
        raise UsageError(f"{self.url}: only Postgres can put jobs into a transaction of the caller's")

    @abstractmethod
    def claim(self, claim: Claim) -> Claimed:
        """Lease jobs to a worker, in the order of `Job.order`, due scheduled ones in their places.

        Sets state `running`, `generation` + 1, `owner`, `token`, `version` (the token will do), `started_at` = now,
        `lease_until` = now + lease. Honours the queue's controls. A scheduled job that is due is taken in first and competes
        by its `ready_at`.
        """

    @abstractmethod
    def extend(self, leases: Sequence[Token], *, lease: int, live: Mapping[str, bytes] | None = None) -> Extended:
        """Move the end of leases to now + lease. `live` maps job ids to the side record (JSON) to show meanwhile.

        A lease that ran out but was not recovered yet still counts. Like every write this changes `version` (to
        `<token>~<lease_until>`), so that a recovery or cancellation that saw the old lease cannot take it away or shorten it.
        """

    @abstractmethod
    def replace(self, changes: Sequence[Change]) -> list[Verdict]:
        """Apply changes, each one atomic step with its keys, totals and output.

        A change whose row already carries its mark is `already` (so is the removal of a row that is gone); one whose
        expectation does not hold is `lost` and changes nothing. A fenced change needs state `running` and an equal token;
        an unfenced one an equal version. The new row's version is the mark. A `stop` that the stored row carries stays set
        until the job is final: a worker that has not heard of it yet cannot undo it. When, after an applied change, a
        capped queue holds more counted finished jobs than the cap, the oldest by (finished_at, id) go.
        """

    def turn(self, changes: Sequence[Change], claim: Claim) -> Turned:
        """Settle the last batch and claim the next. Backends that can do both in one round trip override this."""
        verdicts = self.replace(changes) if changes else []
        claimed = self.claim(claim)
        return Turned(claimed.now, verdicts, claimed.jobs)

    def begin(self, changes: Sequence[Change], claim: Claim) -> Turned | Callable[[], Turned]:
        """A `turn` in two halves: its answer when it is there already, else what waits for it, called once. Either may raise.
        Meanwhile the next turn may begin: it comes after all of this one, and raises what this one raised, unsent."""
        return self.turn(changes, claim)

    @abstractmethod
    def due(self, limit: int) -> Due:
        """Rows whose wake-up passed (`wake_at` <= now, for final rows finished_at + keep <= now), at most `limit`, earliest
        first. Also forgets unique keys that ended, in bounded steps. Costs nothing for rows that are not due."""

    @abstractmethod
    def get(self, queue: str, ids: Sequence[str]) -> list[Job | None]:
        """The jobs with these ids, None where there is none. A scheduled job that is due is shown as `ready`."""

    @abstractmethod
    def find(self, id: str) -> Job | None:
        """A job by its id alone, in whatever queue."""

    @abstractmethod
    def page(
        self, queue: str, state: State, *, cursor: str | None = None, limit: int = 100, reverse: bool = False
    ) -> Page:
        """One page of a queue's jobs in a state, in the state's own order: ready by `Job.order` (due scheduled ones are
        among them, and are shown as `ready`), scheduled by (ready_at, id), running by (lease_until, id), final by
        (finished_at, id). Jobs that stay are listed once; pages cost the same however deep they are."""

    @abstractmethod
    def outputs(self, queue: str, ids: Sequence[str]) -> list[bytes | None]:
        """The side records (captured output and progress, JSON) of jobs."""

    @abstractmethod
    def held(self, worker: str) -> list[Job]:
        """The running jobs whose owner is this worker."""

    @abstractmethod
    def queues(self) -> list[str]:
        """The names of all queues ever used or controlled, sorted. Cheap."""

    @abstractmethod
    def counts(self, queues: Sequence[str] | None = None) -> list[QueueCounts]:
        """Counts of the named queues, or of all, in the order asked for (all: sorted). A name never used counts zero."""

    @abstractmethod
    def control(self, queue: str, setting: Setting) -> Controls:
        """Change what an operator set on a queue and give the result (`Controls.changed` does the work; read, change and
        write are one atomic step). After it returned, no claim hands out a job against it."""

    @abstractmethod
    def read(self, prefix: str) -> dict[str, bytes]:
        """Notes whose key starts with the prefix."""

    @abstractmethod
    def swap(self, key: str, old: bytes | None, new: bytes | None) -> bool:
        """Write a note if it still is `old` (None: absent); `new` None removes it. False: it was not, nothing changed."""

    @abstractmethod
    def now(self) -> int:
        """The store's clock in ms since the epoch. A round trip on some stores; used where nothing else answers."""

    def watch(self, topics: Sequence[str]) -> Watch | None:
        """Hints for topics `ready:<queue>` (new work) and `done:<queue>` (a job ended), or None when there are none to have."""
        return None

    def hooked(self) -> None:
        """Hear that whoever holds this backend tells hooks of its changes: a server behind it need not tell them again."""

    def check(self) -> str:
        """Try out, and leave nothing behind, whether the store writes under a condition, on which everything rests; says what
        was tried. Raises BackendError when it does not, NotAuthorised when it may not be tried."""
        key = f"check/{nonce()}"
        try:
            if not self.swap(key, None, b"1") or self.swap(key, None, b"2") or self.read(key) != {key: b"1"}:
                raise BackendError(f"{self.url}: does not keep to the condition of a write")
        finally:
            self.swap(key, b"1", None)
        return "a note was written, could not be written again, and is removed"

    @property
    def requests(self) -> dict[str, int]:
        """The requests sent so far to a store that bills each of them, by kind; empty where none is billed."""
        return {}

    @property
    def schema(self) -> Schema | None:
        """The tables behind it, None for a store that needs none made."""
        return None

    def erase(self) -> None:
        """Remove all jobs and notes of the namespace, and what else the store keeps for it as far as it can: queues, tables,
        folders. For one that nobody else uses; then close the backend. By default the names of queues stay."""
        for queue, state in ((queue, state) for queue in self.queues() for state in STATES):
            while jobs := self.page(queue, state, limit=500).jobs:
                self.replace([Change(queue, job.id, job.version, False, "erased", None) for job in jobs])
        for key, note in self.read("").items():
            self.swap(key, note, None)

    def close(self) -> None:
        """Give back connections and files. The backend cannot be used afterwards."""
