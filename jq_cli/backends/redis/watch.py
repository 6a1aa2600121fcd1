"""Hints from Redis: a connection of its own that subscribes to the channels of some queues."""

import selectors
import time
from collections.abc import Sequence

import hiredis

from jq_cli.backends.redis.address import Address
from jq_cli.backends.redis.connection import Connection, pack
from jq_cli.backends.redis.errors import translating

REPAIR = 0.1
"""Seconds that `drain` may take to connect again after the connection was lost."""


class RedisWatch:
    """See Watch. The descriptor stays the same when the connection is replaced. Raises BackendUnreachable, NotAuthorised."""

    def __init__(self, address: Address, channels: Sequence[str]) -> None:
        self._address = address
        self._channels = channels
        self._connection: Connection | None = None
        self._selector = selectors.DefaultSelector()
        try:
            with translating(address.shown):
                self._connect(address.timeout)
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
        with translating(self._address.shown):
            try:
                if self._connection is None:
                    self._connect(REPAIR)
                else:
                    self._take(self._connection)
            except OSError:
                self._disconnect()
                self._connect(REPAIR)

    def close(self) -> None:
        """Stop watching."""
        self._disconnect()
        self._selector.close()

    def _take(self, connection: Connection) -> None:
        for answer in connection.receive_waiting():
            if isinstance(answer, hiredis.ReplyError):
                raise answer

    def _connect(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        self._connection = Connection(self._address, deadline)
        self._selector.register(self._connection, selectors.EVENT_READ)
        if self._channels:
            self._connection.send([pack(("SUBSCRIBE", *self._channels))], deadline)
            for _ in self._channels:
                if isinstance(answer := self._connection.receive(deadline), hiredis.ReplyError):
                    raise answer

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._selector.unregister(self._connection)
            self._connection.close()
            self._connection = None
