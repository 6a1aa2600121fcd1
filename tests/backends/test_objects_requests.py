"""What a bucket's provider is asked for, and what that costs: counted, compared with the server's own count and with the docs."""

import os
from collections import Counter
from pathlib import Path
from uuid import uuid4

import pytest

from benchmarks.bucket_requests import calls, idle_table, lives, openings, table
from jq_cli.backends.objects.backend import ObjectsBackend, open_objects
from jq_cli.backends.objects.requests import COALESCE, PRICES, requests_for
from tests.backends.http_faults import Fault, FaultProxy
from tests.backends.objects_jobs import claim, draft, succeeded
from tests.moto_server import CREDENTIALS, MotoServer

DOCS = Path(__file__).parents[2] / "docs" / "objects.md"
DEEP = 10_000 * int(os.environ.get("JQ_SOAK", "1"))
BILLED = {"put": "PUT", "get": "GET", "list": "LIST", "delete": "POST"}


def test_no_call_costs_more_on_a_deep_queue() -> None:
    assert calls(1_000) == calls(DEEP)


def test_the_docs_tell_what_is_counted() -> None:
    text = DOCS.read_text()
    counted = [*table(calls(1_000), each=False), *table(lives(1_000) | openings(1_000), each=True), *idle_table()]
    assert [row for row in counted if row not in text] == []
    assert len(counted) == 14
    for price in ("PUT and LIST $0.005 per 1,000", "GET $0.0004 per 1,000"):
        assert price in text
    assert PRICES == {"put": 5.0, "list": 5.0, "get": 0.4, "delete": 0.0}


def seen(proxy: FaultProxy) -> Counter[str]:
    """What came to the server, by kind: HEAD is billed as GET is."""
    names = {"HEAD": "GET"}
    return Counter(
        "LIST" if method == "GET" and "list-type" in path else names.get(method, method)
        for method, path, _ in proxy.requests
    )


def counted(jq: ObjectsBackend) -> Counter[str]:
    return Counter({BILLED[kind]: number for kind, number in jq.requests.items()})


def test_the_count_is_what_the_server_sees_with_what_was_sent_again(
    moto_server: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    faults: list[Fault] = [None, 503, None, "swallow", None, 409, None, None, 503]

    def fault(method: str, path: str) -> Fault:
        return faults.pop() if faults and method != "POST" else None

    large = b'"' + b"x" * 300_000 + b'"'
    with FaultProxy(moto_server.port, fault) as proxy:
        url = f"s3://{moto_server.bucket}/{uuid4().hex}?endpoint={proxy.endpoint}&timeout=20s"
        with open_objects(url) as jq:
            assert isinstance(jq, ObjectsBackend)
            jq.insert([draft(), draft(large), draft(large + b" ")])
            jq.replace([succeeded(job) for job in claim(jq, 2)])
            jq.check()
            jq._store.delete([each.name for each in jq._store.listing("data")])
            assert counted(jq) == seen(proxy)
            assert not faults
            assert set(counted(jq)) == set(BILLED.values())


def test_every_page_of_a_listing_counts(moto_server: MotoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    proxy = FaultProxy(moto_server.port, lambda _method, _path: None)
    url = f"s3://{moto_server.bucket}/{uuid4().hex}?endpoint={proxy.endpoint}&timeout=60s"
    with proxy, open_objects(url) as jq:
        assert isinstance(jq, ObjectsBackend)
        jq._store.each(lambda n: jq._store.create(f"data/{n:04}", b"x"), range(1_001))
        assert len(jq._store.listing("data")) == 1_001
        assert counted(jq) == seen(proxy) == {"PUT": 1_001, "LIST": 2}


@pytest.mark.parametrize(
    ("spans", "requests"),
    [
        ([(0, 10)], 1),
        ([(0, 10), (10 + COALESCE, 5)], 1),
        ([(0, 10), (11 + COALESCE, 5)], 2),
        ([(11 + COALESCE, 5), (0, 10)], 2),
        ([(0, 3 * COALESCE), (5, 5), (3 * COALESCE, 1)], 1),
    ],
)
def test_parts_that_lie_close_together_are_read_at_once(spans: list[tuple[int, int]], requests: int) -> None:
    assert requests_for(spans) == requests


def test_a_folder_sends_no_requests(folder_url: str) -> None:
    with open_objects(folder_url) as jq:
        jq.insert([draft()])
        assert jq.requests == {}
