"""The job record and its row form. Pure: no clock, no I/O.

A row has three parts. The *head* holds the fields a store indexes or changes by itself (order, lease, fence, times); each
store keeps them in its own form. The *payload* is the producer's JSON, carried as the same bytes from end to end. The *body*
is everything else as one small JSON object; only this module knows what is in it.
"""

from typing import Any, Literal

import msgspec

from jq_cli.errors import InvalidField

FORMAT = 1
"""Version of the body this code writes. A row of a newer one is kept as it is and left to newer workers."""

State = Literal["scheduled", "ready", "running", "succeeded", "dead", "cancelled"]
STATES: tuple[State, ...] = ("scheduled", "ready", "running", "succeeded", "dead", "cancelled")
WAITING = frozenset({"scheduled", "ready"})
FINAL = frozenset({"succeeded", "dead", "cancelled"})

MAX_ERRORS = 10


NO_RESULT = msgspec.Raw()
"""The result of a job that has none. An empty `Raw` other than this one would be written as nothing, which is not JSON."""


class Backoff(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """How long a failed job waits before its next try; see `lifecycle.backoff_delay`. `base` and `cap` in seconds."""

    base: float = 1.0
    factor: float = 2.0
    cap: float = 3600.0
    jitter: float = 0.1


class ErrorEntry(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One failed or lost execution: when (ms, the worker's view of the store's clock), which one, where, why. `started`:
    when it was claimed; `retry_in`: ms until the next try, None when the job waits for none."""

    at: int
    generation: int
    worker: str
    error: str
    kind: str = "failed"
    started: int | None = None
    retry_in: int | None = None


class Deed(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What an operator did to a job: when (ms, the store's clock), who, what (`edited`, `requeued`, ...).

    `before` holds the fields that it changed as they were, `payload` the payload as it was. Of an old deed they may have been
    dropped to keep the record small (`lifecycle.remembered`); `dropped` then is the size of the payload in bytes.
    """

    at: int
    by: str
    what: str
    payload: bytes | None = None
    before: dict[str, Any] = {}
    dropped: int = 0


class Job(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One unit of work. Field names are the public names used in JSON everywhere. Times are ms since the Unix epoch by
    the store's clock, durations are seconds. None stands for "not set"."""

    # Head: kept by the store in a form of its own, never part of the body.
    id: str = ""
    queue: str = ""
    state: State = "ready"
    priority: int = 0
    ready_at: int = 0
    created_at: int = 0
    expires_at: int | None = None
    started_at: int | None = None
    finished_at: int | None = None
    generation: int = 0
    owner: str | None = None
    lease_until: int | None = None
    token: str | None = None
    version: str = ""
    stop: bool = False
    # Payload: JSON as the producer sent it.
    payload: bytes = b""
    # Body.
    format: int = FORMAT
    delivery: Literal["at_least_once", "at_most_once"] = "at_least_once"
    max_retries: int = 3
    max_losses: int = 3
    backoff: Backoff = Backoff()
    timeout: float | None = None
    retention: float | None = None
    dedup_key: str | None = None
    dedup_ttl: float | None = None
    dedup_until: Literal["ttl", "done"] = "ttl"
    idempotency_key: str | None = None
    idempotency_ttl: float = 86_400.0
    headers: dict[str, str] = {}
    schedule: str | None = None
    failures: int = 0
    losses: int = 0
    reason: str | None = None
    last_error: str | None = None
    errors: tuple[ErrorEntry, ...] = ()
    history: tuple[Deed, ...] = ()
    result: msgspec.Raw = NO_RESULT
    raw: bytes = b""
    extra: dict[str, Any] = {}

    @property
    def attempt(self) -> int:
        """Which execution this is or would be, counted from 1."""
        return self.failures + self.losses + 1

    @property
    def data(self) -> Any:
        """The payload as Python values. Raises ValueError when it is damaged."""
        return msgspec.json.decode(self.payload)

    @property
    def returned(self) -> Any:
        """The result as Python values; None when there is none."""
        return msgspec.json.decode(self.result) if bytes(self.result) else None

    @property
    def order(self) -> tuple[int, int, str]:
        """The key by which ready jobs leave their queue, smallest first."""
        return (-self.priority, self.ready_at, self.id)

    @property
    def wake_at(self) -> int | None:
        """When an unfinished job needs attention if nothing else happens: its lease ends, or it expires."""
        return self.lease_until if self.state == "running" else self.expires_at

    @property
    def counted(self) -> bool:
        """Whether this job, once finished, is among those of which a queue keeps only the last N."""
        return self.state != "dead" and self.retention is None

    @property
    def damaged(self) -> bool:
        """Whether the stored body could not be decoded; `raw` holds it."""
        return bool(self.raw) and self.format <= FORMAT and self.reason is None


class Token(msgspec.Struct, frozen=True, gc=False):
    """A lease: the right to settle one job, for as long as the stored token equals this one."""

    queue: str
    id: str
    token: str


def lease_of(job: Job) -> Token:
    """The lease under which a claimed job was handed out."""
    if job.token is None:
        raise InvalidField("job", f"{job.id} is not running, so nobody holds its lease")
    return Token(job.queue, job.id, job.token)


def gist(error: str) -> str:
    """An error in one line: of a traceback the exception, of a command how it ended and the last thing it said."""
    lines = [line.strip() for line in error.strip().splitlines() if line.strip()]
    if not lines or lines[0].startswith("Traceback") or len(lines) == 1:
        return lines[-1] if lines else ""
    return f"{lines[0]}: {lines[-1]}"


HEAD = (
    "id", "queue", "state", "priority", "ready_at", "created_at", "expires_at", "started_at", "finished_at",
    "generation", "owner", "lease_until", "token", "version", "stop",
)  # fmt: skip
_FIELDS = {f.name: f for f in msgspec.structs.fields(Job)}
_BLANK: dict[str, Any] = {name: _FIELDS[name].default for name in HEAD} | {"payload": b"", "extra": {}}

_RESULTLESS = _BLANK | {"result": NO_RESULT}

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Job)


def encode_body(job: Job) -> bytes:
    """The body of a row: a JSON object without head and payload. Fields that a newer version stored come back out."""
    if job.format > FORMAT:
        return job.raw
    body = _encoder.encode(msgspec.structs.replace(job, **(_BLANK if job.result else _RESULTLESS)))
    if not job.extra:
        return body
    fields: dict[str, Any] = msgspec.json.decode(body)
    return _encoder.encode({**job.extra, **fields})


def decode(stored: bytes, **head: Any) -> Job:
    """The job in a row: its body overlaid with the head fields and the payload, given by name.

    Never fails: a body that cannot be decoded, or that a newer version wrote, comes back as a job with `raw` set
    (see `Job.damaged` and `Job.format`), so that one bad row cannot stop a worker.
    """
    try:
        fields = _decoder.decode(stored)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # A field this version does not know fails the strict decoder too, which sends it the slow way round.
        fields = _decode_slowly(stored)
    return msgspec.structs.replace(fields, **head)


def _decode_slowly(stored: bytes) -> Job:
    try:
        fields = msgspec.json.decode(stored, type=dict[str, Any])
        if fields.get("format", FORMAT) > FORMAT:
            return Job(format=int(fields["format"]), raw=stored)
        extra = {name: value for name, value in fields.items() if name not in _FIELDS}
        known = msgspec.json.encode({name: value for name, value in fields.items() if name in _FIELDS})
        return msgspec.structs.replace(_decoder.decode(known), extra=extra)
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError, ValueError, RecursionError):
        return Job(raw=stored or b"null")
