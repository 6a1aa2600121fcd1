"""Finds the primary of a service that sentinels watch over, as clients are asked to do it: any sentinel is asked, and the server
it names must say itself that it is a primary (https://redis.io/docs/latest/develop/reference/sentinel-clients/)."""

import random
import time
from typing import Any

import hiredis
from msgspec.structs import replace

from jq_cli.backends.redis.address import Address
from jq_cli.backends.redis.connection import Connection, pack
from jq_cli.sockets import left


class NoPrimary(ConnectionError):
    """No sentinel names a primary now, or the one named says that it is none: a failover may be under way."""


def opened(address: Address, deadline: float) -> Connection:
    """A connection to the server at an address, or to the one that is the primary of its service now. Raises what Connection
    raises, NoPrimary, and hiredis.ReplyError when no sentinel knows the service."""
    if not address.service:
        return Connection(address, deadline)
    connection = Connection(_primary(address, deadline), deadline)
    if connection.role != b"master":
        connection.close()
        raise NoPrimary(
            f"no primary of {address.service!r}: the server that sentinels name is a {connection.role.decode()}"
        )
    return connection


def _primary(address: Address, deadline: float) -> Address:
    """Asks sentinels in a random order, so that one that is gone delays few calls; none gets more than its share of the time."""
    trouble: Exception | None = None
    for n, sentinel in enumerate(random.sample(address.sentinels, len(address.sentinels))):
        share = left(deadline) / (len(address.sentinels) - n + 1)  # one is left for the primary
        try:
            found = _asked(sentinel, address.service, time.monotonic() + share)
        except (OSError, hiredis.ReplyError) as error:
            trouble = error
            continue
        if found:
            return replace(address, host=found[0].decode(), port=int(found[1]))
        trouble = hiredis.ReplyError(f"no sentinel knows a service {address.service!r}")
    if isinstance(trouble, hiredis.ReplyError):
        raise trouble
    raise NoPrimary(f"no sentinel of {address.service!r} answers ({trouble})")


def _asked(sentinel: Address, service: str, deadline: float) -> Any:
    connection = Connection(sentinel, deadline)
    try:
        connection.send(pack(("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service)), deadline)
        answer = connection.receive(deadline)
    finally:
        connection.close()
    if isinstance(answer, hiredis.ReplyError):
        raise answer
    return answer
