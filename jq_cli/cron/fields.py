"""One field of a cron expression: text such as `*/15`, `1-5` or `MON#2,FRIL` becomes the values it admits. Pure.

Every mistake raises InvalidField that names the field and its bound.
"""

import re
from typing import NamedTuple, NoReturn

from jq_cli.errors import InvalidField

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


class Field(NamedTuple):
    """A field's name and bounds. `names` stand for the numbers from `first` on."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    first: int = 0


SECOND = Field("second", 0, 59)
MINUTE = Field("minute", 0, 59)
HOUR = Field("hour", 0, 23)
DAY = Field("day of month", 1, 31)
MONTH = Field("month", 1, 12, MONTHS, 1)
WEEKDAY = Field("day of week", 0, 7, WEEKDAYS)


class MonthDays(NamedTuple):
    """Days of a month: `days` counted from its start (1 is the first), `back` from its end (0 is the last)."""

    days: frozenset[int]
    back: frozenset[int] = frozenset()

    @property
    def every(self) -> bool:
        """Whether no day is left out."""
        return len(self.days) == 31

    def among(self, length: int) -> set[int]:
        """Those of a month with so many days."""
        return {day for day in self.days if day <= length} | {length - n for n in self.back if n < length}


class WeekDays(NamedTuple):
    """Days of the week (0 is Sunday): `days` of every week, `nth` as pairs (day, 1..5), `last` of the month."""

    days: frozenset[int]
    nth: frozenset[tuple[int, int]] = frozenset()
    last: frozenset[int] = frozenset()

    @property
    def every(self) -> bool:
        """Whether no day is left out."""
        return len(self.days) == 7

    def among(self, length: int, first: int) -> set[int]:
        """Those of a month with so many days, whose first one is the weekday `first`."""
        return {day for day in range(1, length + 1) if self._admits(day, (first + day - 1) % 7, length)}

    def _admits(self, day: int, weekday: int, length: int) -> bool:
        if weekday in self.days or (weekday, (day + 6) // 7) in self.nth:
            return True
        return weekday in self.last and day + 7 > length


def parse_values(text: str, field: Field) -> tuple[int, ...]:
    """The values that a field admits, sorted."""
    return tuple(sorted({value for part in text.split(",") for value in _part(part, field)}))


def parse_month_days(text: str) -> MonthDays:
    """The day-of-month field: values, `L` for the last day, `L-3` for the third before it."""
    days: set[int] = set()
    back: set[int] = set()
    for part in text.upper().split(","):
        if match := re.fullmatch(r"L(?:-(\d{1,4}))?", part):
            back.add(_bounded(int(match[1] or 0), f"{part}: the number", DAY.name, 0, 30))
        elif part.endswith("W"):
            _refuse(DAY, f"{part[:20]!r}: W (the nearest working day) is not supported")
        else:
            days.update(_part("*" if part == "?" else part, DAY))
    return MonthDays(frozenset(days), frozenset(back))


def parse_week_days(text: str) -> WeekDays:
    """The day-of-week field: values (0 and 7 are Sunday), `MON#2` for the second of the month, `FRIL` for the last."""
    days: set[int] = set()
    nth: set[tuple[int, int]] = set()
    last: set[int] = set()
    for part in text.upper().split(","):
        day, hash_, number = part.partition("#")
        if hash_:
            nth.add(
                (_number(day, WEEKDAY) % 7, _bounded(_whole(number, WEEKDAY), f"{part}: the week", WEEKDAY.name, 1, 5))
            )
        elif part.endswith("L") and len(part) > 1:
            last.add(_number(part[:-1], WEEKDAY) % 7)
        else:
            days.update(value % 7 for value in _part("*" if part == "?" else part, WEEKDAY))
    return WeekDays(frozenset(days), frozenset(nth), frozenset(last))


def _part(text: str, field: Field) -> range:
    span, slash, step = text.partition("/")
    low, high = _span(span, field, open_ended=bool(slash))
    if not slash:
        return range(low, high + 1)
    return range(low, high + 1, _bounded(_whole(step, field), f"{text}: the step", field.name, 1, field.high))


def _span(text: str, field: Field, *, open_ended: bool) -> tuple[int, int]:
    if text == "*":
        return field.low, field.high
    first, dash, last = text.partition("-")
    low = _number(first, field)
    if not dash:
        return low, field.high if open_ended else low
    high = _number(last, field)
    if field is WEEKDAY and high == 0 < low:
        high = 7
    if high < low:
        _refuse(field, f"{text[:20]!r} runs backwards; write two ranges, such as {_around(text, field)}")
    return low, high


def _around(text: str, field: Field) -> str:
    first, _, last = text.partition("-")
    return f"{first}-{field.high},{field.low}-{last}"


def _number(text: str, field: Field) -> int:
    if text.upper() in field.names:
        return field.names.index(text.upper()) + field.first
    return _bounded(_whole(text, field), text, field.name, field.low, field.high)


def _whole(text: str, field: Field) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return int(text)
    names = f" or a name ({field.names[0]} to {field.names[-1]})" if field.names else ""
    return _refuse(field, f"expected {field.low}..{field.high}{names}, got {text[:20]!r}")


def _bounded(value: int, what: str, name: str, low: int, high: int) -> int:
    if not low <= value <= high:
        raise InvalidField("cron", f"{name}: {what[:40]} is not in {low}..{high}")
    return value


def _refuse(field: Field, problem: str) -> NoReturn:
    raise InvalidField("cron", f"{field.name}: {problem}")
