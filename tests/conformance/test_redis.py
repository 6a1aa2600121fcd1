"""The Redis backend under the conformance suite: on a real server, and on fakeredis, which starts in no time."""

from collections.abc import Iterator
from typing import cast

import pytest

from jq_cli.backends.base import Backend
from jq_cli.backends.redis.backend import RedisBackend
from jq_cli.testing import ConformanceSuite
from tests.cluster_service import ClusterService
from tests.conformance.damage import damage_redis
from tests.sentinel_service import SentinelService
from tests.servers import FakeRedis, RedisServer


class RedisSuite(ConformanceSuite):
    def damage(self, backend: Backend, queue: str, id: str, body: bytes) -> None:
        damage_redis(cast(RedisBackend, backend), queue, id, body)


class TestRedis(RedisSuite):
    runs = 50
    steps = 50

    @pytest.fixture(autouse=True)
    def server(self, redis_server: RedisServer) -> None:
        self.url = f"{redis_server.url}?timeout=60"  # what a call does, not how soon on a busy machine


@pytest.fixture(scope="module")
def service() -> Iterator[SentinelService]:
    with SentinelService() as service:
        yield service


class TestSentinel(RedisSuite):
    runs = 5

    @pytest.fixture(autouse=True)
    def primary(self, service: SentinelService) -> None:
        self.url = f"{service.url}&accept_failover_risk=true"


class TestCluster(RedisSuite):
    runs = 5

    @pytest.fixture(autouse=True)
    def primaries(self, redis_cluster: ClusterService) -> None:
        self.url = f"{redis_cluster.url}&accept_failover_risk=true"


class TestFakeRedis(RedisSuite):
    runs = 5

    @pytest.fixture(autouse=True)
    def server(self, fake_redis: FakeRedis) -> None:
        self.url = f"{fake_redis.url}?timeout=60"
