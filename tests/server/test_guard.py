"""What stands before every request: names, origins, content types, sizes, time limits, and what the log says."""

import gzip
import json
import time
from collections.abc import Iterator

import msgspec
import pytest

from jq_cli.backends.http import wire
from jq_cli.draft import make_draft
from jq_cli.ids import new_id
from jq_cli.job import Job
from jq_cli.server.access import chosen_token
from jq_cli.server.guard import Line
from jq_cli.server.service import Options
from tests.server.asking import ask, call, say
from tests.serving import Serving

SECRET = "a-secret-of-some-length"
LOG: list[Line] = []


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    options = Options(hosts=("127.0.0.1", "jq.example.org"), origins=("https://ops.example.org",), log=LOG.append)
    with Serving("memory://", options=options) as server:
        yield server


# --- names and origins ---


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8787", "JQ.example.org", "jq.example.org:80", "[::1]:1", "10.1.2.3"]
)
def test_a_known_name_is_answered(server: Serving, host: str) -> None:
    assert ask(server.url, "GET", "/healthz", Host=host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example.com", "127.0.0.1.evil.example.com", "", "[", "jq.example.org@evil", "localhost"]
)
def test_a_name_that_is_not_ours_is_refused(server: Serving, host: str) -> None:
    answer = ask(server.url, "GET", "/healthz", Host=host)
    assert (answer.status, answer.problem["code"]) == (421, "usage")


def test_a_page_of_another_site_is_refused(server: Serving) -> None:
    for headers in (
        {"Origin": "http://evil.example.com"},
        {"Origin": "null"},
        {"Origin": server.url.replace("127.0.0.1", "localhost")},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        assert call(server.url, "now", None, **headers).status == 403


def test_our_own_page_and_an_allowed_one_are_served(server: Serving) -> None:
    for headers in (
        {"Origin": server.url},
        {"Origin": "https://OPS.example.org", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ):
        assert call(server.url, "now", None, **headers).status == 200


# --- bodies ---


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", "application/json", ""]
)
def test_a_call_of_another_content_type_is_refused(server: Serving, kind: str) -> None:
    answer = ask(server.url, "POST", "/v1/store/now", b"\xc0", kind=kind)
    assert (answer.status, answer.problem["code"]) == (415, "usage")


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(server: Serving) -> None:
    large = b"x" * (17 * 1024 * 1024)
    packed = gzip.compress(large)
    told = say(
        server.url,
        b"POST /v1/store/now HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/msgpack\r\nConnection: close\r\n"
        b"Content-Length: 17825792\r\n\r\n",
    )
    assert told.startswith(b"HTTP/1.1 413")
    chunked = say(
        server.url,
        b"POST /v1/store/now HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/msgpack\r\nConnection: close\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n" + b"1100000\r\n" + large[: 16 * 1024 * 1024 + 1],
    )
    assert chunked.startswith(b"HTTP/1.1 413")
    bomb = ask(server.url, "POST", "/v1/store/now", packed, kind="application/msgpack", Content_Encoding="gzip")
    assert (bomb.status, "unpacked" in bomb.problem["detail"]) == (413, True)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "deflate"])
def test_an_unknown_compression_is_refused(server: Serving, encoding: str) -> None:
    answer = ask(server.url, "POST", "/v1/store/now", b"\xc0", kind="application/msgpack", Content_Encoding=encoding)
    assert answer.status == 400


@pytest.mark.parametrize("body", [b"not gzip", gzip.compress(b"x" * 5_000, mtime=0)[:30], b""])
def test_broken_compression_is_refused(server: Serving, body: bytes) -> None:
    answer = ask(server.url, "POST", "/v1/store/now", body, kind="application/msgpack", Content_Encoding="gzip")
    assert (answer.status, answer.problem["code"]) == (400, "usage")


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x93", b"\xff" * 50, b"\x91" * 100_000, b"{}", b"\xc0\xc0"])
def test_nonsense_is_the_clients_mistake(server: Serving, body: bytes) -> None:
    for name in ("insert", "claim", "turn", "replace", "page", "control", "swap", "watch"):
        answer = ask(server.url, "POST", f"/v1/store/{name}", body, kind="application/msgpack")
        assert (answer.status, answer.problem["code"]) == (400, "usage"), name


def test_what_a_store_is_promised_is_checked_here(server: Serving) -> None:
    row = wire.pack_draft(make_draft(Job(id=new_id(), queue="q", payload=b"1")))

    def changed(**fields: object) -> list[wire.DraftRow]:
        return [msgspec.structs.replace(row, row=msgspec.structs.replace(row.row, **fields))]

    claim = {"queues": ["q"], "limit": 1, "worker": "w", "lease": 1_000, "nonce": "n"}
    for name, argument in [
        ("insert", changed(payload=b"{")),
        ("insert", changed(payload=b'"' + b"x" * 1024 * 1024 + b'"')),
        ("insert", changed(payload=b"[" * 200 + b"]" * 200)),
        ("insert", changed(queue="../etc")),
        ("insert", changed(id="1")),
        ("insert", changed(priority=1_001)),
        ("insert", changed(body=b'{"max_retries": 5000}')),
        ("insert", [msgspec.structs.replace(row, delay=-1)]),
        ("insert", [row] * 10_001),
        ("claim", {**claim, "limit": 0}),
        ("claim", {**claim, "limit": 1_001}),
        ("claim", {**claim, "lease": 0}),
        ("claim", {**claim, "queues": ["a b"]}),
        ("claim", {**claim, "worker": "w" * 2_000}),
        ("get", wire.Named("a b", [])),
        ("page", {"queue": "q", "state": "lost"}),
        ("page", {"queue": "q", "state": "ready", "limit": 100_000}),
        ("control", {"queue": "a b", "setting": {"paused": True}}),
        ("control", {"queue": "q", "setting": {"max_running": -1}}),
        ("swap", wire.Swap("k", None, b"x" * 1024 * 1024 + b"x")),
        ("due", 0),
        ("watch", ["ready:a b"]),
        ("watch", ["gone:q"]),
    ]:
        answer = call(server.url, name, argument)
        assert (answer.status, answer.problem["code"]) == (400, "usage"), (name, argument, answer)
        assert answer.problem["detail"]
    assert msgspec.msgpack.decode(call(server.url, "queues", None).body) == []


def test_an_unknown_call_and_another_method_are_told_apart(server: Serving) -> None:
    assert call(server.url, "drop", None).status == 404
    answer = ask(server.url, "GET", "/v1/store/now")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert ask(server.url, "GET", "/elsewhere").problem["code"] == "not_found"


def test_another_namespace_is_served_only_where_that_is_allowed(server: Serving) -> None:
    answer = call(server.url, "now", None, jq_namespace="other")
    assert (answer.status, answer.problem["code"]) == (404, "not_found")
    assert call(server.url, "now", None, jq_namespace="jq").status == 200
    assert call(server.url, "now", None, jq_namespace="a b").status in (400, 404)


# --- time ---


def test_a_client_that_never_sends_its_request_is_cut_off(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jq_cli.server.run.HEAD_TIMEOUT", 0.2)
    assert say(server.url, b"") == b""
    assert say(server.url, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow:") == b""
    answered = say(server.url, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /healthz HTTP/1.1\r\n")
    assert answered.startswith(b"HTTP/1.1 200")


def test_a_head_that_is_too_large_is_refused_whole_or_in_parts(server: Serving) -> None:
    begin = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    filler = b"X-A: " + b"a" * 8_000 + b"\r\n"
    assert b" 200 OK" in say(server.url, begin + filler * 7 + b"\r\n")
    for head in (
        begin + filler * 9 + b"\r\n",
        begin + b"X-A: " + b"a" * 2**20,
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
    ):
        assert refused(server.url, head)


def refused(url: str, head: bytes) -> bool:
    try:
        return b" 400 Bad Request" in say(url, head)
    except (BrokenPipeError, ConnectionResetError):
        return True  # closed before all of it was sent


def test_a_body_that_does_not_come_is_not_waited_for_for_ever(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jq_cli.server.guard.BODY_TIMEOUT", 0.2)
    head = (
        b"POST /v1/store/now HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/msgpack\r\nConnection: close\r\n"
    )
    assert say(server.url, head + b"Content-Length: 10\r\n\r\n\xc0").startswith(b"HTTP/1.1 408")


def test_a_call_whose_caller_has_lost_patience_is_not_made(server: Serving) -> None:
    row = wire.pack_draft(make_draft(Job(id=new_id(), queue="patience", payload=b"1")))
    answer = call(server.url, "insert", [row], jq_patience="0")
    assert (answer.status, answer.problem["code"]) == (503, "backend_unreachable")
    assert "patience" not in msgspec.msgpack.decode(call(server.url, "queues", None).body)
    assert call(server.url, "now", None, jq_patience="soon").status == 400
    assert call(server.url, "now", None, jq_patience="nan").status == 400


# --- the log ---


def test_the_log_names_who_asked_for_what_and_never_a_secret() -> None:
    lines: list[Line] = []
    options = Options(hosts=("127.0.0.1",), log=lines.append)
    with Serving("memory://", tokens=[chosen_token("ci", SECRET)], options=options) as server:
        call(server.url, "now?token=" + SECRET, None, token=SECRET)
        call(server.url, "now", None, token="wrong-" + SECRET)
        deadline = time.monotonic() + 20
        while len(lines) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert [(line.caller, line.method, line.path, line.status) for line in lines] == [
        ("ci", "POST", "/v1/store/now", 200),
        ("-", "POST", "/v1/store/now", 401),
    ]
    text = msgspec.json.encode(lines).decode()
    assert SECRET not in text
    assert {"time", "peer", "ms", "bytes"} < set(json.loads(text)[0])


def test_an_unexpected_error_is_told_without_its_words(
    server: Serving, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a secret of the store")

    monkeypatch.setattr("jq_cli.backends.memory.backend.MemoryBackend.now", fail)
    answer = call(server.url, "now", None)
    assert (answer.status, answer.problem["code"]) == (500, "internal")
    assert "secret" not in answer.body.decode()
    assert "a secret of the store" in capfd.readouterr().err
