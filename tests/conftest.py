"""Fixtures for all tests. Every test gets a fresh namespace or file, so that nobody flushes and xdist works: each of its
workers starts one server of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from hypothesis import settings

from tests.cluster_service import ClusterService
from tests.dynamodb_server import DynamoServer
from tests.moto_server import CREDENTIALS, MotoServer
from tests.postgres_server import PostgresServer
from tests.servers import FakeRedis, RedisServer

if TYPE_CHECKING:
    from tests.ministack_server import Ministack
    from tests.serving import Serving
    from tests.weed_server import WeedServer

# How long an example takes says something about the machine, not about the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """The server shared by the tests of this process. Tests that break or configure a server use `own_redis`."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server for one test alone, which may kill, restart and configure it."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[ClusterService]:
    """Three primaries shared by the tests of this process, which leave them as they are."""
    with ClusterService() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def fake_redis() -> Iterator[FakeRedis]:
    """fakeredis, listening on a port of this process."""
    server = FakeRedis()
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The URL of the shared server; use it with `namespace`."""
    return redis_server.url


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The Postgres shared by the tests of this process. Tests that break or configure a server use `own_postgres`."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A Postgres for one test alone, which may kill, restart and configure it. It writes through to the disk."""
    with PostgresServer(fsync="on") as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """The URL of the shared Postgres; use it with `namespace`."""
    return postgres_server.url


@pytest.fixture(scope="session")
def dynamodb_server() -> Iterator[DynamoServer]:
    """The DynamoDB shared by the tests of this process; each test makes a table of its own."""
    with DynamoServer() as server:
        yield server


@pytest.fixture(scope="session")
def ministack_server() -> "Iterator[Ministack]":
    """Another DynamoDB, shared by the tests of this process. For the slower tests alone, where `make soak` installed it."""
    from tests.ministack_server import MISSING, PROGRAM, Ministack

    if not PROGRAM.exists():
        pytest.skip(MISSING)
    with Ministack() as server:
        yield server


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a database file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'jq.db'}"


@pytest.fixture
def namespace() -> str:
    """A namespace that nobody else uses."""
    return "t" + uuid4().hex


@pytest.fixture(scope="session")
def moto_server() -> Iterator[MotoServer]:
    """S3, shared by the tests of this process."""
    with MotoServer() as server:
        yield server


@pytest.fixture
def s3_url(moto_server: MotoServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty prefix in a bucket, with credentials for it in the environment."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return moto_server.url(uuid4().hex)


@pytest.fixture(scope="session")
def weed_server() -> "Iterator[WeedServer]":
    """SeaweedFS, shared by the tests of this process. For the slower tests alone: it takes a while to start."""
    from tests.weed_server import WeedServer

    with WeedServer() as server:
        yield server


@pytest.fixture
def weed_url(weed_server: "WeedServer", monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty prefix in a bucket of SeaweedFS, with credentials for it in the environment."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return weed_server.url(uuid4().hex)


@pytest.fixture
def folder_url(tmp_path: Path) -> str:
    """The URL of a folder that does not exist yet."""
    return f"file://{tmp_path / 'store'}"


@pytest.fixture(scope="session")
def memory_server() -> "Iterator[Serving]":
    """A `jq serve` in front of memory stores, one for each namespace, shared by the tests of this process."""
    from tests.serving import Serving  # most tests need no server, and it takes a while to import

    with Serving("memory://") as server:
        yield server
