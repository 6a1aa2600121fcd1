"""A webhook receiver on a free port: keeps what it is sent and answers as it is told."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec


class Received(msgspec.Struct):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = msgspec.json.decode(self.body)["events"]
        return events


class Receiver:
    """`answers` are given in turn, the last one again and again: a status, or status, headers and body."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = [(200, {}, b"")]
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.received.append(Received(self.path, headers, body))
                status, more, said = receiver.answers[0]
                if len(receiver.answers) > 1:
                    receiver.answers.pop(0)
                self.send_response(status)
                for name, value in (more | {"Content-Length": str(len(said))}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/in"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, *answers: int | tuple[int, dict[str, str], bytes]) -> None:
        self.answers = [(each, {}, b"") if isinstance(each, int) else each for each in answers]

    def use_tls(self, context: Any) -> None:
        """From now on only TLS is understood."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://localhost:{self.port}/in"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for request in self.received for event in request.events]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def raw_server(answer: Any) -> Iterator[int]:
    """A TCP server that has `answer(socket)` called for each connection; gives its port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            answer(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
