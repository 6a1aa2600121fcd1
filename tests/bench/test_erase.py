"""A namespace that is erased holds nothing any more, and its neighbours hold all they had."""

from collections.abc import Callable

import psycopg
import pytest

from jq_cli.backends.base import Backend, Setting
from jq_cli.backends.registry import open_backend
from jq_cli.consumer import Consumer
from jq_cli.draft import make_draft
from jq_cli.ids import new_id
from jq_cli.job import STATES, Job
from jq_cli.lifecycle import Outcome, cancel
from tests.postgres_server import PostgresServer
from tests.serving import Serving

STORES = ["sqlite_url", "redis_url", "postgres_url", "folder_url", "s3_url", "http"]


@pytest.fixture(params=STORES)
def opened(request: pytest.FixtureRequest, namespace: str) -> Callable[[str], Backend]:
    """Opens a store in a namespace whose name ends as given."""
    if request.param == "http":
        server: Serving = request.getfixturevalue("memory_server")
        url = server.url
    else:
        url = request.getfixturevalue(request.param)
    return lambda end: open_backend(url, namespace=namespace + end)


def draft(queue: str, **fields: object) -> object:
    delay = fields.pop("delay", 0)
    return make_draft(Job(id=new_id(), queue=queue, payload=b"1", **fields), delay=delay)


def furnish(backend: Backend) -> None:
    """Jobs in each state on two queues, keys, a note, a pause, totals."""
    consumer = Consumer(backend)
    for queue in ("q", "r"):
        backend.insert([draft(queue, dedup_key="k"), draft(queue), draft(queue), draft(queue)])
        first, second, _ = consumer.claim([queue], 3)
        consumer.write([consumer.settle(first, Outcome("succeeded", output=b"{}"))])
        consumer.write([consumer.settle(second, Outcome("permanent", error="no"))])
        [waiting] = backend.page(queue, "ready").jobs
        backend.replace([cancel(waiting, "c")])
        backend.insert([draft(queue, idempotency_key="i"), draft(queue, delay=3_600_000)])
        backend.control(queue, Setting(paused=True))
    assert backend.swap("note", None, b"1")
    assert contents(backend) == FULL


FULL = {(queue, state): 1 for queue in ("q", "r") for state in STATES}


def contents(backend: Backend) -> dict[tuple[str, str], int]:
    counted = {(each.queue, state): count for each in backend.counts() for state, count in each.states.items()}
    return {what: count for what, count in counted.items() if count}


def test_erased_means_that_nothing_is_left_and_neighbours_keep_theirs(opened: Callable[[str], Backend]) -> None:
    for end in ("", "x"):
        with opened(end) as backend:
            furnish(backend)
    with opened("") as backend:
        backend.erase()
    with opened("") as backend:
        assert (contents(backend), backend.read("")) == ({}, {})
        if not backend.url.startswith("http"):
            assert backend.queues() == []
        assert Consumer(backend).tick() == 0
    with opened("x") as backend:
        assert (contents(backend), backend.read("")) == (FULL, {"note": b"1"})


def test_the_namespace_can_be_used_again(opened: Callable[[str], Backend]) -> None:
    with opened("") as backend:
        backend.insert([draft("q", dedup_key="k")])
        backend.erase()
    with opened("") as backend:
        assert backend.insert([draft("q", dedup_key="k2")])[0].status == "created"
        assert len(Consumer(backend).claim(["q"])) == 1


def test_a_schema_with_a_name_of_its_own_is_emptied_and_stays(postgres_server: PostgresServer, namespace: str) -> None:
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        with open_backend(postgres_server.url, schema=namespace) as backend:
            furnish(backend)
            backend.erase()
        with open_backend(postgres_server.url, schema=namespace) as backend:
            assert (contents(backend), backend.read("")) == ({}, {})
        [there] = connection.execute("SELECT to_regnamespace(%s) IS NOT NULL", (namespace,)).fetchone()
        assert there
