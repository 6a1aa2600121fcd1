"""Google Cloud Storage as `obstore` speaks to it, on a server of our own that keeps what Google documents."""

from collections.abc import Iterator

import pytest

from jq_cli.backends.objects.address import open_store, read_address
from jq_cli.backends.objects.store import Store
from jq_cli.backends.registry import open_backend
from jq_cli.draft import make_draft
from jq_cli.errors import BackendError
from jq_cli.ids import new_id
from jq_cli.job import Job
from tests.gcs_server import GcsServer


@pytest.fixture
def server() -> Iterator[GcsServer]:
    with GcsServer() as server:
        yield server


@pytest.fixture
def store(server: GcsServer) -> Iterator[Store]:
    store = open_store(read_address(server.url("pre/fix"), {}), "space")
    yield store
    store.close()


def test_an_object_is_created_once_and_read_whole_and_in_parts(server: GcsServer, store: Store) -> None:
    assert store.create("log/1", b"first words")
    assert not store.create("log/1", b"other words")
    assert list(server.objects) == ["pre/fix/space/log/1"]
    assert store.get("log/1") == b"first words"
    assert store.spans("log/1", [(0, 5), (6, 0), (6, 5)]) == [b"first", b"", b"words"]
    assert (store.get("log/2"), store.spans("log/2", [(0, 1)])) == (None, None)


def test_a_listing_goes_on_from_page_to_page_and_from_behind_a_name(server: GcsServer, store: Store) -> None:
    server.page = 2
    names = [f"log/{n}" for n in range(5)]
    for name in (*names, "snap/7"):
        assert store.create(name, b"x")
    assert [each.name for each in store.listing("log")] == names
    assert [each.name for each in store.listing("log", after="log/1", limit=3)] == names[2:]


def test_what_is_removed_is_gone_and_may_be_removed_again(server: GcsServer, store: Store) -> None:
    store.create("log/1", b"x")
    store.create("log/2", b"x")
    for _ in range(2):
        store.delete(["log/1", "log/2"])
    assert (store.get("log/1"), server.objects) == (None, {})


def test_jobs_are_kept_in_a_bucket_of_google(server: GcsServer) -> None:
    ids = [new_id() for _ in range(3)]
    with open_backend(server.url()) as one, open_backend(server.url()) as two:
        one.insert([make_draft(Job(id=id, queue="q", payload=b"{}")) for id in ids])
        assert [job.id for job in two.page("q", "ready").jobs] == ids


def test_a_server_that_ignores_preconditions_is_refused(server: GcsServer) -> None:
    server.careless = True
    with open_backend(server.url()) as jq, pytest.raises(BackendError, match="conditional"):
        jq.insert([make_draft(Job(id=new_id(), queue="q", payload=b"{}"))])
