"""A watch over a connection of its own to a server, which it replaces when it was lost."""

import selectors
import time
from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Generic, Protocol, TypeVar

from jq_cli.closing import Closing


class Connection(Protocol):
    """What a watch needs of a connection."""

    def fileno(self) -> int: ...

    def close(self) -> None: ...


C = TypeVar("C", bound=Connection)


class ReconnectingWatch(Closing, Generic[C]):
    """See Watch. The descriptor stays the same when the connection is replaced. Raises BackendUnreachable, NotAuthorised.

    repair  seconds that `drain` may take to connect again
    lost    what the driver raises when the connection was lost
    """

    repair = 0.1
    lost: tuple[type[Exception], ...] = (OSError,)

    def __init__(self, translating: Callable[[], AbstractContextManager[None]], timeout: float) -> None:
        """`translating` turns the driver's errors into ours; `timeout` in seconds is for the first connection."""
        self._translating = translating
        self._connection: C | None = None
        self._selector = selectors.DefaultSelector()
        try:
            with translating():
                self._connect(timeout)
        except BaseException:
            self.close()
            raise

    @abstractmethod
    def _open(self, deadline: float) -> C | None:
        """A connection on which hints arrive, or None when the server has none to give. Leaves none open when it fails."""

    @abstractmethod
    def _take(self, connection: C) -> None:
        """Read what has arrived, without waiting; raises one of `lost` when the connection is gone."""

    def fileno(self) -> int:
        """The descriptor of a selector around the socket: epoll and kqueue can be waited for like any other."""
        fileno: int = self._selector.fileno()
        return fileno

    def drain(self) -> None:
        """Take the hints. A lost connection is replaced at once, and the call itself was the hint that something may have
        been missed; when that fails, BackendUnreachable, and the next call tries again."""
        with self._translating():
            try:
                if self._connection is None:
                    self._connect(self.repair)
                else:
                    self._take(self._connection)
            except self.lost:
                self._disconnect()
                self._connect(self.repair)

    def close(self) -> None:
        """Stop watching."""
        self._disconnect()
        self._selector.close()

    def _connect(self, seconds: float) -> None:
        connection = self._open(time.monotonic() + seconds)
        if connection is not None:
            self._selector.register(connection, selectors.EVENT_READ)
            self._connection = connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._selector.unregister(self._connection)
            self._connection.close()
            self._connection = None
