"""The HTTP backend under the conformance suite: the whole of it on a server that keeps its jobs in memory, and, in a reduced
form, on servers in front of SQLite and Redis. The suite's clock is that of the store behind the server."""

from collections.abc import Iterator
from typing import Any, cast

import pytest

from jq_cli.backends.base import Backend
from jq_cli.backends.http.backend import HttpBackend
from jq_cli.backends.registry import open_backend
from jq_cli.testing import ConformanceSuite, ManualClock, Store
from jq_cli.testing.concurrency import ConcurrencyTests
from jq_cli.testing.damage import DamageTests
from jq_cli.testing.delivery import DeliveryTests
from jq_cli.testing.idempotency import IdempotencyTests
from jq_cli.testing.leases import LeasesTests
from jq_cli.testing.random_runs import RandomRunsTests
from jq_cli.testing.watching import WatchingTests
from tests.conformance.damage import damage_memory, damage_redis, damage_sqlite
from tests.servers import RedisServer
from tests.serving import Serving


class OverHttp:
    """Opens the store under test through a server of this process."""

    server: Serving

    def open(self, clock: ManualClock, namespace: str) -> Backend:
        self.server.clocks[namespace] = clock
        return open_backend(self.server.url, namespace=namespace)

    def damage(self, backend: Backend, queue: str, id: str, body: bytes) -> None:
        namespace = cast(HttpBackend, backend)._client.namespace
        self.server.ask(namespace, lambda behind: self.overwrite(behind, queue, id, body))

    def overwrite(self, behind: Any, queue: str, id: str, body: bytes) -> None:
        """Overwrite a stored body in the store behind the server."""
        damage_memory(behind, queue, id, body)


class TestHttp(OverHttp, ConformanceSuite):
    runs = 20

    @pytest.fixture(autouse=True)
    def serve(self, memory_server: Serving) -> None:
        self.server = memory_server


class Chapters(
    OverHttp,
    DeliveryTests,
    LeasesTests,
    IdempotencyTests,
    DamageTests,
    WatchingTests,
    ConcurrencyTests,
    RandomRunsTests,
):
    """The chapters in which a store behind a server could still differ from the store itself."""

    runs = 2

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        store = Store(self.open, damager=self.damage)
        try:
            yield store
            store.check()
        finally:
            store.close()


@pytest.fixture(scope="module")
def before_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    path = tmp_path_factory.mktemp("behind") / "jq.db"
    with Serving(f"sqlite://{path}?synchronous=normal") as server:
        yield server


@pytest.fixture(scope="module")
def before_redis(redis_server: RedisServer) -> Iterator[Serving]:
    with Serving(redis_server.url) as server:
        yield server


class TestHttpBeforeSqlite(Chapters):
    @pytest.fixture(autouse=True)
    def serve(self, before_sqlite: Serving) -> None:
        self.server = before_sqlite

    def overwrite(self, behind: Any, queue: str, id: str, body: bytes) -> None:
        damage_sqlite(behind, queue, id, body)


class TestHttpBeforeRedis(Chapters):
    @pytest.fixture(autouse=True)
    def serve(self, before_redis: Serving) -> None:
        self.server = before_redis

    def overwrite(self, behind: Any, queue: str, id: str, body: bytes) -> None:
        damage_redis(behind, queue, id, body)
