"""One transaction: what a call sets in the tables, to be committed or taken back."""

from typing import Any

from jq_cli.backends.base import Controls
from jq_cli.backends.objects.blobs import Shelf
from jq_cli.backends.objects.entry import Entry
from jq_cli.backends.objects.row import Row
from jq_cli.backends.objects.tables import Cell, Table, Tables
from jq_cli.job import FINAL


class Step:
    """One try to make commit `number` at a moment. What it sets is in the tables at once: later items of a batch see it."""

    def __init__(self, tables: Tables, shelf: Shelf, number: int, now: int) -> None:
        self.tables = tables
        self.shelf = shelf
        self.number = number
        self.now = now
        self.topics: set[str] = set()
        self._old: dict[Cell, Any] = {}
        self._new: dict[Cell, Any] = {}

    @property
    def changes(self) -> bool:
        """Whether anything was set."""
        return bool(self._new)

    def set(self, table: Table, queue: str, name: str, value: Any) -> None:
        """Set an entry of a table, or remove it (None)."""
        cell: Cell = (table, queue, name)
        old = self.tables.put(cell, value)
        self._old.setdefault(cell, old)
        self._new[cell] = value

    def row(self, queue: str, id: str, row: Row | None) -> None:
        """Set a row; a job that is ready or that has ended is news."""
        self.set("rows", queue, id, row)
        if row is None or row.state in FINAL:
            self.topics.add(f"done:{queue}")
        elif row.state == "ready":
            self.topics.add(f"ready:{queue}")

    def count(self, queue: str, total: str) -> None:
        """Add one to a total of a queue."""
        self.set("totals", queue, total, self.tables.queue(queue).totals.get(total, 0) + 1)

    def controls(self, queue: str, controls: Controls) -> None:
        """Set the controls of a queue."""
        self.topics.add(f"ready:{queue}")
        self.set("controls", queue, "", controls)

    def undo(self) -> None:
        """Take everything back."""
        for cell, old in reversed(self._old.items()):
            self.tables.put(cell, old)

    def entry(self, nonce: str, prev: str, by: str) -> Entry:
        """What was set, as a commit."""
        entry = Entry(n=self.number, nonce=nonce, prev=prev, at=self.now, by=by)
        for (table, queue, name), value in self._new.items():
            if table == "controls":
                entry.controls.append((queue, value))
            elif table == "notes":
                entry.notes.append((name, value))
            else:
                getattr(entry, table).append((queue, name, value))
        return entry
