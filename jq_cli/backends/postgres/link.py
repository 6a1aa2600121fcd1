"""Speaks to one Postgres server within a deadline: connects when it is needed, sends a step in one round trip, hints at what it
did, makes again what may be made again, and turns every error into ours."""

import logging
import os
import random
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import md5
from typing import Any, NamedTuple

from psycopg import Error

from jq_cli.backends.answer import Answer
from jq_cli.backends.postgres.address import Address
from jq_cli.backends.postgres.arrays import numbers, texts
from jq_cli.backends.postgres.connection import TimedConnection, connect
from jq_cli.backends.postgres.errors import hopeless, in_the_way, lost, translating
from jq_cli.backends.postgres.flight import Flight
from jq_cli.backends.postgres.statement import Rows, Statement, fetched, send
from jq_cli.errors import BackendError

_FIRST_WAIT = 0.01
_LONGEST_WAIT = 0.25

_HEARD = """(SELECT bool_or(NOT CASE WHEN pg_try_advisory_lock(key) THEN pg_advisory_unlock(key) ELSE false END)
    FROM unnest(%s::bigint[]) AS topic (key))"""
"""A watch holds the lock of its topic shared: where nobody listens nothing is sent. Asked in the step itself, as mostly
nobody does; a worker that begins to listen while it commits polls a second later."""

_HINT = """SELECT CASE WHEN NOT pg_try_advisory_xact_lock(key) THEN
    CASE WHEN pg_try_advisory_xact_lock(key # 1) THEN pg_notify(channel, '') END END
    FROM unnest(%s::text[], %s::bigint[]) AS topic (channel, key)"""
"""The lock beside that of the topic is held by who is sending at this moment: that hint comes after what happened here, so one is
enough. NOTIFY makes commits wait for each other, through the sync of the log and all; so this is a transaction of its own that
writes nothing, after the step it tells of."""


logging.getLogger("psycopg").addHandler(logging.NullHandler())
"""What the driver says about a pipeline that was given up is said by our errors; it would go to stderr."""


class Topic(NamedTuple):
    """How a topic of a namespace is called on the server: a channel and a lock."""

    channel: str
    key: int


@lru_cache(1_000)
def _topic(schema: str, topic: str) -> Topic:
    digest = md5(f"{schema}/{topic}".encode(), usedforsecurity=False).digest()
    return Topic("jq_" + digest.hex(), int.from_bytes(digest[:8], "big", signed=True) & ~1)


class Link:
    """One server, one connection at a time. Each call ends within `address.timeout` seconds. `greet` is called with each new
    connection; `connections` counts them."""

    def __init__(self, address: Address, greet: Callable[[TimedConnection], None] = lambda _connection: None) -> None:
        self.address = address
        self.connections = 0
        self._greet = greet
        self._connection: TimedConnection | None = None
        self._answer: Answer[list[Rows]] | None = None
        self._pid = os.getpid()

    def rows(self, sql: str, *values: Any, again: bool = True) -> Rows:
        """The rows of one statement, a transaction of its own."""
        return self.step([Statement(sql, values)], again=again)[0]

    def step(self, statements: Sequence[Statement], topics: Sequence[str] = (), *, again: bool = True) -> list[Rows]:
        """The rows of each of some statements that happen together or not at all; then hints at the topics.

        With `again` it is made once more when the connection is lost before the answer came; without, that raises
        BackendUnreachable, and whether it took effect is unknown.
        """
        deadline = time.monotonic() + self.address.timeout
        with translating(self.address.shown):
            while True:
                connection = self._open(deadline)
                try:
                    return self._exchange(connection, statements, topics)
                except BaseException as error:
                    again = self._after(error, connection, deadline, again=again)

    def begin(self, statements: Sequence[Statement], topics: Sequence[str] = ()) -> Callable[[], list[Rows]]:
        """As `step`, not made again, in two halves: sends it, and gives what waits for the rows and hints. What else is asked
        meanwhile waits for them first."""
        deadline = time.monotonic() + self.address.timeout
        with translating(self.address.shown):
            connection = self._open(deadline)
            try:
                flight = Flight(connection, self._asked(statements, topics))
            except BaseException as error:
                self._after(error, connection, deadline, again=False)
                rows = self.step(statements, topics, again=False)
                return lambda: rows
        answer = self._answer = Answer(lambda: self._land(flight, deadline, statements, topics))
        return answer.take

    def _land(
        self, flight: Flight, deadline: float, statements: Sequence[Statement], topics: Sequence[str]
    ) -> list[Rows]:
        self._answer = None
        with translating(self.address.shown):
            try:
                return self._tell(flight.connection, flight.land(), topics)
            except BaseException as error:
                self._after(error, flight.connection, deadline, again=False)
        return self.step(statements, topics, again=False)

    def close(self) -> None:
        """Close the connection; the next call opens another one."""
        connection, self._connection = self._connection, None
        if connection is not None and self._pid == os.getpid():
            connection.close()

    @property
    def direct(self) -> bool:
        """Whether no pooler stands between, as far as is known."""
        return self._connection is None or self._connection.direct

    def topic(self, topic: str) -> Topic:
        """The channel and the lock of a topic."""
        return _topic(self.address.schema, topic)

    def _after(self, error: BaseException, connection: TimedConnection, deadline: float, *, again: bool) -> bool:
        """Get over an error: whether there is another attempt after the next. Raises it when there is none."""
        gone = not isinstance(error, Error) or connection.closed or lost(error)
        if gone or in_the_way(error):
            # Whatever happened, an answer that comes later must not be taken for that of another step; and the driver may have
            # lost its place in a pipeline whose commit failed.
            self.close()
        if not isinstance(error, Error):
            raise error
        if in_the_way(error) and time.monotonic() < deadline - _LONGEST_WAIT:
            time.sleep(random.random() * 0.05)
            return again
        if not gone or not again:
            raise error
        return False

    def _exchange(
        self, connection: TimedConnection, statements: Sequence[Statement], topics: Sequence[str]
    ) -> list[Rows]:
        asked = self._asked(statements, topics)
        if len(asked) == 1:
            return self._tell(connection, [fetched(send(connection, asked[0]))], topics)
        with connection.pipeline():
            cursors = [send(connection, statement) for statement in asked]
        return self._tell(connection, [fetched(cursor) for cursor in cursors], topics)

    def _asked(self, statements: Sequence[Statement], topics: Sequence[str]) -> list[Statement]:
        """The statements, the first of which, if there are topics, also says in its last column whether anybody listens to them;
        it gives a row."""
        if not (statements and topics):
            return list(statements)
        first, *others = statements
        keys = numbers([self.topic(topic).key for topic in topics])
        return [Statement(f"SELECT told.*, {_HEARD} FROM ({first.sql}) AS told", (keys, *first.values)), *others]

    def _tell(self, connection: TimedConnection, answers: list[Rows], topics: Sequence[str]) -> list[Rows]:
        """The answers to what was asked; hints at the topics, if anybody listens."""
        if not topics:
            return answers
        first, *others = answers or [[(True,)]]
        if first[0][-1]:
            send(connection, self._hint(topics))
        return [[row[:-1] for row in first], *others]

    def _hint(self, topics: Sequence[str]) -> Statement:
        named = [self.topic(topic) for topic in topics]
        return Statement(_HINT, (texts([topic.channel for topic in named]), numbers([topic.key for topic in named])))

    def _open(self, deadline: float) -> TimedConnection:
        if self._pid != os.getpid():
            raise BackendError(f"{self.address.shown}: opened before a fork; open it again in the new process")
        if self._answer is not None:
            self._answer.await_it()
        if self._connection is not None and self._connection.ended():
            self.close()
        wait = _FIRST_WAIT
        while self._connection is None:
            try:
                self._connection = self._connected(deadline)
            except Error as error:
                if hopeless(error) or not lost(error) or time.monotonic() + wait > deadline:
                    raise
                time.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
        self._connection.deadline = deadline
        return self._connection

    def _connected(self, deadline: float) -> TimedConnection:
        connection = connect(self.address, deadline)
        try:
            self._greet(connection)
        except BaseException:
            connection.close()
            raise
        self.connections += 1
        return connection
