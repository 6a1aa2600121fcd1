"""Speaks to one server within a deadline: keeps a connection, sends again what may be sent again, turns every error into ours."""

import random
import time
from typing import Any, TypeVar

import h11
import msgspec

from jq_cli import __version__
from jq_cli.backends.http.address import Address
from jq_cli.backends.http.connection import Connection, Headers, Reply
from jq_cli.backends.http.errors import raised, translating
from jq_cli.backends.http.wire import (
    COMPRESS_FROM,
    CONTENT_TYPE,
    NAMESPACE_HEADER,
    PATH,
    PATIENCE_HEADER,
    TOO_DEEP,
    encode,
)
from jq_cli.errors import BackendError, InvalidField

Answer = TypeVar("Answer")

_FIRST_WAIT = 0.02
_LONGEST_WAIT = 0.25


class HttpClient:
    """One server and one namespace, one connection at a time. Each call ends within `address.timeout` seconds, with an answer
    or an error. `resent`: whether the last one was sent more than once."""

    def __init__(self, address: Address, namespace: str) -> None:
        self.address = address
        self.namespace = namespace
        self.resent = False
        self._connection: Connection | None = None
        self._headers: Headers = _headers(address, namespace)

    def always(self, name: str, value: str) -> None:
        """Send a header with every call from now on."""
        self._headers = [*self._headers, (name, value)]

    def call(self, name: str, argument: object, answer: type[Answer], *, again: bool = True) -> Answer:
        """The answer to a call of the seam. With `again` it is sent again when the connection is lost before the answer came;
        without, that raises BackendUnreachable, and whether it took effect is unknown."""
        try:
            body = encode(argument)
        except TOO_DEEP as error:
            raise InvalidField(name, f"cannot be sent: {error}") from None
        reply = self.ask(name, body, again=again)
        if reply.status != 200:
            raise raised(reply, self.address.shown)
        try:
            return msgspec.msgpack.decode(_plain(reply), type=answer)
        except TOO_DEEP as error:
            raise BackendError(f"{self.address.shown}: the answer makes no sense: {error}") from error

    def ask(self, name: str, body: bytes, *, again: bool) -> Reply:
        """The reply to a call with an encoded argument."""
        deadline = time.monotonic() + self.address.timeout
        headers, body = self._dressed(body)
        pause, self.resent = _FIRST_WAIT, False
        with translating(self.address.shown):
            while True:
                connection = self._open(deadline, check=not again)
                try:
                    target = self.address.prefix + PATH + name
                    return connection.ask("POST", target, [*headers, _patience(deadline)], body, deadline)
                except BaseException as error:
                    # Whatever happened, an answer that comes later must not be taken for that of another call.
                    self.close()
                    if not again or not _passes(error) or time.monotonic() + pause > deadline:
                        raise
                time.sleep(pause * random.uniform(0.5, 1))
                pause, self.resent = min(2 * pause, _LONGEST_WAIT), True

    def watch(self, topics: list[str], deadline: float) -> tuple[Connection, Reply]:
        """A connection of its own on which the server sends something whenever there is a hint, and the head of its answer."""
        connection = Connection(self.address, deadline)
        try:
            headers, body = self._dressed(encode(topics))
            return connection, connection.begin("POST", self.address.prefix + PATH + "watch", headers, body, deadline)
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        """Close the connection; the next call opens another one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self, deadline: float, *, check: bool) -> Connection:
        """The connection. With `check` one that the server has closed while it was idle is replaced before anything is sent:
        what is sent on it once more could have been received the first time."""
        if self._connection is not None and (check or self._connection.fileno() < 0) and self._connection.ended():
            self.close()
        if self._connection is None:
            self._connection = Connection(self.address, deadline)
        return self._connection

    def _dressed(self, body: bytes) -> tuple[Headers, bytes]:
        """Headers and body as they are sent."""
        if not self.address.compress:
            return self._headers, body
        headers = [*self._headers, ("Accept-Encoding", "gzip")]
        if len(body) < COMPRESS_FROM:
            return headers, body
        import gzip

        return [*headers, ("Content-Encoding", "gzip")], gzip.compress(body, compresslevel=1)


def _headers(address: Address, namespace: str) -> list[tuple[str, str]]:
    login = [("Authorization", f"Bearer {address.token}")] if address.token else []
    return [
        ("Host", address.authority),
        ("User-Agent", f"jq/{__version__}"),
        ("Content-Type", CONTENT_TYPE),
        ("Accept", CONTENT_TYPE),
        (NAMESPACE_HEADER, namespace),
        *login,
    ]


def _patience(deadline: float) -> tuple[str, str]:
    return PATIENCE_HEADER, f"{max(0.0, deadline - time.monotonic()):.3f}"


def _passes(error: BaseException) -> bool:
    """Whether the same may work on another connection: not when time is up or the server is not the one we trust."""
    if isinstance(error, TimeoutError) or type(error).__module__ == "ssl":
        return False
    return isinstance(error, OSError | h11.RemoteProtocolError)


def _plain(reply: Reply) -> Any:
    if reply.headers.get("content-encoding") != "gzip":
        return reply.body
    import gzip

    return gzip.decompress(reply.body)
