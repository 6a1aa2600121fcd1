"""A step on its way: sent, while its answer is not read yet. The server works on it and the caller does something else."""

from collections.abc import Sequence
from contextlib import ExitStack

from jq_cli.backends.postgres.connection import TimedConnection
from jq_cli.backends.postgres.statement import Rows, Statement, cursor_of, fetched, send


class Flight:
    """Statements that happen together or not at all, sent when this is made. Both halves raise psycopg's errors and
    TimeoutError."""

    def __init__(self, connection: TimedConnection, statements: Sequence[Statement]) -> None:
        self.connection = connection
        with ExitStack() as stack:
            if len(statements) == 1:  # without a pipeline, whose end asks the server once more
                self._cursors = [cursor_of(connection)]
                connection.send_off(lambda: self._cursors[0].execute(*statements[0]))
            else:
                pipeline = stack.enter_context(connection.pipeline())
                self._cursors = [send(connection, statement) for statement in statements]
                connection.send_off(pipeline.sync)
            self._pipeline = stack.pop_all()

    def land(self) -> list[Rows]:
        """The rows of each statement."""
        with self._pipeline:
            self.connection.bring_home()
        return [fetched(cursor) for cursor in self._cursors]
