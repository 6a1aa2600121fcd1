"""The local clock of a time zone, in whole seconds: what it shows at a moment, and when it first reaches a local time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from jq_cli.errors import InvalidField

PROBE = 86_400
"""Seconds between two looks for a change of the clock. Since 1970 no zone changed twice within six days."""

_EPOCH = datetime(1970, 1, 1)
_OF_THIS_HOST = ("localtime", "posixrules", "right/", "posix/")


class Zone:
    """A zone by its IANA name. Moments are seconds since the Unix epoch; local ones are what the clock shows, as if it were UTC.
    Raises InvalidField for a name that is none."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._fixed = name == "UTC"
        self._zone: tzinfo = UTC if self._fixed else _load(name)

    def local(self, at: int) -> int:
        """What the clock shows at a moment."""
        return at + self.offset(at)

    def offset(self, at: int) -> int:
        """Seconds that the clock is ahead of UTC at a moment."""
        return 0 if self._fixed else _seconds(datetime.fromtimestamp(at, self._zone).utcoffset())

    def reached(self, at: int) -> int:
        """The latest local time that the clock has shown up to a moment: while an hour is repeated, the end of its first pass."""
        moment = datetime.fromtimestamp(at, self._zone)
        if not moment.fold:
            return at + _seconds(moment.utcoffset())
        before, after = _seconds(moment.replace(fold=0).utcoffset()), _seconds(moment.utcoffset())
        return self._change(at - (before - after), at) - 1 + before

    def first_reach(self, local: int) -> int:
        """The moment at which the clock first shows a local time; when it skips it, the first moment after the gap."""
        if self._fixed:
            return local
        wall = (_EPOCH + timedelta(seconds=local)).replace(tzinfo=self._zone)
        first, second = _seconds(wall.utcoffset()), _seconds(wall.replace(fold=1).utcoffset())
        if first >= second:
            return local - first
        return self._change(local - second, local - first)

    def next_change(self, at: int, until: int) -> int | None:
        """The first moment after `at`, up to `until`, at which the clock is set forward or back; None when it is not."""
        if self._fixed:
            return None
        offset = self.offset(at)
        while at < until:
            ahead = min(at + PROBE, until)
            if self.offset(ahead) != offset:
                return self._change(at, ahead)
            at = ahead
        return None

    def _change(self, before: int, after: int) -> int:
        offset = self.offset(after)
        while after - before > 1:
            middle = (before + after) // 2
            before, after = (before, middle) if self.offset(middle) == offset else (middle, after)
        return after

    def show(self, at: int) -> str:
        """A moment on the local clock: RFC 3339 with the zone's offset."""
        return datetime.fromtimestamp(at, self._zone).isoformat()


def _seconds(offset: timedelta | None) -> int:
    assert offset is not None
    return offset.days * 86_400 + offset.seconds


def _load(name: str) -> tzinfo:
    import zoneinfo  # not needed for UTC

    if name.startswith(_OF_THIS_HOST):
        raise InvalidField("timezone", f"{name[:40]!r} differs between hosts; name a place, such as Europe/Berlin")
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidField("timezone", f"{name[:60]!r} is not an IANA time zone{_near(name, zoneinfo)}") from None


def _near(name: str, zoneinfo: "object") -> str:
    from difflib import get_close_matches

    known: Callable[[], set[str]] = zoneinfo.available_timezones  # type: ignore[attr-defined]
    names = {each.lower(): each for each in known()}
    near = [names[each] for each in get_close_matches(name.lower(), names, n=2)]
    return f"; did you mean {' or '.join(near)}?" if near else ", such as UTC or Europe/Berlin"


@lru_cache(maxsize=256)
def zone(name: str) -> Zone:
    """The zone of a name, read once."""
    return Zone(name)
