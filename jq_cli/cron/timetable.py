"""A timetable: the moments at which a cron expression fires in a time zone. Pure, but for the zone files that are read.

Two rules for clocks that change, by what the hour field admits
- every hour: the schedule follows real time. It fires whenever the clock shows a time it admits, in a repeated hour twice;
  what a gap skips does not exist.
- not every hour: it fires when the clock first reaches or passes a time it admits. A time in a gap fires once, at the first
  moment after it; a time that comes twice fires at the first.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import takewhile

from jq_cli.cron.expression import Expression
from jq_cli.cron.zone import zone

_FIRST_SPAN = 1_024


class Timetable:
    """Moments are whole seconds since the Unix epoch. Raises InvalidField for what is no expression or no zone."""

    def __init__(self, cron: str, timezone: str = "UTC") -> None:
        self.expression = Expression(cron)
        self.zone = zone(timezone)
        self._after = self._after_in_real_time if self.expression.hourly else self._after_by_the_clock

    def after(self, moment: int) -> int | None:
        """The first tick after a moment; None when there is none for 50 years."""
        return self._after(moment)

    def ticks(self, after: int, until: int | None = None) -> Iterator[int]:
        """The ticks after a moment, up to and with `until` (None: as long as there are any)."""
        every = self._endless(after)
        return every if until is None else takewhile(lambda tick: tick <= until, every)

    def newest(self, after: int, until: int, most: int) -> list[int]:
        """The last ticks after a moment, up to and with `until`, at most so many, earliest first."""
        span = _FIRST_SPAN
        while True:
            start = max(after, until - span)
            found = list(self.ticks(start, until))
            if len(found) >= most or start == after:
                return found[-most:]
            span *= 4

    def _endless(self, moment: int) -> Iterator[int]:
        while (tick := self._after(moment)) is not None:
            yield tick
            moment = tick

    def _after_by_the_clock(self, moment: int) -> int | None:
        local = self.expression.at_or_after(self.zone.reached(moment) + 1)
        return None if local is None else self.zone.first_reach(local)

    def _after_in_real_time(self, moment: int) -> int | None:
        moment += 1
        while True:
            offset = self.zone.offset(moment)
            local = self.expression.at_or_after(moment + offset)
            if local is None:
                return None
            change = self.zone.next_change(moment, local - offset)
            if change is None:
                return local - offset
            moment = change


@lru_cache(maxsize=1_024)
def timetable(cron: str, timezone: str) -> Timetable:
    """The timetable of an expression and a zone, parsed once."""
    return Timetable(cron, timezone)


@lru_cache(maxsize=4_096)
def tick_after(cron: str, timezone: str, moment: int) -> int | None:
    """The first tick after a moment; schedulers ask again and again before it comes."""
    return timetable(cron, timezone).after(moment)
