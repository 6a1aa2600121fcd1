"""Raw requests to a server, as other programs than ours make them."""

import http.client
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import msgspec

from jq_cli.backends.base import Backend
from jq_cli.consumer import Consumer
from jq_cli.lifecycle import Outcome


class Answer:
    """Status, headers and body; `problem` is the decoded problem of a failed request."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json"
        problem: dict[str, Any] = self.json
        assert problem["status"] == self.status
        return problem

    def __repr__(self) -> str:
        return f"{self.status} {self.body[:500]!r}"


def ask(
    url: str,
    method: str,
    path: str,
    body: object = None,
    *,
    token: str | None = None,
    kind: str = "application/json",
    **headers: str,
) -> Answer:
    """The answer to one request; a body that is not bytes is sent as JSON. Headers are given with `_` for `-`."""
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    if data is not None:
        sent.setdefault("Content-Type", kind)
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    try:
        connection.request(method, path, data, sent)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def call(url: str, name: str, argument: object, **options: Any) -> Answer:
    """The answer to one call of the seam."""
    body = msgspec.msgpack.encode(argument)
    return ask(url, "POST", f"/v1/store/{name}", body, kind="application/msgpack", **options)


def say(url: str, text: bytes) -> bytes:
    """What the server says to these bytes until it closes the connection."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=20) as connection:
        connection.sendall(text)
        answer = b""
        while data := connection.recv(65536):
            answer += data
        return answer


class Api:
    """Short words for requests in one namespace."""

    def __init__(self, url: str, namespace: str) -> None:
        self.url, self.namespace = url, namespace

    def __call__(self, method: str, path: str, body: object = None, code: int = 200) -> Any:
        answer = self.answer(method, path, body)
        assert answer.status == code, answer
        return answer.json if answer.body else None

    def answer(self, method: str, path: str, body: object = None) -> Answer:
        return ask(self.url, method, path, body, jq_namespace=self.namespace)

    def add(self, **fields: Any) -> str:
        id: str = self("POST", "/v1/jobs", {"queue": "q", "payload": {"n": 1}, **fields}, 201)["id"]
        return id


def finish(store: Backend, *kinds: str) -> None:
    """Run the next jobs to these outcomes."""
    consumer = Consumer(store)
    for kind in kinds:
        [job] = consumer.claim(["q"])
        assert consumer.write([consumer.settle(job, Outcome(kind, error="SMTP 451"))]) == ["applied"]
