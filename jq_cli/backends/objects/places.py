"""Whose turn it is to commit to a bucket, where one writer may be so much faster than another that it makes every commit. Commits
are safe without this; with it nobody starves.

Who has lost twice in a row takes the next place in a line: it creates `want/<place>`. Who is about to make a commit whose number
is divisible by eight looks whether somebody has the first place, and if so lets it go first. Each commit names the places that it
ends: its maker's own, and one whose owner was waited for in vain. So every process knows which place is first, a dead process
holds up each of the others once, and no clocks are compared.
"""

from collections.abc import Iterable

from jq_cli.backends.objects.store import Store

EVERY = 8
"""One of so many commits is for who is first in the line. Only then does anybody look."""

PATIENCE = 2.0
"""Seconds to wait for the owner of the first place: a few requests of a slow one."""


class Line:
    """Which places have ended, as the commits say: all below `first`, and some beyond."""

    def __init__(self) -> None:
        self.first = 1
        self.beyond: set[int] = set()

    def end(self, below: int, places: Iterable[int]) -> None:
        """End all places below one, and others."""
        self.first = max(self.first, below)
        self.beyond.update(places)
        while self.first in self.beyond:
            self.first += 1
        self.beyond = {place for place in self.beyond if place > self.first}

    def has_ended(self, place: int) -> bool:
        """Whether nobody waits at a place any more."""
        return place < self.first or place in self.beyond


class Waiter:
    """A process in the line, or one that lets others go first. `by`: who that is, for people."""

    def __init__(self, store: Store, by: str) -> None:
        self._store, self._by = store, f"{by}\n".encode()
        self._mine: set[int] = set()
        self._in_vain = 0

    def queue(self, line: Line) -> None:
        """Take the first place that is free, if it is before those that are held. In a folder the turnstile is the line."""
        if not self._store.far:
            return
        held, place = self._held(line), line.first
        while place not in held and not self._takes(place, line):
            place += 1
        self._mine.add(place)

    def leave(self, line: Line) -> None:
        """Give back what is held: there is nothing to commit any more."""
        if held := self._held(line):
            self._mine = set()
            self._store.delete([place_name(place) for place in held])

    def is_for_another(self, number: int, line: Line) -> bool:
        """Whether somebody else should make the commit of this number."""
        if number % EVERY or not self._store.far or line.first in self._mine | {self._in_vain}:
            return False
        return self._store.get(place_name(line.first)) is not None

    def waited_in_vain(self, line: Line) -> None:
        """The owner of the first place did not come: nobody has to wait for it again."""
        self._in_vain = line.first

    def ended(self, line: Line) -> list[int]:
        """The places that a commit ends which this process makes now."""
        return sorted(self._held(line) | ({self._in_vain} if self._in_vain >= line.first else set()))

    def _held(self, line: Line) -> set[int]:
        self._mine = {place for place in self._mine if not line.has_ended(place)}
        return self._mine

    def _takes(self, place: int, line: Line) -> bool:
        # Asked first because that is cheap, and the places of others are passed at every loss.
        name = place_name(place)
        return not line.has_ended(place) and self._store.get(name) is None and self._store.create(name, self._by)


def place_name(place: int) -> str:
    """The object of a place."""
    return f"want/{place:016d}"
