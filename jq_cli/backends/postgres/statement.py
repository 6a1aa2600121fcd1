"""A statement, how it is sent on a connection, and its rows."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from psycopg import Cursor
from psycopg.pq import Format
from psycopg.rows import tuple_row

Rows = list[tuple[Any, ...]]


class Statement(NamedTuple):
    """SQL and its parameters."""

    sql: str
    values: Sequence[Any] = ()


def cursor_of(connection: Any) -> Cursor[Any]:
    """A cursor that answers in binary form; the connection itself is left as it is, with whatever kind of cursor it makes for
    its owner."""
    cursor = Cursor(connection, row_factory=tuple_row)
    cursor.format = Format.BINARY
    return cursor


def send(connection: Any, statement: Statement) -> Cursor[Any]:
    """Have it executed; in a pipeline the answer comes later."""
    return cursor_of(connection).execute(statement.sql, statement.values)


def fetched(cursor: Cursor[Any]) -> Rows:
    """What it gave."""
    # Not by `description`, which makes an object for each column.
    return [] if cursor.rownumber is None else cursor.fetchall()
