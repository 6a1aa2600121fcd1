"""A draft: a job as its producer describes it, checked against every bound before a store sees it. Pure."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from jq_cli.durations import UNITS_MS, format_duration, parse_duration
from jq_cli.errors import InvalidField
from jq_cli.ids import is_ulid
from jq_cli.job import Backoff, Job

MAX_PAYLOAD = 1024 * 1024
MAX_DEPTH = 128
SHORT = 2 * MAX_DEPTH
"""Bytes of JSON that cannot nest too deeply, since what opens must close."""
MAX_PRIORITY = 1_000
MAX_TRIES = 1_000
MAX_KEY_BYTES = 512
MAX_HEADER_BYTES = 16 * 1024
MAX_DELAY = 366 * UNITS_MS["d"]
CRON_KEY_TTL = 7 * 86_400.0
DEDUP_TTL = 600.0

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_LONE_SURROGATE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_encode = msgspec.json.Encoder().encode
_NESTING = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


class Draft(msgspec.Struct, frozen=True, gc=False):
    """A job not yet accepted. `delay` and `expires_in` are ms from the moment the store accepts it; `fingerprint` is the
    hash of the canonical payload when an idempotency key must be compared."""

    job: Job
    delay: int = 0
    expires_in: int | None = None
    fingerprint: str = ""


def check_name(name: str, field: str = "queue") -> str:
    """The name itself if it may name a queue or a namespace; raises InvalidField otherwise."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        shown = repr(name if len(str(name)) <= 40 else str(name)[:40] + "…")
        raise InvalidField(
            field, f"{shown} is not a name: 1 to 128 of A-Z a-z 0-9 . _ - are allowed, the first a letter or digit"
        )
    return name


def check_payload(encoded: bytes, limit: int = MAX_PAYLOAD) -> bytes:
    """Payload bytes that must be JSON as they are. Raises InvalidField when they are not, or are out of bounds."""
    if len(encoded) > limit:
        raise InvalidField("payload", f"{len(encoded):,} bytes are more than the {limit:,} allowed (max_payload)")
    check_depth(encoded)
    try:
        msgspec.json.decode(encoded)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidField("payload", json_problem(encoded, error)) from None
    return encoded


def parse_payload(text: bytes, *, as_text: bool = False, limit: int = MAX_PAYLOAD) -> bytes:
    """The payload as JSON bytes. Text that is not JSON becomes a JSON string, unless it starts like JSON: then it must parse.

    Raises InvalidField when it is too large (`limit` bytes encoded), too deep, not UTF-8 or broken JSON.
    """
    if len(text) > limit:
        raise InvalidField("payload", f"{len(text):,} bytes are more than the {limit:,} allowed (max_payload)")
    if not as_text and (encoded := _as_json(text)) is not None:
        return encoded
    try:
        encoded = msgspec.json.encode(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidField("payload", f"invalid UTF-8 at byte {error.start}") from None
    if len(encoded) > limit:
        raise InvalidField("payload", f"{len(encoded):,} bytes are more than the {limit:,} allowed (max_payload)")
    return encoded


def _as_json(text: bytes) -> bytes | None:
    stripped = text.strip()
    looks_like_json = stripped[:1] in (b"{", b"[", b'"')
    if looks_like_json:
        check_depth(stripped)
    try:
        msgspec.json.decode(stripped)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if looks_like_json:
            raise InvalidField("payload", f"{json_problem(stripped, error)}; --text stores it as a string") from None
        return None
    return stripped


def json_problem(text: bytes, error: Exception) -> str:
    """What is wrong with text that the decoder refused."""
    if isinstance(error, UnicodeDecodeError):
        return f"invalid UTF-8 ({error.reason})"
    if _LONE_SURROGATE.search(text):
        return "a lone surrogate (half of a character, such as \\ud800) cannot be stored"
    return f"not valid JSON: {error}"


def check_depth(encoded: bytes) -> None:
    """Raises InvalidField when arrays and objects nest deeper than MAX_DEPTH. Works on any text without recursion."""
    if len(encoded) <= SHORT or encoded.count(b"[") + encoded.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for token in _NESTING.finditer(encoded):
        first = token.group()[:1]
        if first in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidField("payload", f"nesting is deeper than the {MAX_DEPTH} levels allowed")
        elif first in b"]}":
            depth -= 1


def encode_payload(value: Any, limit: int = MAX_PAYLOAD) -> bytes:
    """A Python value as payload bytes. Raises InvalidField when JSON cannot hold it or it is out of bounds."""
    try:
        encoded = _encode(value)
    except (TypeError, ValueError, UnicodeEncodeError, RecursionError, msgspec.MsgspecError) as error:
        raise InvalidField("payload", f"JSON cannot hold it: {error}") from None
    if len(encoded) > limit:
        raise InvalidField("payload", f"{len(encoded):,} bytes are more than the {limit:,} allowed (max_payload)")
    if len(encoded) > SHORT:
        check_depth(encoded)
    return encoded


def fingerprint(payload: bytes) -> str:
    """The hash by which an idempotency key tells the same payload from another: SHA-256 of its canonical JSON."""
    import hashlib  # most commands need none of it, and it loads OpenSSL

    canonical = msgspec.json.encode(msgspec.json.decode(payload), order="sorted")
    return hashlib.sha256(canonical).hexdigest()


def make_draft(job: Job, *, delay: int = 0, expires_in: int | None = None) -> Draft:
    """A draft of a job, every field checked. Raises InvalidField naming the first field out of bounds."""
    check_name(job.queue)
    if not is_ulid(job.id):
        raise InvalidField("id", f"{job.id[:40]!r} is not a ULID: 26 characters of 0-9 A-Z without I L O U")
    _whole("priority", job.priority, -MAX_PRIORITY, MAX_PRIORITY)
    _whole("max_retries", job.max_retries, 0, MAX_TRIES)
    _whole("max_losses", job.max_losses, 0, MAX_TRIES)
    _check_delay("delay", delay)
    if expires_in is not None:
        _check_delay("ttl", expires_in)
    _check_seconds(job)
    _check_backoff(job.backoff)
    _check_key("dedup_key", job.dedup_key)
    _check_key("idempotency_key", job.idempotency_key)
    _check_headers(job.headers)
    if job.dedup_key is not None and job.dedup_until == "ttl" and job.dedup_ttl is None:
        job = replace(job, dedup_ttl=DEDUP_TTL)
    print_ = fingerprint(job.payload) if job.idempotency_key is not None else ""
    return Draft(job, delay, expires_in, print_)


def runs_of(drafts: Sequence[Draft]) -> Iterator[Sequence[Draft]]:
    """The drafts in runs of those that differ in nothing but the ids and payloads of their jobs: what a store makes of the rest
    it makes once for each run."""
    begin = 0
    for n in range(1, len(drafts)):
        if not _alike(drafts[begin], drafts[n]):
            yield drafts[begin:n]
            begin = n
    if drafts:
        yield drafts[begin:]


def _alike(first: Draft, draft: Draft) -> bool:
    job = draft.job
    # Comparing a copy compares all other fields, and those of drafts that were made together are the very same objects.
    return (
        replace(first.job, id=job.id, payload=job.payload) == job
        and first.delay == draft.delay
        and first.expires_in == draft.expires_in
    )


def _whole(field: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InvalidField(field, f"expected {low}..{high}, got {value}")


def _check_delay(field: str, ms: int) -> None:
    if not 0 <= ms <= MAX_DELAY:
        raise InvalidField(field, f"expected 0..{format_duration(MAX_DELAY)}, got {format_duration(ms)}")


def _check_seconds(job: Job) -> None:
    bounds = {
        "timeout": (job.timeout, 0.001),
        "retention": (job.retention, 0),
        "dedup_ttl": (job.dedup_ttl, 0.001),
        "idempotency_ttl": (job.idempotency_ttl, 0.001),
    }
    high = MAX_DELAY / 1_000
    for field, (value, low) in bounds.items():
        if value is not None and not low <= value <= high:
            raise InvalidField(field, f"expected {low:g} s to {format_duration(MAX_DELAY)}, got {value:g} s")


def _check_backoff(backoff: Backoff) -> None:
    high = MAX_DELAY / 1_000
    if not 0 <= backoff.base <= high or not 0 <= backoff.cap <= high:
        raise InvalidField("backoff", f"base and cap must be 0..{format_duration(MAX_DELAY)}")
    if not 1 <= backoff.factor <= 1_000:
        raise InvalidField("backoff", f"factor must be 1..1000, got {backoff.factor:g}")
    if not 0 <= backoff.jitter <= 1:
        raise InvalidField("backoff", f"jitter must be 0..1, got {backoff.jitter:g}")


def _check_key(field: str, key: str | None) -> None:
    if key is None:
        return
    size = len(_utf8(field, key))
    if not 1 <= size <= MAX_KEY_BYTES:
        raise InvalidField(field, f"expected 1..{MAX_KEY_BYTES} bytes, got {size}")


def _check_headers(headers: dict[str, str]) -> None:
    size = sum(len(_utf8("headers", name)) + len(_utf8("headers", value)) for name, value in headers.items())
    if size > MAX_HEADER_BYTES:
        raise InvalidField("headers", f"{size:,} bytes are more than the {MAX_HEADER_BYTES:,} allowed")
    for text in (*headers, *headers.values()):
        if "\0" in text:
            raise InvalidField("headers", "NUL is not allowed")


def _utf8(field: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidField(field, "invalid UTF-8 (a lone surrogate)") from None


class Line(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One line of NDJSON: a payload plus any settable field of the job record; durations may be text with a unit."""

    payload: msgspec.Raw
    queue: str | None = None
    id: str | None = None
    priority: int | None = None
    delay: str | float | None = None
    ttl: str | float | None = None
    max_retries: int | None = None
    max_losses: int | None = None
    delivery: str | None = None
    backoff: Backoff | None = None
    timeout: str | float | None = None
    retention: str | float | None = None
    dedup_key: str | None = None
    dedup_ttl: str | float | None = None
    dedup_until: str | None = None
    idempotency_key: str | None = None
    idempotency_ttl: str | float | None = None
    headers: dict[str, str] | None = None


def seconds(value: str | float, field: str) -> float:
    """Seconds from a number (already seconds) or a duration with a unit."""
    return float(value) if isinstance(value, int | float) else parse_duration(value, field) / 1_000
