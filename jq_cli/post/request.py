"""One POST request: to an address that was checked, within a deadline that covers all of it, with no redirect followed, no proxy
asked, and no more of the answer read than is of use."""

import io
import socket
import ssl
import time
from collections.abc import Mapping
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any

import msgspec

from jq_cli import __version__
from jq_cli.post.target import Forbidden, Resolve, Target
from jq_cli.sockets import left

MAX_ANSWER = 64 * 1024
"""Bytes of an answer that are read."""

CONNECT_SHARE = 0.5
"""Share of the time left that connecting to one of several addresses may take."""


class Unanswered(Exception):
    """The request got no answer; whether it arrived is unknown."""


class Answer(msgspec.Struct, frozen=True):
    """What the other side said. `retry_after`: the ms it asked to wait, 0 when it did not."""

    status: int
    reason: str
    body: bytes
    retry_after: int = 0

    @property
    def told(self) -> str:
        """The answer for people: status, reason and the first line of what was said."""
        text = self.body[:2_000].decode("utf-8", "backslashreplace").strip().partition("\n")[0][:200]
        return f"HTTP {self.status} {self.reason}".strip() + (f": {text}" if text else "")


def post(
    target: Target,
    body: bytes,
    headers: Mapping[str, str],
    *,
    timeout: float,
    resolve: Resolve = socket.getaddrinfo,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """Send a body and hear the answer, all within `timeout` seconds. Raises Unanswered, or Forbidden for a host that leads where
    requests must not go."""
    until = time.monotonic() + timeout
    try:
        sock = _connected(target, until, resolve, tls)
        with sock:
            return _exchange(target, body, headers, _Timed(sock, until))
    except (OSError, HTTPException, UnicodeError) as error:
        said = "no answer in time" if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"
        raise Unanswered(f"{target.scheme}://{target.authority}: {said}") from None


def _connected(target: Target, until: float, resolve: Resolve, tls: ssl.SSLContext | None) -> socket.socket:
    """A connection to one of the addresses that were checked: the name is not looked up again."""
    trouble: OSError = OSError("the host has no address")
    for address in target.addresses(resolve):
        try:
            sock = socket.create_connection((address, target.port), left(until) * CONNECT_SHARE)
        except OSError as error:
            trouble = error
            continue
        if target.scheme == "http":
            return sock
        try:
            sock.settimeout(left(until))
            return (tls or _verified()).wrap_socket(sock, server_hostname=target.host)
        except BaseException:
            sock.close()
            raise
    raise trouble


def _exchange(target: Target, body: bytes, headers: Mapping[str, str], sock: "_Timed") -> Answer:
    connection = HTTPConnection(target.host, target.port)
    connection.sock = sock
    connection.putrequest("POST", target.path, skip_host=True, skip_accept_encoding=True)
    all_headers = {"Host": target.authority, "User-Agent": f"jq-cli/{__version__}", "Connection": "close"} | dict(
        headers
    )
    for name, value in all_headers.items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    response = connection.getresponse()
    return Answer(response.status, response.reason, response.read(MAX_ANSWER), _retry_after(response))


def _retry_after(response: HTTPResponse) -> int:
    """Ms to wait, from seconds or a date."""
    from email.utils import parsedate_to_datetime

    text = (response.getheader("Retry-After") or "").strip()
    if text.isascii() and text.isdigit():
        return int(text[:9]) * 1_000
    try:
        return max(0, round((parsedate_to_datetime(text).timestamp() - time.time()) * 1_000)) if text else 0
    except (ValueError, TypeError, OverflowError):
        return 0


@cache
def _verified() -> ssl.SSLContext:
    return ssl.create_default_context()


class _Timed:
    """What `HTTPConnection` needs of a socket, with one deadline for everything. The socket itself is closed by its owner."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock = sock
        self._until = until

    def sendall(self, data: Any) -> None:
        self._sock.settimeout(left(self._until))
        self._sock.sendall(data)

    def makefile(self, *_mode: object, **_options: object) -> io.BufferedReader:
        return io.BufferedReader(_Reading(self._sock, self._until))

    def close(self) -> None:
        pass


class _Reading(io.RawIOBase):
    """The answer's bytes. Every single read ends with the deadline of the whole: a timeout of the socket alone begins anew with
    each byte that trickles in."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock = sock
        self._until = until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(left(self._until))
        return self._sock.recv_into(buffer)


__all__ = ["Answer", "Forbidden", "Target", "Unanswered", "post"]
