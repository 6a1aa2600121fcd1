"""A small HTTP server in a thread, for the metrics of a worker: reads one request at a time from each of a few clients."""

import socket
import socketserver
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Thread
from typing import Any, NamedTuple

from jq_cli.errors import UsageError
from jq_cli.metrics.address import Address

MOST = 8
"""Requests under way; further connections are closed at once."""

SLOW = 10.0
"""Seconds after which a silent client is left."""


class Answer(NamedTuple):
    """Status, content type and body."""

    status: int
    kind: str
    body: bytes


def plain(status: int, text: str) -> Answer:
    """A short answer in words."""
    return Answer(status, "text/plain; charset=utf-8", f"{text}\n".encode())


Answers = Callable[[str, str], Answer]
"""Gives the answer to a path, without its query, and an Accept header."""


def _nothing(_path: str, _accept: str) -> Answer:
    return plain(503, "not yet")


class Listener(ThreadingHTTPServer):
    """Has the address from the start, and answers GET as `answers` says once it is started; `address` has the port it got.
    Raises UsageError when the address cannot be had."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: Address) -> None:
        self.answers: Answers = _nothing
        self._room = BoundedSemaphore(MOST)
        try:
            found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
            self.address_family = found[0]
            super().__init__(found[4], _Handler)  # type: ignore[arg-type]
        except OSError as error:
            raise UsageError(f"--metrics-port {address.shown}: {error.strerror or error}") from None
        self.address = Address(address.host, self.socket.getsockname()[1])
        self._thread = Thread(target=self.serve_forever, args=(0.1,), daemon=True, name="metrics")

    def server_bind(self) -> None:
        """Bind, without asking the name service what this host is called."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "jq", 0

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        if self._thread.is_alive():
            self.shutdown()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, unless too many are under way."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, then make room for the next."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left is nothing to talk about."""


class _Handler(BaseHTTPRequestHandler):
    timeout = SLOW
    server: Listener

    def do_GET(self) -> None:
        host = self.headers.get("host", "").strip()
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if self.server.address.known_as(name.lower()):
            answer = self.server.answers(self.path.partition("?")[0], self.headers.get("accept", ""))
        else:
            answer = plain(421, "this address is not known by that name")
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(answer.body)

    def version_string(self) -> str:
        return "jq"

    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes are not worth a line each."""
