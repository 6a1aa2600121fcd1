"""Clears up after the queue. Each job leaves a handful of dead rows, and where many are done a second, autovacuum, which looks
once a minute, comes too late: claims walk past the dead. So one of the workers vacuums every few seconds where it is worth it, on
a connection of its own and without waiting for it.
"""

import time

from psycopg import Error
from psycopg.pq import ExecStatus

from jq_cli.backends.postgres.address import Address
from jq_cli.backends.postgres.connection import TimedConnection, connect

EVERY = 2.0
"""Seconds between two looks of the one worker whose turn it is."""

ASK_AGAIN = 15.0
"""Seconds after which another asks whether it is its turn, and after which it goes on after trouble."""

SHARE = 10
"""A vacuum that took long is not followed by the next before so many times as long."""

WORTH_IT = 1_000
"""Dead rows."""

_TURN = """SELECT pg_has_role(relowner, 'USAGE') AND pg_try_advisory_lock(%s, -1), set_config('statement_timeout', '0', false)
    FROM pg_class WHERE oid = %s::regclass"""
_DEAD = "SELECT pg_stat_get_dead_tuples(%s::regclass) + pg_stat_get_dead_tuples(%s::regclass)"


class Vacuum:
    """The clearing-up of one namespace. Costs the caller a query every few seconds, and never an error."""

    def __init__(self, address: Address, *, enabled: bool) -> None:
        self._address, self._enabled = address, enabled
        self._connection: TimedConnection | None = None
        self._next = time.monotonic() + EVERY
        self._began: float | None = None

    def tick(self) -> None:
        """Go on with it, if it is time. Never waits for a vacuum."""
        now = time.monotonic()
        if not self._enabled or now < self._next:
            return
        self._next = now + EVERY
        try:
            self._go_on(now)
        except (Error, OSError):
            self.close()
            self._next = now + ASK_AGAIN

    def close(self) -> None:
        """Leave it to others."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self._began = None, None

    def _go_on(self, now: float) -> None:
        if self._connection is None and not self._is_our_turn(now):
            self.close()
            self._next = now + ASK_AGAIN
        elif self._began is not None:
            self._look(now, self._began)
        elif self._worth_it(now):
            self._begin(now)

    def _is_our_turn(self, now: float) -> bool:
        connection = self._connection = connect(self._address, now + self._address.timeout)
        if not connection.direct:
            return False
        jobs = f"{self._address.quoted}.jobs"
        rows = connection.execute(_TURN, (self._address.lock, jobs)).fetchall()
        return bool(rows and rows[0][0])

    def _worth_it(self, now: float) -> bool:
        assert self._connection is not None
        self._connection.deadline = now + self._address.timeout
        tables = [f"{self._address.quoted}.{table}" for table in ("jobs", "deltas")]
        [(dead,)] = self._connection.execute(_DEAD, tables).fetchall()
        return bool(dead >= WORTH_IT)

    def _begin(self, now: float) -> None:
        assert self._connection is not None
        tables = ", ".join(f"{self._address.quoted}.{table}" for table in ("deltas", "queues", "notes", "jobs"))
        # Cutting the file's end off would lock everybody out for a moment.
        self._connection.pgconn.send_query(f"VACUUM (TRUNCATE OFF, SKIP_LOCKED) {tables}".encode())
        self._connection.pgconn.flush()
        self._began = now

    def _look(self, now: float, began: float) -> None:
        assert self._connection is not None
        server = self._connection.pgconn
        server.consume_input()
        while not server.is_busy():
            result = server.get_result()
            if result is None:
                self._began = None
                self._next = now + max(EVERY, SHARE * (now - began - EVERY))
                return
            if result.status == ExecStatus.FATAL_ERROR:
                raise OSError("the vacuum failed")
