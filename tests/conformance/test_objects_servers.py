"""The objects backend under the conformance suite on storage servers that take longer: SeaweedFS for S3, Azurite for Azure, and
our own `gcs_server` for Google Cloud Storage."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pytest

from jq_cli.backends.objects.address import open_store, read_address
from jq_cli.backends.objects.store import Store
from jq_cli.backends.registry import open_backend
from jq_cli.draft import make_draft
from jq_cli.errors import BackendError
from jq_cli.ids import new_id
from jq_cli.job import Job
from tests import s3rver
from tests.azurite_server import CREDENTIALS, AzuriteServer
from tests.conformance.test_objects import ObjectsSuite
from tests.gcs_server import GcsServer

if "JQ_SOAK" not in os.environ:
    pytest.skip("a longer run under JQ_SOAK", allow_module_level=True)

CLIENTS = 4


@pytest.fixture(scope="session")
def azurite() -> Iterator[AzuriteServer]:
    with AzuriteServer() as server:
        yield server


@pytest.fixture
def azurite_url(azurite: AzuriteServer, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    # It answers slowly, and sixteen that write at once lose to one another often.
    return f"{azurite.url(uuid4().hex)}&timeout=600s"


@pytest.fixture
def gcs_url() -> Iterator[str]:
    with GcsServer() as server:
        yield server.url(uuid4().hex)


class TestSeaweed(ObjectsSuite):
    runs, steps = 5, 30

    @pytest.fixture(autouse=True)
    def bucket(self, weed_url: str) -> None:
        self.url = f"{weed_url}&timeout=60s"


class TestAzurite(ObjectsSuite):
    runs, steps = 5, 30

    @pytest.fixture(autouse=True)
    def container(self, azurite_url: str) -> None:
        self.url = azurite_url


class TestGoogle(ObjectsSuite):
    runs, steps = 5, 30

    @pytest.fixture(autouse=True)
    def bucket(self, gcs_url: str) -> None:
        self.url = f"{gcs_url}&timeout=60s"


@pytest.mark.parametrize("server", ["weed", "azurite", "gcs"])
def test_of_several_that_create_an_object_at_the_same_moment_one_does(
    server: str, request: pytest.FixtureRequest
) -> None:
    address = read_address(request.getfixturevalue(f"{server}_url"), {})
    stores = [open_store(address, "race") for _ in range(CLIENTS)]
    start = Barrier(CLIENTS)

    def create(store: Store, number: int) -> bool:
        start.wait()
        return store.create(f"log/{number:016d}", str(id(store)).encode())

    with ThreadPoolExecutor(CLIENTS) as threads:
        for number in range(30):
            made = list(threads.map(lambda store, n=number: create(store, n), stores))
            assert sum(made) == 1, (number, made)
            assert stores[0].get(f"log/{number:016d}") == str(id(stores[made.index(True)])).encode()
    for store in stores:
        store.close()


@pytest.mark.skipif(not s3rver.PROGRAM.exists(), reason=s3rver.MISSING)
def test_a_server_that_ignores_conditional_writes_is_refused_before_a_job_is_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in s3rver.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with s3rver.S3rver() as server, open_backend(server.url) as jq:
        with pytest.raises(BackendError, match="ignores conditional writes"):
            jq.check()
        with pytest.raises(BackendError, match="ignores conditional writes"):
            jq.insert([make_draft(Job(id=new_id(), queue="q", payload=b"{}"))])
        assert server.objects() == []
