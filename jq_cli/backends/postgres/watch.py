"""Hints from Postgres: a connection of its own that listens to the channels of some topics, and holds their locks so that others
know that somebody does."""

from collections.abc import Sequence
from functools import partial

from psycopg import Error

from jq_cli.backends.postgres.address import Address
from jq_cli.backends.postgres.arrays import numbers
from jq_cli.backends.postgres.connection import TimedConnection, connect
from jq_cli.backends.postgres.errors import translating
from jq_cli.backends.postgres.link import Topic
from jq_cli.backends.postgres.statement import cursor_of
from jq_cli.backends.reconnecting import ReconnectingWatch

_HOLD = "SELECT pg_advisory_lock_shared(key) FROM unnest(%s::bigint[]) AS topic (key)"


class PostgresWatch(ReconnectingWatch[TimedConnection]):
    """See ReconnectingWatch."""

    repair = 0.5
    lost = (OSError, Error)

    def __init__(self, address: Address, topics: Sequence[Topic]) -> None:
        self._address, self._topics = address, topics
        super().__init__(partial(translating, address.shown), address.timeout)

    @property
    def direct(self) -> bool:
        """Whether no pooler stands between; it would hand what is said here to somebody else."""
        return self._connection is not None and self._connection.direct

    def _open(self, deadline: float) -> TimedConnection:
        connection = connect(self._address, deadline)
        try:
            if connection.direct and self._topics:
                connection.execute("; ".join(f"LISTEN {topic.channel}" for topic in self._topics))
                cursor_of(connection).execute(_HOLD, (numbers([topic.key for topic in self._topics]),))
        except BaseException:
            connection.close()
            raise
        return connection

    def _take(self, connection: TimedConnection) -> None:
        if connection.ended():
            raise OSError("the server hung up")
        connection.pgconn.consume_input()
        while connection.pgconn.notifies() is not None:
            pass
