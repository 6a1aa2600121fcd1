"""Cron expressions on a plain calendar, without time zones: which seconds of a local clock one admits. Pure.

Local moments are whole seconds since 1970-01-01 00:00:00 on a clock that knows no daylight saving.
"""

from bisect import bisect_left
from collections.abc import Iterator
from datetime import date

from jq_cli.cron.fields import HOUR, MINUTE, MONTH, SECOND, parse_month_days, parse_values, parse_week_days
from jq_cli.errors import InvalidField

MACROS = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip

MAX_LENGTH = 256
DAY_SECONDS = 86_400
YEARS_AHEAD = 50
"""How far a next moment is looked for. The rarest one, a fifth Monday in February, comes within 40 years."""

_EPOCH = date(1970, 1, 1).toordinal()
_LAST_YEAR = 9_990


class Expression:
    """A parsed expression. Raises InvalidField for what cannot be parsed or never fires.

    hourly  whether it admits every hour: then it follows real time when clocks change (see `Timetable`)
    """

    def __init__(self, text: str) -> None:
        self.text = normal(text)
        second, minute, hour, day, month, weekday = _split(self.text)
        self._seconds = parse_values(second, SECOND)
        self._minutes = parse_values(minute, MINUTE)
        self._hours = parse_values(hour, HOUR)
        self._month_days = parse_month_days(day)
        self._months = frozenset(parse_values(month, MONTH))
        self._week_days = parse_week_days(weekday)
        self._days: dict[tuple[int, int], list[int]] = {}
        self.hourly = len(self._hours) == 24
        if self.at_or_after(0) is None:
            raise InvalidField("cron", f"{self.text!r} never fires: no month it names has such a day")

    def at_or_after(self, local: int) -> int | None:
        """The first local moment it admits from this one on; None when there is none for 50 years."""
        day, second = divmod(local, DAY_SECONDS)
        for ordinal in self._from(day):
            found = self._time(second if ordinal == day else 0)
            if found is not None:
                return ordinal * DAY_SECONDS + found
        return None

    def _from(self, day: int) -> Iterator[int]:
        """The days it admits from this one on, as days since 1970."""
        start = date.fromordinal(day + _EPOCH)
        year, month = start.year, start.month
        while year <= min(start.year + YEARS_AHEAD, _LAST_YEAR):
            if month in self._months:
                days = self._days_of(year, month)
                yield from days[bisect_left(days, day) :]
            year, month = (year, month + 1) if month < 12 else (year + 1, 1)

    def _days_of(self, year: int, month: int) -> list[int]:
        known = self._days.get((year, month))
        if known is None:
            first = date(year, month, 1).toordinal()
            length = date(year + month // 12, month % 12 + 1, 1).toordinal() - first
            known = sorted(first - _EPOCH + day - 1 for day in self._admitted(length, first % 7))
            self._days[year, month] = known
        return known

    def _admitted(self, length: int, first_weekday: int) -> set[int]:
        by_month = self._month_days.among(length)
        by_week = self._week_days.among(length, first_weekday)
        if self._month_days.every or self._week_days.every:
            return by_month & by_week
        return by_month | by_week

    def _time(self, second: int) -> int | None:
        """The first time of day it admits from this one on, in seconds since midnight."""
        hour, rest = divmod(second, 3_600)
        minute, second = divmod(rest, 60)
        for h in self._hours[bisect_left(self._hours, hour) :]:
            if h > hour:
                return h * 3_600 + self._minutes[0] * 60 + self._seconds[0]
            for m in self._minutes[bisect_left(self._minutes, minute) :]:
                if m > minute:
                    return h * 3_600 + m * 60 + self._seconds[0]
                if left := self._seconds[bisect_left(self._seconds, second) :]:
                    return h * 3_600 + m * 60 + left[0]
        return None


def normal(text: str) -> str:
    """The expression with single spaces; a macro stays one."""
    return " ".join(text.split())


def _split(text: str) -> list[str]:
    if not text:
        raise InvalidField("cron", "empty; expected 5 fields, or 6 with seconds first")
    if len(text) > MAX_LENGTH:
        raise InvalidField("cron", f"{len(text):,} characters are more than the {MAX_LENGTH} allowed")
    if text.startswith("@") and text.lower() not in MACROS:
        raise InvalidField("cron", f"unknown macro {text[:20]!r}; known: {', '.join(MACROS)}")
    fields = MACROS.get(text.lower(), text).split(" ")
    if len(fields) not in (5, 6):
        raise InvalidField("cron", f"expected 5 fields, or 6 with seconds first, got {len(fields)}: {text[:60]!r}")
    return fields if len(fields) == 6 else ["0", *fields]
