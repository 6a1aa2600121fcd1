"""What the Admin API takes and gives, as typed records: OpenAPI is made from them. Times are ms since the Unix epoch by the
store's clock, durations text with a unit or seconds."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from jq_cli.draft import Line
from jq_cli.triage.filter import JobFilter
from jq_cli.job import State

MAX_BATCH = 1_000
MAX_ORDER = 1_000

Batch = Annotated[list[Line], Meta(min_length=1, max_length=MAX_BATCH)]
"""Several new jobs; each names its queue."""


class JobRecord(msgspec.Struct, kw_only=True):
    """A job, every public field of it. A payload or result that is not JSON is given as text."""

    id: str
    queue: str
    state: State
    priority: int
    payload: Any
    ready_at: int
    created_at: int
    started_at: int | None
    finished_at: int | None
    expires_at: int | None
    max_retries: int
    max_losses: int
    delivery: str
    backoff: dict[str, float]
    timeout: float | None
    retention: float | None
    dedup_key: str | None
    dedup_ttl: float | None
    dedup_until: str
    idempotency_key: str | None
    idempotency_ttl: float
    headers: dict[str, str]
    schedule: str | None
    generation: int
    failures: int
    losses: int
    owner: str | None
    lease_until: int | None
    stop: bool
    reason: str | None
    last_error: str | None
    errors: list[dict[str, Any]]
    history: list[dict[str, Any]]
    result: Any
    version: str
    raw: str | None = None
    output: Any = None


class JobPage(msgspec.Struct):
    """Part of a listing. `cursor` continues it; null at its end. A page may hold fewer jobs than asked for, even none, and still
    be continued: a filter looks at a bounded number of jobs at a time."""

    jobs: list[JobRecord]
    cursor: str | None


class Enqueued(msgspec.Struct):
    """What became of a new job: created, duplicate (a job with its id or key is there), replayed (its idempotency key has an
    outcome already) or mismatch (that key was used with another payload)."""

    status: str
    id: str
    queue: str
    outcome: Any = None


class QueueRecord(msgspec.Struct):
    """A queue's counts, what an operator set on it, and totals since it was first used. Ages in seconds."""

    queue: str
    scheduled: int
    ready: int
    running: int
    succeeded: int
    dead: int
    cancelled: int
    paused: bool
    oldest_ready_age: float | None
    paused_reason: str | None
    paused_by: str | None
    paused_until: int | None
    max_running: int
    total_enqueued: int
    total_succeeded: int
    total_failed: int
    total_dead: int
    total_recovered: int
    total_duplicates: int


class WorkerRecord(msgspec.Struct):
    """A worker pool that registered. `state` is dead when its heartbeat ran out."""

    id: str
    host: str
    pid: int
    started_at: int
    seen_at: int
    valid: int
    queues: list[str]
    processes: int
    running: int
    done: int
    state: str


class Pause(msgspec.Struct, forbid_unknown_fields=True):
    """Stop handing out a queue's jobs. `for`: how long, such as 30m; null: until it is resumed."""

    reason: Annotated[str, Meta(max_length=1_000)] = ""
    duration: str | None = msgspec.field(default=None, name="for")


class Order(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which jobs of a queue to change: those with these ids, or all that the filter means. `all` must be true where neither says
    which. At most `limit` are changed by one request; `cursor` of the answer goes on after them."""

    ids: Annotated[list[str], Meta(max_length=MAX_ORDER)] = []
    all: bool = False
    states: list[State] = []
    errors: list[str] = []
    payload: list[str] = []
    headers: list[str] = []
    older_than: str | None = None
    newer_than: str | None = None
    priority: str | None = None
    attempts: str | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_ORDER)] = MAX_ORDER
    cursor: str | None = None
    dry_run: bool = False

    def filter(self) -> JobFilter:
        """The filter. Raises InvalidField for what cannot be understood."""
        return JobFilter(
            ids=self.ids,
            states=self.states,
            errors=self.errors,
            payload=self.payload,
            headers=self.headers,
            older_than=self.older_than,
            newer_than=self.newer_than,
            priority=self.priority,
            attempts=self.attempts,
        )


class Failure(msgspec.Struct):
    """A job that was not changed, and why."""

    id: str
    code: str
    detail: str


class Ordered(msgspec.Struct):
    """What became of an order. With `dry_run`, `changed` is what would be. `cursor`: there may be more."""

    changed: int
    ids: list[str]
    failed: list[Failure]
    cursor: str | None = None


class Recover(msgspec.Struct, forbid_unknown_fields=True):
    """Whose jobs to recover: of the worker named, or (null) all whose lease has ended. `force`: also of one whose heartbeat still
    comes, at the risk that its jobs run twice."""

    worker: str | None = None
    force: bool = False


class Recovered(msgspec.Struct):
    """How many jobs were settled."""

    recovered: int
