"""Hints from a server: an answer that has no end, on a connection of its own. Whatever arrives there is a hint."""

from collections.abc import Sequence
from functools import partial

from jq_cli.backends.http.client import HttpClient
from jq_cli.backends.http.connection import Connection
from jq_cli.backends.http.errors import raised, translating
from jq_cli.backends.reconnecting import ReconnectingWatch

NO_HINTS = 204
"""The status of a server whose store has no hints to give, or that has no room for another watch."""


class HttpWatch(ReconnectingWatch[Connection]):
    """See ReconnectingWatch."""

    def __init__(self, client: HttpClient, topics: Sequence[str]) -> None:
        self._client = client
        self._topics = list(topics)
        super().__init__(partial(translating, client.address.shown), client.address.timeout)

    @property
    def useful(self) -> bool:
        """Whether the server gives hints."""
        return self._connection is not None

    def _open(self, deadline: float) -> Connection | None:
        connection, reply = self._client.watch(self._topics, deadline)
        if reply.status == 200:
            return connection
        connection.close()
        if reply.status == NO_HINTS:
            return None
        raise raised(reply, self._client.address.shown)

    def _take(self, connection: Connection) -> None:
        connection.take()
