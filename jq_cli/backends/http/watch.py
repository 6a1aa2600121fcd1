"""Hints from a server: an answer that has no end, on a connection of its own. Whatever arrives there is a hint."""

import selectors
import time
from collections.abc import Sequence

from jq_cli.backends.http.client import HttpClient
from jq_cli.backends.http.connection import Connection
from jq_cli.backends.http.errors import raised, translating

REPAIR = 0.1
"""Seconds that `drain` may take to connect again after the connection was lost."""

NO_HINTS = 204
"""The status of a server whose store has no hints to give, or that has no room for another watch."""


class HttpWatch:
    """See Watch. The descriptor stays the same when the connection is replaced. Raises BackendUnreachable, NotAuthorised."""

    def __init__(self, client: HttpClient, topics: Sequence[str]) -> None:
        self._client = client
        self._topics = list(topics)
        self._connection: Connection | None = None
        self._selector = selectors.DefaultSelector()
        try:
            with translating(client.address.shown):
                self.useful = self._connect(client.address.timeout)
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """The descriptor of a selector around the socket: epoll and kqueue can be waited for like any other."""
        fileno: int = self._selector.fileno()
        return fileno

    def drain(self) -> None:
        """Take the hints. A lost connection is replaced at once, and the call itself was the hint that something may have
        been missed; when that fails, BackendUnreachable, and the next call tries again."""
        with translating(self._client.address.shown):
            try:
                if self._connection is None:
                    self._connect(REPAIR)
                else:
                    self._connection.take()
            except OSError:
                self._disconnect()
                self._connect(REPAIR)

    def close(self) -> None:
        """Stop watching."""
        self._disconnect()
        self._selector.close()

    def _connect(self, seconds: float) -> bool:
        connection, reply = self._client.watch(self._topics, time.monotonic() + seconds)
        if reply.status != 200:
            connection.close()
            if reply.status == NO_HINTS:
                return False
            raise raised(reply, self._client.address.shown)
        self._connection = connection
        self._selector.register(connection, selectors.EVENT_READ)
        return True

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._selector.unregister(self._connection)
            self._connection.close()
            self._connection = None
