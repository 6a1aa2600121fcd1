"""Sockets to servers: opened, secured and bounded by a deadline, for the clients that speak a protocol of their own over one."""

import select
import socket
import time
from typing import Protocol

import msgspec

CHUNK = 64 * 1024
"""Bytes read at once. Python sets them aside for each read, and from 128 KiB on that means new pages from the system each time,
which costs more than the read."""

BLOCKED = (BlockingIOError, InterruptedError)
"""What a socket raises that has nothing to give now."""


class ConnectionEnded(ConnectionError):
    """The server closed the connection."""


class Tls(msgspec.Struct, frozen=True):
    """How to check the server and what to show it. Files are paths; without `ca_certs` the system's authorities count."""

    verify: bool = True
    check_hostname: bool = True
    ca_certs: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    password: str | None = None


class Place(Protocol):
    """Where a server listens: on a Unix socket when `path` is set, else at `host` and `port`, with TLS unless it is None."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...

    @property
    def path(self) -> str: ...

    @property
    def tls(self) -> Tls | None: ...


def connected(place: Place, deadline: float) -> socket.socket:
    """A socket to a server. Raises OSError when that fails or the deadline (monotonic seconds) passes."""
    if place.path:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(left(deadline))
            connection.connect(place.path)
        except BaseException:
            connection.close()
            raise
        return connection
    connection = socket.create_connection((place.host, place.port), timeout=left(deadline))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return _secured(connection, place.tls, place.host) if place.tls else connection


def _secured(connection: socket.socket, tls: Tls, host: str) -> socket.socket:
    import ssl  # loads OpenSSL

    try:
        context = ssl.create_default_context(cafile=tls.ca_certs)
        context.check_hostname = tls.check_hostname
        context.verify_mode = ssl.CERT_REQUIRED if tls.verify else ssl.CERT_NONE
        if tls.certfile:
            context.load_cert_chain(tls.certfile, tls.keyfile, tls.password)
        return context.wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise


def left(deadline: float) -> float:
    """The seconds until a deadline (monotonic seconds). Raises TimeoutError when there are none."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("no answer in time")
    return seconds


def wanted(error: OSError, otherwise: int) -> int:
    """The event to wait for when a socket that does not wait raised this: `otherwise`, unless TLS wants another. Raises the error
    again when it means something else."""
    if isinstance(error, BLOCKED):
        return otherwise
    if wants_more(error):
        return select.POLLIN if "Read" in type(error).__name__ else select.POLLOUT
    raise error


def wants_more(error: OSError) -> bool:
    """Whether this is TLS saying that nothing whole has arrived yet."""
    # ssl's "try again later" is an OSError of its own; ssl itself is imported only where TLS is used.
    return type(error).__name__ in ("SSLWantReadError", "SSLWantWriteError")
