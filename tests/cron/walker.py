"""An oracle for cron: walks through real time minute by minute and looks at the local clock. Written from the documentation,
without any of the product's code, and without any cleverness; five fields only.

Run as a program it prints the golden table afresh, to be read before it is committed:
    python -m tests.cron.walker > tests/cron/golden.txt
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
MONTHS = dict(
    zip(["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"], range(1, 13), strict=True)
)
DAYS = dict(zip(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"], range(7), strict=True))


def walk(cron: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    """The minutes in (start, end] at which the expression fires. Aware moments in UTC; `start` on a full minute."""
    every_hour = admits_every(cron.split()[1], 0, 23)
    place = ZoneInfo(zone)
    # Begun early enough to know what the clock has shown before, even where it is set back by a day.
    now = start - timedelta(days=2)
    latest = now.astimezone(place).replace(tzinfo=None)
    fired = []
    while now < end:
        now += MINUTE
        shown = now.astimezone(place).replace(tzinfo=None)
        if every_hour:
            fires = matches(cron, shown)
        else:
            fires = any(matches(cron, passed) for passed in minutes_between(latest, shown))
            latest = max(latest, shown)
        if fires and now > start:
            fired.append(now)
    return fired


def minutes_between(last: datetime, shown: datetime) -> Iterator[datetime]:
    while last < shown:
        last += MINUTE
        yield last


def matches(cron: str, at: datetime) -> bool:
    minute, hour, day, month, weekday = cron.split()
    if not (has(minute, at.minute, 0, 59) and has(hour, at.hour, 0, 23) and has(month, at.month, 1, 12, MONTHS)):
        return False
    by_day, by_weekday = day_matches(day, at), weekday_matches(weekday, at)
    if admits_every(day, 1, 31) or admits_every(weekday, 0, 6):
        return by_day and by_weekday
    return by_day or by_weekday


def day_matches(field: str, at: datetime) -> bool:
    for part in field.split(","):
        if part.startswith("L"):
            before_last = timedelta(days=int(part[2:] or 0))
            if (at + before_last).month == at.month and (at + before_last + timedelta(days=1)).month != at.month:
                return True
        elif has(part, at.day, 1, 31):
            return True
    return False


def weekday_matches(field: str, at: datetime) -> bool:
    today = (at.weekday() + 1) % 7
    for part in field.split(","):
        if "#" in part:
            name, nth = part.split("#")
            back = timedelta(weeks=int(nth) - 1)
            same_month = (at - back).month == at.month
            if DAYS[name] == today and same_month and (at - back - timedelta(weeks=1)).month != at.month:
                return True
        elif part.endswith("L"):
            if DAYS[part[:-1]] == today and (at + timedelta(weeks=1)).month != at.month:
                return True
        elif has(part, today, 0, 6, DAYS) or (today == 0 and part == "7"):
            return True
    return False


def has(field: str, value: int, low: int, high: int, names: dict[str, int] | None = None) -> bool:
    return any(in_part(part, value, low, high, names or {}) for part in field.split(","))


def in_part(part: str, value: int, low: int, high: int, names: dict[str, int]) -> bool:
    span, _, step = part.partition("/")
    if span == "*":
        first, last = low, high
    elif "-" in span:
        first, last = (number(end, names) for end in span.split("-"))
    else:
        first = number(span, names)
        last = high if step else first
    return first <= value <= last and (value - first) % int(step or 1) == 0


def number(text: str, names: dict[str, int]) -> int:
    return names[text] if text in names else int(text)


def admits_every(field: str, low: int, high: int) -> bool:
    plain = [part for part in field.split(",") if "L" not in part and "#" not in part]
    return all(any(in_part(part, value, low, high, DAYS) for part in plain) for value in range(low, high + 1))


# --- the golden table ---

CHANGES = {
    "Europe/Berlin": (("2026-03-28T23:00", 6), ("2026-10-24T22:00", 6)),
    "America/New_York": (("2026-03-08T05:00", 6), ("2026-11-01T04:00", 6)),
    "Australia/Lord_Howe": (("2026-10-03T13:00", 6), ("2026-04-04T13:00", 6)),
    "America/Havana": (("2026-03-08T04:00", 5), ("2026-11-01T03:00", 6)),
}
"""Zone to (moment in UTC some hours before its change, hours to look at): forward, back. Havana's day begins at one o'clock in
spring; Lord Howe changes by half an hour."""

AROUND = [
    "0 2 * * *", "30 2 * * *", "15 1 * * *", "0 * * * *", "45 * * * *", "*/15 * * * *", "*/20 1-3 * * *", "0 */2 * * *", "30 0 * * *",
]  # fmt: skip
LONG = [
    ("0 12 29 2 *", "2028-02-20T00:00", 15), ("0 12 29 2 *", "2100-02-20T00:00", 15), ("0 0 L * *", "2028-01-28T00:00", 35),
    ("30 23 L-1 2 *", "2027-02-20T00:00", 10), ("0 9 * * MON#1", "2026-03-01T00:00", 37), ("15 6 * * FRIL", "2026-03-25T00:00", 32),
    ("0 8 13 * FRI", "2026-03-05T00:00", 20), ("0 2 * 3,11 SUN", "2026-03-06T00:00", 30), ("@daily", "2026-10-23T00:00", 10),
]  # fmt: skip
MACROS = {"@daily": "0 0 * * *"}


def cases() -> Iterator[tuple[str, str, datetime, datetime]]:
    for zone, changes in CHANGES.items():
        for start, hours in changes:
            for cron in AROUND:
                yield zone, cron, moment(start), moment(start) + timedelta(hours=hours)
    for zone in list(CHANGES)[:3]:
        for cron, start, days in LONG:
            yield zone, cron, moment(start), moment(start) + timedelta(days=days)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def show(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M}"


def main() -> None:
    print(
        "# zone | expression | after, until (UTC) | ticks (UTC). Made by tests/cron/walker.py, read by test_golden.py."
    )
    for zone, cron, start, end in cases():
        ticks = " ".join(map(show, walk(MACROS.get(cron, cron), zone, start, end)))
        print(f"{zone} | {cron} | {show(start)} {show(end)} | {ticks}")


if __name__ == "__main__":
    main()
