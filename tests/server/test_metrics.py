"""`/metrics` of a server: who may read it, and what it tells of the work that goes through the server."""

from collections.abc import Iterator

import pytest

from jq_cli.backends.registry import open_backend
from jq_cli.consumer import Consumer
from jq_cli.draft import make_draft
from jq_cli.ids import new_id
from jq_cli.job import Job
from jq_cli.lifecycle import Outcome
from jq_cli.server.access import chosen_token
from jq_cli.server.service import Options
from tests.metrics.scrape import Figures, plain, strict
from tests.server.asking import ask
from tests.serving import Serving

READER, WORKER = "a-reader-that-may-look", "a-worker-that-may-work"


@pytest.fixture
def server() -> Iterator[Serving]:
    with Serving("memory://", options=Options(cron=False)) as server:
        yield server


def figures(server: Serving) -> Figures:
    answer = ask(server.url, "GET", "/metrics")
    assert answer.status == 200
    return plain(answer.body)


def test_what_goes_through_the_server_is_measured(server: Serving) -> None:
    with open_backend(server.url) as backend:
        backend.insert([make_draft(Job(id=new_id(), queue="q", payload=b"1")) for _ in range(3)])
        consumer = Consumer(backend)
        first, second = consumer.claim(["q"], 2)
        consumer.turn([consumer.settle(first, Outcome("succeeded"))], ["q"], 1)
        consumer.write([consumer.settle(second, Outcome("failed"))])
    seen = figures(server)
    assert seen("jq_job_wait_seconds_count", queue="q") == 3
    assert seen("jq_job_run_seconds_count", queue="q") == 2
    assert seen("jq_store_call_seconds_count", call="turn") == 2
    assert seen("jq_jobs_succeeded_total", queue="q") == 1
    assert (seen("jq_store_up"), seen("jq_queues")) == (1, 1)


def test_openmetrics_is_negotiated(server: Serving) -> None:
    answer = ask(server.url, "GET", "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert strict(answer.body)("jq_store_up") == 1


def test_it_takes_a_token_that_may_read() -> None:
    tokens = [chosen_token("reader", READER, "read"), chosen_token("worker", WORKER, "work,enqueue")]
    with Serving("memory://", tokens=tokens) as server:
        for path in ("/metrics", "/metrics/queues/q"):
            assert ask(server.url, "GET", path).status == 401
            assert ask(server.url, "GET", path, token=WORKER).status == 403
            assert ask(server.url, "GET", path, token=READER).status == 200


def test_an_autoscaler_gets_one_queue_as_json(server: Serving) -> None:
    with open_backend(server.url) as backend:
        backend.insert([make_draft(Job(id=new_id(), queue="q", payload=b"1")) for _ in range(2)])
    assert ask(server.url, "GET", "/metrics/queues/q").json["waiting"] == 2
    assert ask(server.url, "GET", "/metrics/queues/never-used").json["waiting"] == 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/metrics", 405), ("GET", "/metricsx", 404), ("GET", "/metrics/queues/", 400), ("GET", "/metrics/queues/a b", 400), ("GET", "/metrics/x", 404)],
)  # fmt: skip
def test_other_requests_are_refused(server: Serving, method: str, path: str, status: int) -> None:
    assert ask(server.url, method, path.replace(" ", "%20")).status == status


def test_other_namespaces_are_not_mixed_in() -> None:
    with Serving("memory://") as server:
        with open_backend(server.url, namespace="other") as backend:
            backend.insert([make_draft(Job(id=new_id(), queue="theirs", payload=b"1"))])
            Consumer(backend).claim(["theirs"])
        assert not any("theirs" in dict(labels).values() for _, labels in figures(server).samples)


def test_a_store_that_is_down_shows() -> None:
    with Serving("redis://127.0.0.1:1/0?timeout=0.3") as server:
        assert figures(server)("jq_store_up") == 0
        assert ask(server.url, "GET", "/metrics/queues/q").status == 503
