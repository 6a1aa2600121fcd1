"""What travels between the HTTP backend and `jq serve`: one MessagePack value for each call of the seam, and one for its answer.

A job travels as stores keep it: its head fields, its payload and its body (`job.encode_body`), so that what a newer version put
into a body arrives untouched. Everything else is a record of the seam itself. Arrays grow at their end only: a reader ignores
what it does not know, and a missing field has its default.
"""

from collections.abc import Sequence

import msgspec

from jq_cli.backends.base import Claim, Claimed, Due, Page, Setting, Turned
from jq_cli.change import Change, KeyChange, Step, Verdict
from jq_cli.draft import Draft
from jq_cli.job import Job, State, Token, decode, encode_body

CONTENT_TYPE = "application/msgpack"
PATH = "/v1/store/"
"""A call is `POST /v1/store/<name of the seam's method>`."""

NAMESPACE_HEADER = "jq-namespace"
PATIENCE_HEADER = "jq-patience"
"""Seconds after which the caller stops waiting: a call that could not be started by then must not be made any more."""

HOOKS_HEADER = "jq-hooks"
OWN = "own"
"""What a client says that tells its hooks of its changes by itself; of those of all others the server tells its own."""

COMPRESS_FROM = 1_024
"""Bytes from which a body is compressed, where bodies are compressed at all."""

TOO_DEEP = (RecursionError, msgspec.MsgspecError, UnicodeDecodeError, UnicodeEncodeError, ValueError, OverflowError)
"""What encoding and decoding may raise."""


class Row(msgspec.Struct, array_like=True, frozen=True):
    """A job."""

    id: str
    queue: str
    state: State
    priority: int
    ready_at: int
    created_at: int
    expires_at: int | None
    started_at: int | None
    finished_at: int | None
    generation: int
    owner: str | None
    lease_until: int | None
    token: str | None
    version: str
    stop: bool
    payload: bytes
    body: bytes


class DraftRow(msgspec.Struct, array_like=True, frozen=True):
    """A draft."""

    row: Row
    delay: int
    expires_in: int | None
    fingerprint: str


class StepRow(msgspec.Struct, array_like=True, frozen=True):
    """The step of a change, as far as hooks ask: of the job before its state, owner, failures, losses and format; of the job
    after, where there is one that the change does not write, its state, failures, losses, reason and last error."""

    kind: str
    old: tuple[State, str | None, int, int, int]
    new: tuple[State, int, int, str | None, str | None] | None = None


class ChangeRow(msgspec.Struct, array_like=True, frozen=True):
    """A change. A payload that it does not write does not travel."""

    queue: str
    id: str
    expect: str
    fenced: bool
    mark: str
    row: Row | None
    delay: int | None
    keep: int | None
    cap: int | None
    payload: bool
    totals: tuple[str, ...]
    keys: tuple[KeyChange, ...]
    output: bytes | None
    step: StepRow | None = None


class Lease(msgspec.Struct, frozen=True):
    """Arguments of `extend`."""

    leases: list[Token]
    lease: int
    live: dict[str, bytes] = {}


class Turn(msgspec.Struct, frozen=True):
    """Arguments of `turn`."""

    changes: list[ChangeRow]
    claim: Claim


class Named(msgspec.Struct, frozen=True):
    """Arguments of `get` and `outputs`."""

    queue: str
    ids: list[str]


class Listing(msgspec.Struct, frozen=True):
    """Arguments of `page`."""

    queue: str
    state: State
    cursor: str | None = None
    limit: int = 100
    reverse: bool = False


class Control(msgspec.Struct, frozen=True):
    """Arguments of `control`."""

    queue: str
    setting: Setting


class Swap(msgspec.Struct, frozen=True):
    """Arguments of `swap`."""

    key: str
    old: bytes | None
    new: bytes | None


class Rows(msgspec.Struct, frozen=True):
    """Jobs and what came with them: answers of `claim`, `turn`, `due` and `page`."""

    jobs: list[Row]
    now: int = 0
    verdicts: list[Verdict] = []
    cursor: str | None = None


encode = msgspec.msgpack.Encoder().encode


def pack(job: Job, *, payload: bool = True) -> Row:
    """A job as it travels."""
    return Row(
        job.id, job.queue, job.state, job.priority, job.ready_at, job.created_at, job.expires_at, job.started_at,
        job.finished_at, job.generation, job.owner, job.lease_until, job.token, job.version, job.stop,
        job.payload if payload else b"", encode_body(job),
    )  # fmt: skip


def unpack(row: Row) -> Job:
    """The job that travelled. Never fails: see `job.decode`."""
    return decode(
        row.body, id=row.id, queue=row.queue, state=row.state, priority=row.priority, ready_at=row.ready_at,
        created_at=row.created_at, expires_at=row.expires_at, started_at=row.started_at, finished_at=row.finished_at,
        generation=row.generation, owner=row.owner, lease_until=row.lease_until, token=row.token, version=row.version,
        stop=row.stop, payload=row.payload,
    )  # fmt: skip


def pack_draft(draft: Draft) -> DraftRow:
    """A draft as it travels."""
    return DraftRow(pack(draft.job), draft.delay, draft.expires_in, draft.fingerprint)


def unpack_draft(row: DraftRow) -> Draft:
    """The draft that travelled."""
    return Draft(unpack(row.row), row.delay, row.expires_in, row.fingerprint)


def pack_change(change: Change, *, step: bool = True) -> ChangeRow:
    """A change as it travels; without its `step` nobody behind the wire can tell of it."""
    c = change
    row = None if c.job is None else pack(c.job, payload=c.payload)
    return ChangeRow(
        c.queue, c.id, c.expect, c.fenced, c.mark, row, c.delay, c.keep, c.cap, c.payload, c.totals, c.keys, c.output,
        _pack_step(c) if step else None,
    )  # fmt: skip


def unpack_change(row: ChangeRow) -> Change:
    """The change that travelled."""
    r = row
    job = None if r.row is None else unpack(r.row)
    return Change(
        r.queue, r.id, r.expect, r.fenced, r.mark, job, r.delay, r.keep, r.cap, r.payload, r.totals, r.keys, r.output,
        None if r.step is None else _unpack_step(r, r.step, job),
    )  # fmt: skip


def _pack_step(change: Change) -> StepRow | None:
    if change.step is None:
        return None
    old, new = change.step.old, change.step.new if change.job is None else None
    after = None if new is None else (new.state, new.failures, new.losses, new.reason, new.last_error)
    return StepRow(change.step.kind, (old.state, old.owner, old.failures, old.losses, old.format), after)


def _unpack_step(change: ChangeRow, row: StepRow, new: Job | None) -> Step:
    state, owner, failures, losses, version = row.old
    old = Job(
        id=change.id, queue=change.queue, state=state, owner=owner, failures=failures, losses=losses, format=version
    )
    if row.new is not None:
        state, failures, losses, reason, error = row.new
        new = Job(state=state, failures=failures, losses=losses, reason=reason, last_error=error)
    return Step(old, new, row.kind)


def unpack_jobs(rows: Sequence[Row]) -> list[Job]:
    """The jobs that travelled."""
    return [unpack(row) for row in rows]


def pack_jobs(answer: Claimed | Turned | Due | Page) -> Rows:
    """An answer with jobs as it travels."""
    rows = [pack(job) for job in answer.jobs]
    if isinstance(answer, Page):
        return Rows(rows, cursor=answer.cursor)
    return Rows(rows, answer.now, answer.verdicts if isinstance(answer, Turned) else [])


def size_of(item: Draft | Change) -> int:
    """About how many bytes it takes to send a draft or a change."""
    job = item.job
    if job is None:
        return 256
    output = len(item.output or b"") if isinstance(item, Change) else 0
    return 512 + len(job.payload) + len(bytes(job.result)) + len(job.raw) + output
