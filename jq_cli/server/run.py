"""Runs the service: uvicorn on sockets of ours, with time limits for clients that are slow to ask, and an orderly end."""

import asyncio
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from jq_cli.server.listen import Tls
from jq_cli.server.service import Service

HEAD_TIMEOUT = 10.0
"""Seconds in which a client must have sent the head of a request: after it connected, and after the first byte of another."""

MAX_HEAD = 64 * 1024
"""Bytes of the path and the headers of a request."""

KEEP_ALIVE = 75
GRACE = 10
"""Seconds that requests under way may take to end when the server is stopped."""

MAX_CONNECTIONS = 4_000
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class TimedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which by itself waits for ever for the rest of a head, and takes one of any size."""

    _timer: asyncio.TimerHandle | None = None
    _fields = 0
    _unfinished = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._unfinished = 0 if self._timer is None else self._unfinished + len(data)
        if self._unfinished > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response("the head of the request is too large")

    def on_url(self, url: bytes) -> None:
        self._count(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(name, value)
        super().on_header(name, value)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._fields = 0
        self._watch_head()

    def on_headers_complete(self) -> None:
        self._head_came()
        super().on_headers_complete()

    def _count(self, *parts: bytes) -> None:
        self._fields += sum(map(len, parts))
        if self._fields > MAX_HEAD:
            raise ValueError("the head of the request is too large")  # the parser makes a 400 of it

    def _watch_head(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_TIMEOUT, self.transport.close)

    def _head_came(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Server(uvicorn.Server):
    """One run of the service. `ended_by`: the signal that stopped it."""

    def __init__(self, service: Service, tls: Tls | None = None) -> None:
        config = uvicorn.Config(
            service,
            http=TimedProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=GRACE,
            limit_concurrency=MAX_CONNECTIONS,
        )
        config.load()
        if tls is not None:
            config.ssl = tls.context()
        super().__init__(config)
        self.ended_by: int | None = None
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; a second signal stops at once."""
        self.ended_by = self.ended_by or sig
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the answers that have no end of their own, then wait for the others."""
        self._service.watches.end()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals that stop the server; the caller makes an exit code of `ended_by`."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {each: signal.signal(each, self.handle_exit) for each in _SIGNALS}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)
