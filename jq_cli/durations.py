"""Durations and moments as people type them: `30s`, `1h30m`, RFC 3339, `+5m`. Pure: no clock is read here."""

import re
from datetime import UTC, datetime

from jq_cli.errors import InvalidField

MOST_MS = 2**53
"""No duration or moment is longer or later: numbers up to here are exact wherever JSON is read."""

UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")


def parse_duration(text: str, field: str = "duration") -> int:
    """Milliseconds in `500ms`, `30s`, `5m`, `2h`, `1d` or a sum such as `1h30m`. `0` needs no unit.

    Raises InvalidField for anything else; a bare number gets a hint to add a unit.
    """
    text = text.strip()
    if text == "0":
        return 0
    if _NUMBER.fullmatch(text):
        hint = "must not be negative" if text.startswith("-") else f"needs a unit, such as {text.lstrip('+')}s"
        raise InvalidField(field, f"{text!r} {hint}")
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise InvalidField(field, f"{text[:40]!r} is not a duration; use forms like 500ms, 30s, 5m, 2h, 1d, 1h30m")
    return _bounded(sum(float(number) * UNITS_MS[unit] for number, unit in parts), text, field)


def _bounded(ms: float, text: str, field: str) -> int:
    if abs(ms) > MOST_MS:
        raise InvalidField(field, f"{text[:40]!r} is too long")
    return round(ms)


def format_duration(ms: float) -> str:
    """The duration in the form in which it may be typed again, at most two units: `1h30m`, `250ms`."""
    if ms < 0:
        return "-" + format_duration(-ms)
    ms = round(ms)
    if ms < 1_000:
        return f"{ms}ms"
    if ms < 10_000:
        ms = round(ms, -2)
        if ms % 1_000:
            return f"{ms / 1_000:.1f}s"
    seconds = ms // 1_000
    units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)]
    first = next(i for i, (_, size) in enumerate(units) if seconds >= size)
    text = ""
    for name, size in units[first : first + 2]:
        count, seconds = divmod(seconds, size)
        text += f"{count}{name}" if count else ""
    return text


def parse_moment(text: str, now: int, field: str = "moment") -> int:
    """Milliseconds since the epoch in RFC 3339, `+5m` from `now` or `-5m` before it, or a Unix time in seconds.

    A local time without zone is refused, because hosts disagree about it.
    """
    text = text.strip()
    if text.startswith("+"):
        return now + parse_duration(text[1:], field)
    if _NUMBER.fullmatch(text):
        return _bounded(float(text) * 1_000, text, field)
    if text.startswith("-"):
        return now - parse_duration(text[1:], field)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidField(field, f"{text[:40]!r} is not a moment; use RFC 3339, +5m or a Unix time") from None
    if moment.tzinfo is None:
        raise InvalidField(field, f"{text!r} has no time zone; add Z or an offset such as +02:00")
    return round(moment.timestamp() * 1_000)


def format_moment(ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    seconds, rest = divmod(ms, 1_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=1_000 * rest)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
