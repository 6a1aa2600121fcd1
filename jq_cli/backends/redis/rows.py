"""The row form of a job in Redis (see lua/prelude.lua): to text and back. A row is one flat JSON object whose head comes first
and in a fixed order, so that scripts read it by position; a running job's lease is laid over it."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec.structs import replace

from jq_cli.backends.base import Claim
from jq_cli.draft import Draft
from jq_cli.job import FINAL, FORMAT, HEAD, NO_RESULT, Job, State, decode, encode_body

_encoder = msgspec.json.Encoder()
_PRIORITY = 1_000_000_000_000
_VERSION = re.compile(rb'\{"generation":\d+,"priority":-?\d+,"version":"(.*?)","', re.DOTALL)
_LEASE_VERSION = re.compile(rb'\{"token":".*?","version":"(.*?)","', re.DOTALL)
_HEAD_FIELDS = [field for field in msgspec.structs.fields(Job) if field.name in HEAD]


class Lease(msgspec.Struct):
    """What `leases` holds about a running job, but for its version."""

    token: str | None = None
    generation: int = 0
    owner: str | None = None
    started_at: int | None = None
    stop: bool = False


_lease_decoder = msgspec.json.Decoder(Lease)


class Stored(msgspec.Struct):
    """What the parts of a queue hold about one job; `lease_until` and `wake` in ms."""

    id: str
    row: bytes
    payload: bytes | None
    lease: bytes | None = None
    lease_until: int | None = None
    wake: int | None = None


def text_of(value: str) -> bytes:
    """The text as it stands between the quotes of a JSON string."""
    return _encoder.encode(value)[1:-1]


def score_of(job: Job) -> int:
    """The share of the priority in the score of a ready job."""
    return -job.priority * _PRIORITY


# --- to text ---


def draft_tail(draft: Draft) -> bytes:
    """The end of a new row; the script puts the head and the times in front of it."""
    job = draft.job
    blank = replace(job, id="", queue="", state="ready", payload=b"", priority=0, version="")
    tail = _encoder.encode(blank) if not job.extra and job.format <= FORMAT else encode_body(job)
    return b"}" if tail == b"{}" else b"," + tail[1:]


def open_row(job: Job, mark: str, *, stamp: str | None) -> bytes:
    """A row without its end `}`. The script adds the field `stamp` (the store's time) and `stop` to it."""
    rest = replace(
        job, id="", queue="", payload=b"", generation=0, priority=0, version="", owner=None, lease_until=None, token=None,
        stop=False, ready_at=0 if stamp == "ready_at" else job.ready_at, result=job.result or NO_RESULT,
    )  # fmt: skip
    tail = _encoder.encode(rest) if not job.extra and job.format <= FORMAT else _unusual(rest)
    return _row_head(job.generation, job.priority, mark) + (b'"created_at":0' if tail == b"{}" else tail[1:-1])


@lru_cache(maxsize=16)  # jobs that were claimed together and ended alike share it
def _row_head(generation: int, priority: int, version: str) -> bytes:
    return b'{"generation":%d,"priority":%d,"version":%b,' % (generation, priority, _encoder.encode(version))


def _unusual(job: Job) -> bytes:
    """The JSON of a job that has fields unknown to this version, or that a newer one wrote."""
    head = {f.name: value for f in _HEAD_FIELDS if (value := getattr(job, f.name)) != f.default}
    body = encode_body(job)
    if job.format > FORMAT:
        return _encoder.encode({**head, "body": msgspec.Raw(body)})
    return _encoder.encode({**msgspec.json.decode(body, type=dict[str, msgspec.Raw]), **head})


def open_lease(job: Job, mark: str) -> bytes:
    """A lease without its end `}`, for a job that goes on running."""
    return b'{"token":%b,"version":%b,"generation":%d,"owner":%b,"started_at":%b' % (
        _encoder.encode(job.token or ""), _encoder.encode(mark), job.generation, _encoder.encode(job.owner),
        _encoder.encode(job.started_at),
    )  # fmt: skip


def lease_start(token: str) -> bytes:
    """How the lease under this token begins, up to the value of its version."""
    return b'{"token":%b,"version":"' % _encoder.encode(token)


# --- back ---


def claimed_jobs(claim: Claim, queue: str, now: int, columns: Sequence[Sequence[Any]]) -> list[Job]:
    """The jobs that a claim leased at `now`, from their ids, their rows as they were before (None: as the one before it), and
    their payloads."""
    jobs: list[Job] = []
    row, job = b"", Job()
    for id_, own_row, payload in zip(*columns, strict=True):
        if own_row is not None:
            row, job = own_row, _claimed(claim, queue, now, own_row)
        if payload is None:
            jobs.append(replace(job, id=id_.decode(), payload=b"null", format=FORMAT, reason=None, raw=row))
        else:
            jobs.append(replace(job, id=id_.decode(), payload=payload))
    return jobs


def _claimed(claim: Claim, queue: str, now: int, row: bytes) -> Job:
    job = _read_row(row)
    generation = (_generation(row) if job.raw else job.generation) + 1
    token = f"{generation}.{claim.nonce}"
    return replace(
        job, queue=queue, state="running", generation=generation, owner=claim.worker, token=token, version=token,
        started_at=now, lease_until=now + claim.lease,
    )  # fmt: skip


def stored_job(queue: str, stored: Stored, now: int) -> Job:
    """The job in what is stored, as it is seen at `now`."""
    job = _read_row(stored.row)
    if stored.payload is None and job.state not in FINAL:
        job = Job(raw=stored.row, version=_version(stored.row))
    job = replace(job, id=stored.id, queue=queue, payload=stored.payload or b"null", version=job.version or stored.id)
    if stored.lease_until is not None:
        return _leased(job, stored.lease, stored.lease_until)
    if job.state == "scheduled" and job.ready_at <= now:
        return replace(job, state="ready")
    return job


def headless(job: Job, stored: Stored) -> bool:
    """Whether the row does not say where the job stands, because it is damaged; `placed` does it then."""
    return job.state != "running" and (job.damaged or not stored.row.startswith(b'{"generation":'))


def placed(job: Job, state: State, score: int, now: int) -> Job:
    """The job with the state and the moment that its place in an index tells."""
    if state == "ready":
        priority = (now - score + _PRIORITY // 2) // _PRIORITY
        return replace(job, state="ready", priority=priority, ready_at=score + priority * _PRIORITY)
    if state == "scheduled":
        return replace(job, state="ready" if score <= now else "scheduled", ready_at=score)
    return replace(job, state=state, finished_at=score)


def _leased(job: Job, lease: bytes | None, until: int) -> Job:
    try:
        held = _lease_decoder.decode(lease or b"{}")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        held = Lease()
    # Read as the scripts read it, so that even a damaged lease can be taken away.
    version = job.version if lease is None else _first(_LEASE_VERSION, lease) or job.id
    return replace(
        job, state="running", lease_until=until, token=held.token, version=version, owner=held.owner,
        generation=held.generation or job.generation, started_at=held.started_at, stop=held.stop,
    )  # fmt: skip


def _read_row(row: bytes) -> Job:
    job = decode(row)
    if "body" in job.extra:
        return _unwrapped(row)
    if job.format > FORMAT:
        return _newer(row, job)
    return replace(job, version=_version(row)) if job.damaged else job


def _newer(row: bytes, job: Job) -> Job:
    """A row that a newer version wrote: its head is understood, the rest is kept as it is."""
    fields: dict[str, msgspec.Raw] = msgspec.json.decode(row, type=dict[str, msgspec.Raw])
    head = {name: fields.pop(name) for name in HEAD if name in fields}
    return replace(job, raw=_encoder.encode(fields) if head else row, **_head(head, row))


def _unwrapped(row: bytes) -> Job:
    """A row of a newer version that an older one wrote again: it kept what it did not understand in the field `body`."""
    fields: dict[str, msgspec.Raw] = msgspec.json.decode(row, type=dict[str, msgspec.Raw])
    return decode(bytes(fields.pop("body")), **_head(fields, row))


def _head(fields: dict[str, msgspec.Raw], row: bytes) -> dict[str, Any]:
    try:
        known = msgspec.json.decode(_encoder.encode(fields), type=Job)
    except msgspec.ValidationError:
        known = Job(version=_version(row))
    return {name: getattr(known, name) for name in HEAD}


def _version(row: bytes) -> str:
    return _first(_VERSION, row)


def _first(pattern: re.Pattern[bytes], text: bytes) -> str:
    found = pattern.match(text)
    try:
        return msgspec.json.decode(b'"%b"' % found[1], type=str) if found else ""
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""


def _generation(row: bytes) -> int:
    found = re.match(rb'\{"generation":(\d+)', row)
    return int(found[1]) if found else 0
