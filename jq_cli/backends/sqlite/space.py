"""A namespace of an open database: the numbers of its queues, and its write transactions."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from jq_cli.backends.base import Clock, Controls
from jq_cli.backends.sqlite.database import Database
from jq_cli.backends.sqlite.file import watch_folder
from jq_cli.process.pipes import ring

COUNTERS = ("scheduled", "ready", "running", "succeeded", "cancelled", "succeeded_kept", "cancelled_kept", "dead")
"""The columns of `queues` that count its jobs, in the order of the phases 1 to 8."""

_COUNT_JOBS = f"UPDATE queues SET {', '.join(f'{name} = {name} + ?' for name in COUNTERS)} WHERE number = ?"
_COUNT_TOTAL = """INSERT INTO totals (queue, name, count) VALUES (?, ?, ?)
    ON CONFLICT (queue, name) DO UPDATE SET count = count + excluded.count"""


ERASED_AT_ONCE = 5_000
"""Jobs that one transaction removes, so that others have their turns between."""


class QueueState(msgspec.Struct, frozen=True):
    """What a claim must know of a queue."""

    number: int
    name: str
    controls: Controls
    scheduled: int
    ready: int
    running: int


class Space:
    """One namespace. Queues are never removed, so their numbers are looked up once."""

    def __init__(self, database: Database, namespace: str, clock: Clock) -> None:
        self.database, self.clock = database, clock
        self.cursor = database.cursor
        self._topics = namespace + "/"
        self._watches = watch_folder(database.settings.path)
        self._numbers: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self.number = self._find(namespace)

    def _find(self, namespace: str) -> int:
        find = "SELECT number FROM namespaces WHERE name = ?"
        with self.database.reading():
            row = self.cursor.execute(find, (namespace,)).fetchone()
        if row is None:
            with self.database.writing():
                self.cursor.execute("INSERT INTO namespaces (name) VALUES (?) ON CONFLICT DO NOTHING", (namespace,))
                row = self.cursor.execute(find, (namespace,)).fetchone()
        number: int = row[0]
        return number

    # --- queues ---

    def queue(self, name: str) -> int | None:
        """The number of a queue, None when it was never used."""
        number = self._numbers.get(name)
        if number is None:
            find = "SELECT number FROM queues WHERE space = ? AND name = ?"
            row = self.cursor.execute(find, (self.number, name)).fetchone()
            if row is not None:
                number = row[0]
                self._numbers[name], self._names[row[0]] = row[0], name
        return number

    def name(self, queue: int) -> str:
        """The name of a queue of this namespace."""
        if queue not in self._names:
            (name,) = self.cursor.execute("SELECT name FROM queues WHERE number = ?", (queue,)).fetchone()
            self._names[queue] = name
        return self._names[queue]

    def names(self) -> list[str]:
        """The names of all queues, sorted."""
        rows = self.cursor.execute("SELECT name FROM queues WHERE space = ? ORDER BY name", (self.number,))
        return [name for (name,) in rows]

    def state(self, name: str) -> QueueState | None:
        """What a claim must know of a queue, None when it was never used."""
        read = "SELECT number, controls, scheduled, ready, running FROM queues WHERE space = ? AND name = ?"
        row = self.cursor.execute(read, (self.number, name)).fetchone()
        return None if row is None else QueueState(row[0], name, read_controls(row[1]), *row[2:])

    def forget(self, name: str) -> None:
        """Forget the number of a queue that was not stored after all."""
        self._names.pop(self._numbers.pop(name, 0), None)

    def erase(self) -> None:
        """Remove the namespace and all that is in it, some jobs at a time. It cannot be used afterwards."""
        of_space = "queue IN (SELECT number FROM queues WHERE space = ?)"
        some = f"DELETE FROM jobs WHERE serial IN (SELECT serial FROM jobs WHERE {of_space} LIMIT {ERASED_AT_ONCE})"
        more = True
        while more:
            with self.database.writing():
                more = self.cursor.execute(some, (self.number,)).rowcount == ERASED_AT_ONCE
        with self.database.writing():
            for what in (
                f"keys WHERE {of_space}", f"totals WHERE {of_space}", "notes WHERE space = ?", "queues WHERE space = ?",
                "namespaces WHERE number = ?",
            ):  # fmt: skip
                self.cursor.execute(f"DELETE FROM {what}", (self.number,))

    # --- watching ---

    def topic(self, topic: str) -> str:
        """The topic as writers to this file name it."""
        return self._topics + topic

    def ring(self, topics: set[str]) -> None:
        """Hint at topics."""
        if topics:
            ring(self._watches, [self._topics + topic for topic in topics])

    # --- writing ---

    @contextmanager
    def step(self) -> Iterator["Step"]:
        """One write transaction; when it is stored, those are woken whom it concerns."""
        step = Step(self)
        try:
            with self.database.writing():
                step.now = self.clock()
                yield step
                step.flush()
        except BaseException:
            for name in step.made:
                self.forget(name)
            raise
        self.ring(step.topics)


class Step:
    """What one write transaction adds up: jobs that moved between phases, totals, topics to hint at. `now` is the store's
    time, read once the transaction had its turn."""

    def __init__(self, space: Space) -> None:
        self.space, self.cursor = space, space.cursor
        self.now = 0
        self.topics: set[str] = set()
        self.made: list[str] = []
        self._moves: dict[int, list[int]] = {}
        self._totals: dict[tuple[int, str], int] = {}

    def queue(self, name: str) -> int:
        """The number of a queue, which exists from now on."""
        number = self.space.queue(name)
        if number is None:
            self.cursor.execute("INSERT INTO queues (space, name) VALUES (?, ?)", (self.space.number, name))
            self.made.append(name)
            number = self.space.queue(name)
            assert number is not None
        return number

    def moved(self, queue: int, old: int, new: int, jobs: int = 1) -> None:
        """Count jobs that left a phase for another; 0 stands for outside."""
        moves = self._moves.get(queue)
        if moves is None:
            moves = self._moves[queue] = [0] * (1 + len(COUNTERS))
        moves[old] -= jobs
        moves[new] += jobs

    def count(self, queue: int, total: str) -> None:
        """Add one to a total."""
        self._totals[queue, total] = self._totals.get((queue, total), 0) + 1

    def flush(self) -> None:
        """Write what was counted so far, so that it can be read."""
        for queue, moves in self._moves.items():
            self.cursor.execute(_COUNT_JOBS, (*moves[1:], queue))
        for (queue, total), count in self._totals.items():
            self.cursor.execute(_COUNT_TOTAL, (queue, total, count))
        self._moves, self._totals = {}, {}


def read_controls(stored: bytes) -> Controls:
    """The controls in a row of `queues`."""
    return Controls() if stored == b"{}" else msgspec.json.decode(stored, type=Controls)
