"""Hints from Redis: a connection of its own that subscribes to the channels of some queues."""

from collections.abc import Sequence
from functools import partial

import hiredis

from jq_cli.backends.reconnecting import ReconnectingWatch
from jq_cli.backends.redis.address import Address
from jq_cli.backends.redis.cluster import any_node
from jq_cli.backends.redis.connection import Connection, pack
from jq_cli.backends.redis.errors import translating
from jq_cli.backends.redis.sentinel import opened


class RedisWatch(ReconnectingWatch[Connection]):
    """See ReconnectingWatch. Without channels it stays silent."""

    def __init__(self, address: Address, channels: Sequence[str]) -> None:
        self._address = address
        self._channels = channels
        super().__init__(partial(translating, address.shown), address.timeout)

    def _open(self, deadline: float) -> Connection:
        connection = (any_node if self._address.nodes else opened)(self._address, deadline)  # nodes tell each other
        try:
            if self._channels:
                connection.send(pack(("SUBSCRIBE", *self._channels)), deadline)
            for _ in self._channels:
                if isinstance(answer := connection.receive(deadline), hiredis.ReplyError):
                    raise answer
        except BaseException:
            connection.close()
            raise
        return connection

    def _take(self, connection: Connection) -> None:
        for answer in connection.receive_waiting():
            if isinstance(answer, hiredis.ReplyError):
                raise answer
