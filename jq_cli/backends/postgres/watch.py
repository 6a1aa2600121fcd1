"""Hints from Postgres: a connection of its own that listens to the channels of some topics, and holds their locks so that others
know that somebody does."""

import selectors
import time
from collections.abc import Sequence

from psycopg import Error

from jq_cli.backends.postgres.address import Address
from jq_cli.backends.postgres.arrays import numbers
from jq_cli.backends.postgres.connection import TimedConnection, connect
from jq_cli.backends.postgres.errors import translating
from jq_cli.backends.postgres.link import Topic, cursor_of

REPAIR = 0.5
"""Seconds that `drain` may take to connect again after the connection was lost."""

_HOLD = "SELECT pg_advisory_lock_shared(key) FROM unnest(%s::bigint[]) AS topic (key)"


class PostgresWatch:
    """See Watch. The descriptor stays the same when the connection is replaced. Raises BackendUnreachable, NotAuthorised."""

    def __init__(self, address: Address, topics: Sequence[Topic]) -> None:
        self._address, self._topics = address, topics
        self._connection: TimedConnection | None = None
        self._selector = selectors.DefaultSelector()
        try:
            with translating(address.shown):
                self._connect(address.timeout)
        except BaseException:
            self.close()
            raise

    @property
    def direct(self) -> bool:
        """Whether no pooler stands between; it would hand what is said here to somebody else."""
        return self._connection is not None and self._connection.direct

    def fileno(self) -> int:
        """The descriptor of a selector around the socket: epoll and kqueue can be waited for like any other."""
        fileno: int = self._selector.fileno()
        return fileno

    def drain(self) -> None:
        """Take the hints. A lost connection is replaced at once, and the call itself was the hint that something may have
        been missed; when that fails, BackendUnreachable, and the next call tries again."""
        with translating(self._address.shown):
            try:
                if self._connection is None:
                    self._connect(REPAIR)
                elif self._connection.ended():
                    raise OSError("the server hung up")
                else:
                    self._take(self._connection)
            except (OSError, Error):
                self._disconnect()
                self._connect(REPAIR)

    def close(self) -> None:
        """Stop watching."""
        self._disconnect()
        self._selector.close()

    def _take(self, connection: TimedConnection) -> None:
        connection.pgconn.consume_input()
        while connection.pgconn.notifies() is not None:
            pass

    def _connect(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        connection = connect(self._address, deadline)
        try:
            if connection.direct and self._topics:
                connection.execute("; ".join(f"LISTEN {topic.channel}" for topic in self._topics))
                cursor_of(connection).execute(_HOLD, (numbers([topic.key for topic in self._topics]),))
            self._selector.register(connection, selectors.EVENT_READ)
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._selector.unregister(self._connection)
            self._connection.close()
            self._connection = None
