"""What the parts of the server that speak ASGI share: its types, reading a body within bounds, sending an answer."""

import gzip
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from jq_cli.errors import UsageError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COMPRESS_FROM = 1_024
_JSON = (b"content-type", b"application/json")


class TooLarge(UsageError):
    """The body of a request is larger than the server takes."""


class ClientLeft(Exception):
    """The client closed the connection before its request was complete."""


def header(scope: Scope, name: bytes) -> str:
    """The value of a request header, empty when there is none."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The body of a request, unpacked. Raises TooLarge beyond `limit` bytes, before or after unpacking."""
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
        if size > limit:
            raise TooLarge(f"body: more than the {limit:,} bytes allowed")
    body = b"".join(parts)
    encoding = header(scope, b"content-encoding")
    if encoding == "gzip":
        return unpacked(body, limit)
    if encoding not in ("", "identity"):
        raise UsageError(f"content-encoding: expected gzip or none, got {encoding[:40]!r}")
    return body


def unpacked(body: bytes, limit: int) -> bytes:
    """A body without its compression, which may not hide more than `limit` bytes."""
    stream = zlib.decompressobj(wbits=31)
    try:
        plain = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise UsageError(f"body: not gzip ({error})") from None
    if len(plain) > limit:
        raise TooLarge(f"body: more than the {limit:,} bytes allowed once unpacked")
    if not stream.eof:
        raise UsageError("body: the gzip data ends too early")
    return plain


def replayed(body: bytes, receive: Receive) -> Receive:
    """What gives a body that was read already once more, then goes on with `receive`."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def answer(scope: Scope, send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    """Send a whole answer, compressed where the client takes that and it is worth it."""
    all_headers = [*headers, (b"cache-control", b"no-store")]
    if len(body) > COMPRESS_FROM and "gzip" in header(scope, b"accept-encoding"):
        body = gzip.compress(body, compresslevel=1)
        all_headers += [(b"content-encoding", b"gzip"), (b"vary", b"accept-encoding")]
    if status != 204:
        all_headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": body})


async def answer_json(scope: Scope, send: Send, status: int, value: object) -> None:
    """Send a value as JSON."""
    await answer(scope, send, status, msgspec.json.encode(value), _JSON)
