"""What a Python producer may say about a job, and how it becomes a draft. Durations are seconds, text such as `1h30m`, or
timedeltas."""

from datetime import datetime, timedelta
from math import isfinite
from typing import Any, Literal, TypedDict

import msgspec

from jq_cli.config.settings import Settings
from jq_cli.draft import MAX_DELAY, Draft, encode_payload, seconds
from jq_cli.durations import format_duration
from jq_cli.errors import InvalidField
from jq_cli.intake.drafting import Drafter, decode_line
from jq_cli.job import Backoff

Duration = float | str | timedelta
"""Seconds, text with units, or a timedelta."""

ONE_JOB = ("id", "dedup_key", "idempotency_key")
"""Options that cannot be shared by several jobs."""

KNOWN = 64
"""Sets of options that are remembered as checked."""


class JobOptions(TypedDict, total=False):
    """Options of a job; what is not given comes from the queue's configuration. docs/semantics.md says what each means."""

    id: str
    priority: int
    delay: Duration
    at: datetime
    ttl: Duration
    max_retries: int
    max_losses: int
    delivery: Literal["at_least_once", "at_most_once"]
    backoff: Backoff
    timeout: Duration
    retention: Duration
    dedup_key: str
    dedup_ttl: Duration
    dedup_until: Literal["ttl", "done"]
    idempotency_key: str
    idempotency_ttl: Duration
    headers: dict[str, str]


class Drafting:
    """Makes the drafts of one queue. Options that were checked lately are not checked again. Threads may share it."""

    def __init__(self, settings: Settings, queue: str) -> None:
        self._settings, self._queue = settings, queue
        self._limit = settings.max_payload
        self._plain: Drafter | None = None
        self._known: dict[bytes, Drafter] = {}

    def draft(self, payload: Any, options: JobOptions, now: int | None = None) -> Draft:
        """A checked draft. `now` (ms) is the store's time, needed for `at`. Raises InvalidField for the first thing out of
        bounds."""
        return self.drafter(options, now).plain(self.payload(payload), id=options.get("id"))

    def drafter(self, options: JobOptions, now: int | None = None) -> Drafter:
        """What makes drafts with these options, but for their `id`."""
        plain = self._plain
        if plain is None:
            plain = self._plain = Drafter(self._settings, self._queue)
        if not options:
            return plain
        given = _given(options, now)
        line = _encoded({**given, "payload": None})
        if not given.keys().isdisjoint(ONE_JOB):
            return plain.sharing(decode_line(line))
        if (known := self._known.get(line)) is None:
            if len(self._known) >= KNOWN:
                self._known.clear()
            known = self._known[line] = plain.sharing(decode_line(line))
        return known

    def payload(self, value: Any) -> bytes:
        """A value as payload bytes. Raises InvalidField."""
        if isinstance(value, bytes | bytearray | memoryview):
            raise InvalidField("payload", "bytes are no JSON value; decode them first")
        return encode_payload(value, self._limit)


def _given(options: JobOptions, now: int | None) -> dict[str, Any]:
    """The options but for `id`, as a line of NDJSON says them."""
    given: dict[str, Any] = {name: _plain(name, value) for name, value in options.items() if value is not None}
    if unknown := sorted(given.keys() - JobOptions.__annotations__.keys()):
        raise InvalidField(unknown[0], f"no such option; known: {', '.join(JobOptions.__annotations__)}")
    given.pop("id", None)
    if (at := given.pop("at", None)) is not None:
        given["delay"] = _delay(at, given, now)
    return given


def seconds_of(name: str, value: Duration) -> float:
    """A duration in seconds, 0 or more. Raises InvalidField."""
    plain = _plain(name, value)
    if isinstance(plain, bool) or not isinstance(plain, int | float | str):
        raise InvalidField(name, f"expected seconds, text such as 30s, or a timedelta, got {plain!r}")
    amount = seconds(plain, name)
    if not 0 <= amount <= MAX_DELAY / 1_000:
        raise InvalidField(name, f"expected 0..{format_duration(MAX_DELAY)}, got {plain}")
    return amount


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, float) and not isfinite(value):
        raise InvalidField(name, f"expected a finite number, got {value}")
    return value.total_seconds() if isinstance(value, timedelta) else value


def _delay(at: Any, given: dict[str, Any], now: int | None) -> float:
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise InvalidField("at", f"expected a datetime with a time zone, got {at!r}")
    if "delay" in given:
        raise InvalidField("at", "delay and at exclude each other")
    assert now is not None
    left: float = at.timestamp() - now / 1_000
    if left < 0:
        raise InvalidField("at", f"{at.isoformat()} is {-left:.3f} s in the past")
    return left


def _encoded(fields: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(fields)
    except (TypeError, ValueError, UnicodeEncodeError, RecursionError, msgspec.MsgspecError) as error:
        raise InvalidField("options", str(error)) from None
