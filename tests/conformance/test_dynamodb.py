"""The DynamoDB backend under the conformance suite, on moto's server."""

from typing import cast

import pytest

from jq_cli.backends.base import Backend
from jq_cli.backends.dynamodb.backend import DynamoBackend
from jq_cli.testing import ConformanceSuite
from tests.conformance.damage import damage_dynamodb
from tests.dynamodb_server import DynamoServer


class TestDynamoDB(ConformanceSuite):
    runs = 5
    steps = 30

    @pytest.fixture(autouse=True)
    def table(self, dynamodb_server: DynamoServer) -> None:
        self.url = dynamodb_server.table()

    def damage(self, backend: Backend, queue: str, id: str, body: bytes) -> None:
        damage_dynamodb(cast(DynamoBackend, backend), queue, id, body)


class TestShardedDynamoDB(TestDynamoDB):
    """Several partitions for each queue: the same behaviour at more throughput."""

    runs = 2

    @pytest.fixture(autouse=True)
    def table(self, dynamodb_server: DynamoServer) -> None:
        self.url = dynamodb_server.table() + "&shards=3"
