"""One connection to Postgres on which nothing takes longer than it may, and what a fresh one is told."""

import math
import select
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any

from psycopg import Connection, errors
from psycopg.pq import ConnStatus

from jq_cli.backends.postgres.address import Address
from jq_cli.backends.postgres.arrays import teach

_READABLE, _WRITABLE = 1, 2
_BROKEN = select.POLLERR | select.POLLHUP | select.POLLNVAL
_PATIENCE = 0.1
"""Seconds after which a wait looks whether it was interrupted."""

PREPARE_AFTER = 5
"""Times a statement is sent before the server is asked to keep it: short commands never come to that."""

_GREETING = """SELECT pg_backend_pid() = %(pid)s AND CASE WHEN pg_backend_pid() = %(pid)s THEN
    set_config('statement_timeout', %(ms)s, false) || set_config('lock_timeout', %(ms)s, false)
    || set_config('idle_in_transaction_session_timeout', '60000', false)
    || set_config('default_transaction_isolation', 'read committed', false) END IS NOT NULL"""
"""The steps lock first and then look, which works where each statement sees what was committed before it."""


class TimedConnection(Connection[Any]):
    """A connection whose waits end at `deadline` (monotonic seconds) with TimeoutError; it is of no use afterwards."""

    deadline = math.inf
    direct = True
    """Whether the session at the other end is ours alone. Behind a pooler it is not, and must be left as it was found."""

    _parks = False
    _parked: Generator[Any, Any, Any] | None = None

    def send_off(self, call: Callable[[], object]) -> None:
        """Make a call of the driver's as far as something is sent; `bring_home` makes the rest."""
        self._parks = True
        try:
            call()
        finally:
            self._parks = False

    def bring_home(self) -> None:
        """Wait for the answer to what was sent off, if it is not there already."""
        parked, self._parked = self._parked, None
        if parked is not None:
            self._drive(parked, _READABLE)

    def wait(self, gen: Generator[Any, Any, Any], interval: float = _PATIENCE, timeout: float | None = None) -> Any:
        """Run one of the driver's generators to its end."""
        return self._drive(gen, None)

    def _drive(self, gen: Generator[Any, Any, Any], wanted: int | None) -> Any:
        poll, descriptor = select.poll(), self.pgconn.socket
        try:
            if wanted is None:
                wanted = next(gen)
            while True:
                if self._parks and wanted == _READABLE:
                    self._parked = gen
                    return None
                poll.register(descriptor, _events(wanted))
                left = self.deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError("no answer in time")
                happened = poll.poll(1_000 * min(left, _PATIENCE))
                if happened:
                    wanted = gen.send(_ready(happened[0][1], wanted))
        except StopIteration as ended:
            return ended.value
        except errors.Error:
            raise
        except BaseException:
            # The driver's generators want to say goodbye when they are given up; nobody listens any more.
            self.pgconn.finish()
            with suppress(Exception):
                gen.close()
            raise

    def ended(self) -> bool:
        """Whether the server hung up while nothing was asked of it."""
        if self.closed:
            return True
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLIN)
        if not poll.poll(0):
            return False
        try:
            self.pgconn.consume_input()
        except errors.Error:
            return True
        # Something was said, which may be a notice; a goodbye comes with the end of the stream.
        return self.pgconn.status != ConnStatus.OK or bool(poll.poll(0))


def connect(address: Address, deadline: float, *, quiet: bool = False) -> TimedConnection:
    """A connection that commits each statement by itself. Raises psycopg's errors and TimeoutError.

    A direct one gets limits on the server's side too, so that what nobody waits for any longer ends there, and has it keep what
    is sent often. `quiet`: it is told
    nothing.
    """
    left = max(1, math.ceil(deadline - time.monotonic()))
    connection = TimedConnection.connect(
        address.conninfo, autocommit=True, prepare_threshold=None, connect_timeout=left, **_names(address)
    )
    connection.deadline = deadline
    teach(connection.adapters)
    try:
        if not quiet:
            ms = str(max(1, round(address.timeout * 1_000)))
            asked = {"pid": connection.info.backend_pid, "ms": ms}
            (direct,) = connection.execute(_GREETING, asked).fetchall()
            connection.direct = bool(direct[0])
            if connection.direct:
                connection.prepare_threshold = PREPARE_AFTER
    except BaseException:
        connection.close()
        raise
    return connection


def _names(address: Address) -> dict[str, Any]:
    return {} if "application_name=" in address.conninfo else {"application_name": "jq"}


def _events(wanted: int) -> int:
    return (select.POLLIN if wanted & _READABLE else 0) | (select.POLLOUT if wanted & _WRITABLE else 0)


def _ready(happened: int, wanted: int) -> int:
    if happened & _BROKEN:
        return wanted
    return (_READABLE if happened & select.POLLIN else 0) | (_WRITABLE if happened & select.POLLOUT else 0)
