"""What a process knows of one queue: the rows by id, an order of them for each state, and what lies beside them."""

from bisect import bisect_left, bisect_right, insort
from typing import Any

from msgspec.structs import replace

from jq_cli.backends.base import Controls
from jq_cli.backends.objects.row import Key, Row
from jq_cli.job import FINAL, STATES, State

Place = tuple[Any, ...]


class Order:
    """A set of places, kept sorted."""

    def __init__(self) -> None:
        self.items: list[Place] = []

    def add(self, place: Place) -> None:
        """Put a place in."""
        if not self.items or self.items[-1] < place:
            self.items.append(place)
        else:
            insort(self.items, place)

    def discard(self, place: Place) -> None:
        """Take a place out, if it is there."""
        at = bisect_left(self.items, place)
        if at < len(self.items) and self.items[at] == place:
            del self.items[at]

    def upto(self, place: Place) -> list[Place]:
        """The places up to this one."""
        return self.items[: bisect_right(self.items, place)]

    def page(self, last: Place | None, limit: int, reverse: bool) -> tuple[list[Place], bool]:
        """At most `limit` places beyond the last one seen, and whether there are more."""
        if reverse:
            end = len(self.items) if last is None else bisect_left(self.items, last)
            return self.items[max(0, end - limit) : end][::-1], end > limit
        start = 0 if last is None else bisect_right(self.items, last)
        return self.items[start : start + limit], len(self.items) > start + limit


class Queue:
    """One queue."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.orders: dict[State, Order] = {state: Order() for state in STATES}
        self.counted = Order()
        self.wakes = Order()
        self.keys: dict[str, Key] = {}
        self.totals: dict[str, int] = {}
        self.controls: Controls | None = None

    @property
    def known(self) -> bool:
        """Whether it was ever used or controlled."""
        return bool(self.totals) or self.controls is not None

    def put(self, id: str, row: Row | None) -> Row | None:
        """Store a row in place of the one with its id, or none; gives the one that was there."""
        old = self.rows.pop(id, None)
        if old is not None:
            self._unplace(old)
        if row is not None:
            self.rows[id] = row
            self._place(row)
        return old

    def _place(self, row: Row) -> None:
        self.orders[row.state].add(row.place)
        if (wake := row.wake_at) is not None:
            self.wakes.add((wake, row.id))
        if row.counted and row.state in FINAL:
            self.counted.add((row.finished_at, row.id))

    def _unplace(self, row: Row) -> None:
        self.orders[row.state].discard(row.place)
        if (wake := row.wake_at) is not None:
            self.wakes.discard((wake, row.id))
        if row.counted and row.state in FINAL:
            self.counted.discard((row.finished_at, row.id))

    def take_in(self, now: int) -> None:
        """Give due scheduled jobs their places among the ready ones. That follows from the clock, so no commit says it."""
        for _, id in self.orders["scheduled"].upto((now, "~")):
            self.put(id, replace(self.rows[id], state="ready"))

    def live_key(self, name: str, now: int) -> Key | None:
        """The key, unless it has ended."""
        key = self.keys.get(name)
        return key if key is not None and (key.until is None or key.until > now) else None
