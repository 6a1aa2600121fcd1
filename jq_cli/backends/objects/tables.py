"""The state of a namespace as one process knows it: what the snapshot said and every commit since. All of it is small tables
whose entries are set one by one, so that a commit is a list of settings and can be taken back."""

from typing import Any, Literal

from jq_cli.backends.objects.entry import Entry
from jq_cli.backends.objects.places import Line
from jq_cli.backends.objects.queue import Order, Queue
from jq_cli.backends.objects.row import Key, Where

Table = Literal["rows", "keys", "totals", "controls", "notes"]
Cell = tuple[Table, str, str]
"""One entry of one table: the table, the queue, and the id or name within it."""


class Tables:
    """Rows, keys, totals and controls by queue, notes, and the line of writers."""

    def __init__(self) -> None:
        self.queues: dict[str, Queue] = {}
        self.notes: dict[str, bytes] = {}
        self.ends = Order()
        self.line = Line()
        self.jobs = 0

    def put(self, cell: Cell, value: Any) -> Any:
        """Set an entry, or remove it (None); gives what was there."""
        table, queue, name = cell
        if table == "notes":
            return _swap(self.notes, name, value)
        q = self.queues.get(queue) or self.queues.setdefault(queue, Queue())
        if table == "rows":
            row = q.put(name, value)
            self.jobs += (value is not None) - (row is not None)
            return row
        if table == "keys":
            return self._put_key(q, queue, name, value)
        if table == "totals":
            return _swap(q.totals, name, value)
        old, q.controls = q.controls, value
        return old

    def apply(self, entry: Entry) -> None:
        """Set everything that a commit sets."""
        self.line.end(entry.first, entry.ended)
        for queue, row_id, row in entry.rows:
            self.put(("rows", queue, row_id), row)
        for queue, name, key in entry.keys:
            self.put(("keys", queue, name), key)
        for queue, name, total in entry.totals:
            self.put(("totals", queue, name), total)
        for queue, controls in entry.controls:
            self.put(("controls", queue, ""), controls)
        for name, note in entry.notes:
            self.put(("notes", "", name), note)

    def whole(self, number: int, nonce: str, at: int) -> Entry:
        """Everything, as one commit that sets it all."""
        queues = sorted(self.queues.items())
        return Entry(
            n=number,
            nonce=nonce,
            at=at,
            first=self.line.first,
            ended=sorted(self.line.beyond),
            rows=[
                (name, place[-1], q.rows[place[-1]])
                for name, q in queues
                for order in q.orders.values()
                for place in order.items
            ],
            keys=[(name, key, value) for name, q in queues for key, value in q.keys.items()],
            totals=[(name, total, value) for name, q in queues for total, value in q.totals.items()],
            controls=[(name, q.controls) for name, q in queues if q.controls is not None],
            notes=list(self.notes.items()),
        )

    def queue(self, name: str) -> Queue:
        """A queue to look at: an empty one, kept nowhere, for a name never used."""
        return self.queues.get(name) or Queue()

    def names(self) -> list[str]:
        """The queues ever used or controlled, sorted."""
        return sorted(name for name, queue in self.queues.items() if queue.known)

    def referenced(self) -> set[Where]:
        """The objects in which bytes of the rows lie."""
        return {where for q in self.queues.values() for row in q.rows.values() for where, _, _ in row.refs}

    def _put_key(self, q: Queue, queue: str, name: str, key: Key | None) -> Key | None:
        old = q.keys.get(name)
        if old is not None and old.until is not None:
            self.ends.discard((old.until, queue, name))
        if key is not None and key.until is not None:
            self.ends.add((key.until, queue, name))
        _swap(q.keys, name, key)
        return old


def _swap(table: dict[str, Any], name: str, value: Any) -> Any:
    old = table.pop(name, None)
    if value is not None:
        table[name] = value
    return old
