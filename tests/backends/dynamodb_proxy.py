"""A proxy before DynamoDB that loses answers and gives its own, request by request."""

import http.client
import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

Fault = Callable[[str, dict[str, Any]], "dict[str, Any] | str | None"]
"""Given the operation and the request: None to pass it on, `lose` to pass it on and lose its answer, or an answer of its own: an
error when it has a `__type`."""


class DynamoProxy:
    """Passes requests on to an endpoint. `fault` may be set at any time; `seen` lists the operations that came."""

    def __init__(self, endpoint: str) -> None:
        self.fault: Fault = lambda operation, request: None
        self.seen: list[str] = []
        proxy, target = self, urlsplit(endpoint).netloc

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                operation = self.headers["X-Amz-Target"].rpartition(".")[2]
                proxy.seen.append(operation)
                verdict = proxy.fault(operation, json.loads(body))
                if isinstance(verdict, dict):
                    self._answer(400 if "__type" in verdict else 200, json.dumps(verdict).encode())
                    return
                upstream = http.client.HTTPConnection(target, timeout=60)
                upstream.request("POST", "/", body, dict(self.headers))
                answer = upstream.getresponse()
                text = answer.read()
                upstream.close()
                if verdict != "lose":
                    self._answer(answer.status, text)

            def _answer(self, status: int, text: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def error(code: str, message: str = "injected") -> dict[str, Any]:
    """An error as DynamoDB answers it."""
    return {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message}


def once(wanted: str, verdict: Any, times: int = 1) -> Fault:
    """A fault for the first so many requests of an operation."""
    left = [times]

    def fault(operation: str, request: dict[str, Any]) -> Any:
        if operation != wanted or left[0] == 0:
            return None
        left[0] -= 1
        return verdict

    return fault
