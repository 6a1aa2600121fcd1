"""Pausing a queue that may be paused already: what is asked for beside what holds, and a pause in words. Pure."""

from collections.abc import Callable

from jq_cli.backends.base import Controls, Setting
from jq_cli.durations import format_moment, parse_duration, parse_moment
from jq_cli.errors import InvalidField

ENDLESS = 0
"""As the ms that a pause lasts: until somebody resumes the queue."""

UNITS = ("s", "m", "h", "d")

MAX_REASON = 1_000
"""Bytes of the reason of a pause."""


def check_reason(reason: str) -> None:
    """Raises InvalidField for a reason that is too long."""
    if len(reason.encode(errors="replace")) > MAX_REASON:
        raise InvalidField("reason", f"{len(reason):,} characters are more than the {MAX_REASON:,} bytes allowed")


def pause_length(until: str, now: Callable[[], int]) -> int:
    """The ms that a pause lasts whose end is given as a duration, a moment or `none` (ENDLESS); `now`: the store's clock. Raises
    InvalidField for an end that cannot be read or has passed."""
    if until == "none":
        return ENDLESS
    if until.startswith("+") or until[-1:] in UNITS:
        pause = parse_duration(until.removeprefix("+"), "until")
    else:
        moment = now()
        pause = parse_moment(until, moment, "until") - moment
    if pause <= 0:
        raise InvalidField("until", f"{until[:40]!r} is not in the future")
    return pause


def pause_setting(held: Controls, now: int, *, by: str, reason: str | None, pause_for: int | None) -> Setting | None:
    """The setting that pauses a queue; what is None stays as the pause that holds at `now` has it. None: one holds, and nothing
    else is asked for."""
    if not held.holds(now):
        return Setting(paused=True, reason=reason or "", by=by, pause_for=pause_for or None)
    if reason is None and pause_for is None:
        return None
    left = None if held.paused_until is None else held.paused_until - now
    return Setting(
        paused=True,
        reason=held.paused_reason if reason is None else reason,
        by=by,
        pause_for=left if pause_for is None else pause_for or None,
    )


def pause_words(controls: Controls) -> str:
    """Who paused a queue, until when, and why."""
    until = "" if controls.paused_until is None else f" until {_moment(controls.paused_until)}"
    by = f" by {controls.paused_by}" if controls.paused_by else ""
    return f"paused{by}{until}{f': {controls.paused_reason}' if controls.paused_reason else ''}"


def _moment(ms: int) -> str:
    try:
        return format_moment(ms)
    except (ValueError, OverflowError, OSError):
        return str(ms)
