"""What the Admin API takes and gives, as typed records: OpenAPI is made from them. Times are ms since the Unix epoch by the
store's clock, durations text with a unit or seconds."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from jq_cli.draft import Line, seconds
from jq_cli.errors import UsageError
from jq_cli.job import State
from jq_cli.triage.edits import Edits
from jq_cli.triage.filter import JobFilter
from jq_cli.triage.payload_path import parse_path

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
    lease_left: float | None = None
    timeline: list[dict[str, Any]] = []
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
    """A queue's counts, what an operator set on it, and totals since it was first used. Ages in seconds. `pending_limit`: a
    `max_running` of the server's configuration that the next worker pool to start brings."""

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
    pending_limit: int | None = None


class FullQueueRecord(QueueRecord):
    """The same, and as `configured` what the server's configuration says about the queue, without its handler."""

    configured: dict[str, Any] = {}


class WorkerRecord(msgspec.Struct):
    """A worker pool that registered. `state` is dead when its heartbeat ran out; `hooks`: events sent and dropped."""

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
    hooks: dict[str, dict[str, int]]


class Pause(msgspec.Struct, forbid_unknown_fields=True):
    """Stop handing out a queue's jobs. `for`: how long, such as 30m; `until`: the same, or a moment, or none: until it is
    resumed. What is null stays as the pause that holds has it, if one holds."""

    reason: Annotated[str, Meta(max_length=1_000)] | None = None
    duration: str | None = msgspec.field(default=None, name="for")
    until: str | None = None


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


class Edit(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """New values for a job. `payload` takes the place of the old one; `set` writes JSON values at dotted paths of it and `unset`
    takes values out. `headers` are added, null takes one away. `timeout`: seconds, a duration or none. `requeue`: a dead job
    becomes ready in the same step. `version`: of one job, as it was seen; refused when it has changed since."""

    payload: msgspec.Raw | UnsetType = UNSET
    set: dict[str, msgspec.Raw] = {}
    unset: list[str] = []
    headers: dict[str, str | None] = {}
    priority: int | None = None
    max_retries: int | None = None
    timeout: str | float | None = None
    requeue: bool = False
    version: str | None = None

    def edits(self, limit: int) -> Edits:
        """The edits that it says. Raises InvalidField for a value no job may have."""
        fields: dict[str, Any] = {"priority": self.priority, "max_retries": self.max_retries}
        fields = {name: value for name, value in fields.items() if value is not None}
        if self.timeout is not None:
            fields["timeout"] = None if self.timeout == "none" else seconds(self.timeout, "timeout")
        edits = Edits(
            payload=None if self.payload is UNSET else bytes(self.payload),
            sets=tuple((parse_path(path, "set"), bytes(value)) for path, value in self.set.items()),
            unset=tuple(parse_path(path, "unset") for path in self.unset),
            fields=fields,
            headers=self.headers,
            limit=limit,
            requeue=self.requeue,
        )
        if not (edits or self.requeue):
            raise UsageError("name what to change, such as payload or set")
        edits.check()
        return edits


class EditOrder(Order, forbid_unknown_fields=True, kw_only=True):
    """Which jobs to change, and how."""

    edit: Edit


class Limit(msgspec.Struct, forbid_unknown_fields=True):
    """How many jobs of a queue run at once, at most; 0: no limit."""

    max_running: Annotated[int, Meta(ge=0, le=1_000_000)]


class GroupRecord(msgspec.Struct):
    """Jobs counted together: their number, the first and the last moment among them, the id of the one with the last. `kind`:
    value, none (they have no such value) or other (all groups beyond a bound)."""

    queue: str
    kind: str
    value: Any
    count: int
    first_at: int
    last_at: int
    example: str


class FindingRecord(msgspec.Struct):
    """One measure of one queue (ready jobs; age of the oldest in seconds; dead jobs), its limit, the value above which it is a
    warning, and `ok`, `warning` or `critical`."""

    queue: str
    measure: str
    value: float
    max: float
    status: str
    warn: float


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
    """Whose jobs to recover: of the worker named; or those of the named queues whose lease has ended; or (neither) of all queues,
    with whatever else is due. `force`: also of a worker whose heartbeat still comes, at the risk that its jobs run twice."""

    worker: str | None = None
    force: bool = False
    queues: Annotated[list[str], Meta(max_length=MAX_ORDER)] = []


class Recovered(msgspec.Struct):
    """How many jobs were settled."""

    recovered: int
