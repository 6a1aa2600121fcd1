"""What stands before every request: is it meant for this server, does a page of somebody else's make it, who asks, is it of a
kind and size we take, and is it in time. Turns errors into answers and writes the access log."""

import asyncio
import time
from collections.abc import Callable, Collection
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import msgspec

from jq_cli.backends.http.wire import CONTENT_TYPE as SEAM_TYPE
from jq_cli.backends.http.wire import PATH
from jq_cli.server.access import Access
from jq_cli.server.asgi import App, ClientLeft, Message, Receive, Scope, Send, header
from jq_cli.server.problems import Refused, answer_problem

UNGUARDED = ("/healthz", "/readyz")
"""Paths that need no token: what watches the server has none."""

BODY_TIMEOUT = 30.0
"""Seconds in which the whole body of a request must have arrived."""

_NAMELESS = ("", "none", "same-origin", "same-site")


class Line(msgspec.Struct, omit_defaults=True):
    """A line of the access log. No query, no header and no body is ever in it."""

    time: float
    peer: str
    caller: str
    method: str
    path: str
    status: int
    ms: float
    bytes: int


class Guard:
    """An ASGI application around another. `hosts`: names under which the server is asked for, `*` for any; `origins`: of web
    pages that may ask it from a browser."""

    def __init__(
        self,
        app: App,
        access: Access,
        *,
        hosts: Collection[str],
        origins: Collection[str] = (),
        max_body: int,
        log: Callable[[Line], None] = lambda _line: None,
    ) -> None:
        self._app = app
        self._access = access
        self._hosts = {host.lower() for host in hosts}
        self._origins = {origin.lower() for origin in origins}
        self._max_body = max_body
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen = _Seen(send)
        started = time.monotonic()
        try:
            self._check(scope)
            await self._app(scope, _in_time(receive), seen)
        except ClientLeft:
            pass
        except Exception as error:
            if not seen.status:
                await answer_problem(scope, seen, error)
        finally:
            self._write(scope, seen, started)

    def _check(self, scope: Scope) -> None:
        """Raises Refused for a request that is not served."""
        scope["caller"] = None
        name = _name(header(scope, b"host"))
        if "*" not in self._hosts and name not in self._hosts and not _address(name):
            raise Refused(421, "Host: this server is not known by that name; --allow-host adds one")
        self._check_origin(scope)
        if scope["path"] not in UNGUARDED:
            scope["caller"] = self._access.caller(header(scope, b"authorization"), _peer(scope))
        self._check_body(scope)

    def _check_origin(self, scope: Scope) -> None:
        origin = header(scope, b"origin").lower()
        own = f"{scope['scheme']}://{header(scope, b'host')}".lower()
        site = header(scope, b"sec-fetch-site")
        if (origin and origin != own and origin not in self._origins) or (site not in _NAMELESS and not origin):
            raise Refused(403, "Origin: web pages of other sites may not use this server; --allow-origin adds one")

    def _check_body(self, scope: Scope) -> None:
        length = header(scope, b"content-length")
        if length.isdigit() and int(length) > self._max_body:
            raise Refused(413, f"body: {int(length):,} bytes are more than the {self._max_body:,} allowed")
        kind = header(scope, b"content-type").partition(";")[0].strip().lower()
        wanted = SEAM_TYPE if scope["path"].startswith(PATH) else "application/json"
        has_body = length not in ("", "0") or header(scope, b"transfer-encoding") != ""
        if (kind or has_body) and kind != wanted:
            raise Refused(415, f"Content-Type: expected {wanted}, got {kind[:60] or 'none'}")

    def _write(self, scope: Scope, seen: "_Seen", started: float) -> None:
        caller = scope.get("caller")
        self._log(
            Line(
                round(time.time(), 3),
                _peer(scope),
                caller.name if caller is not None else "-",
                scope["method"],
                scope["path"],
                seen.status,
                round((time.monotonic() - started) * 1_000, 2),
                seen.bytes,
            )
        )


class _Seen:
    """Passes an answer on and remembers what it was."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.bytes = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        self.bytes += len(message.get("body", b""))
        await self._send(message)


def _in_time(receive: Receive) -> Receive:
    """The same, but a body must be complete in time."""
    until = time.monotonic() + BODY_TIMEOUT
    complete = False

    async def timed() -> Message:
        nonlocal complete
        if complete:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), until - time.monotonic())
        except TimeoutError:
            raise Refused(408, f"body: not complete within {BODY_TIMEOUT:g} seconds") from None
        complete = not message.get("more_body", False)
        return message

    return timed


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _address(name: str) -> bool:
    """Whether it is an IP address. A page that has its own name point to this machine cannot make a browser send one."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _peer(scope: Scope) -> str:
    client: Any = scope.get("client")
    return str(client[0]) if client else "unix"
