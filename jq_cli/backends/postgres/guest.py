"""Somebody else's connection, as a guest uses it: jobs go into the caller's own transaction, and come with it or not at all."""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from jq_cli.backends.postgres.arrays import teach
from jq_cli.backends.postgres.statement import Rows, Statement, cursor_of
from jq_cli.errors import UsageError

_DEPTH = 4


def driver_connection(connection: Any) -> Connection[Any]:
    """The psycopg connection in what a caller holds: itself, or a connection or session of SQLAlchemy or Django around it.

    Raises UsageError for everything else.
    """
    held = connection
    for _ in range(_DEPTH):
        if isinstance(held, Connection):
            return held
        _begin(held)
        held = getattr(held, "driver_connection", None) or getattr(held, "connection", None)
        if callable(held) and not isinstance(held, Connection):
            held = held()
    raise UsageError(
        f"connection: {type(connection).__module__}.{type(connection).__name__} holds no connection of psycopg 3 "
        "(synchronous, or SQLAlchemy's with postgresql+psycopg)"
    )


def run_in(connection: Connection[Any], statements: Sequence[Statement]) -> list[Rows]:
    """The rows of each statement, in the transaction the connection is in or begins by itself."""
    return [_run(connection, each) for each in statements]


def _run(connection: Connection[Any], statement: Statement) -> Rows:
    cursor = cursor_of(connection)
    teach(cursor.adapters)
    return cursor.execute(statement.sql, statement.values, prepare=False).fetchall()


def _begin(held: Any) -> None:
    """SQLAlchemy must know of the transaction, or its commit would do nothing."""
    if hasattr(held, "exec_driver_sql") and not held.in_transaction():
        held.exec_driver_sql("SELECT 1")
