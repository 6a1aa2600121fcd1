"""A proxy before an HTTP server that breaks requests in ways of your choosing."""

import http.client
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Fault = str | int | None
"""What happens to a request: None lets it pass, a number is the status answered in place of the server, "drop" hangs up before
the server sees it, "swallow" hangs up after the server did it, "strip" takes its conditions away."""

HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


class FaultProxy:
    """Listens on a port of 127.0.0.1 and passes requests on to another. `fault(method, path)` decides for each."""

    def __init__(self, port: int, fault: Callable[[str, str], Fault]) -> None:
        self.target, self.fault = port, fault
        self.requests: list[tuple[str, str, Fault]] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                proxy.handle(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_one

            def log_message(self, format: str, *args: Any) -> None:
                return None

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        fault = self.fault(request.command, request.path)
        self.requests.append((request.command, request.path, fault))
        if fault == "drop":
            request.close_connection = True
        elif isinstance(fault, int):
            self._answer(request, fault, [], b"<Error><Code>Broken</Code></Error>")
        else:
            answered = self._passed_on(request, body, strip=fault == "strip")
            if fault == "swallow":
                request.close_connection = True
            else:
                self._answer(request, *answered)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> "FaultProxy":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _passed_on(
        self, request: BaseHTTPRequestHandler, body: bytes, strip: bool
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        headers = {k: v for k, v in request.headers.items() if not (strip and k.lower().startswith("if-"))}
        server = http.client.HTTPConnection("127.0.0.1", self.target, timeout=30)
        try:
            server.request(request.command, request.path, body, headers)
            answer = server.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            server.close()

    def _answer(
        self, request: BaseHTTPRequestHandler, status: int, headers: list[tuple[str, str]], body: bytes
    ) -> None:
        request.send_response(status)
        for name, value in headers:
            if name.lower() not in HOP:
                request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)
