"""The DynamoDB backend under the conformance suite, on moto's server."""

import os
from typing import cast

import pytest

from jq_cli.backends.base import Backend
from jq_cli.backends.dynamodb.backend import DynamoBackend
from jq_cli.testing import ConformanceSuite, Subject
from jq_cli.testing.listing import ListingTests
from jq_cli.testing.order import OrderTests
from tests.conformance.damage import damage_dynamodb
from tests.dynamodb_server import DynamoServer


class TestDynamoDB(ConformanceSuite):
    slow = 50
    runs, steps = 1, 30

    @pytest.fixture(autouse=True)
    def table(self, dynamodb_server: DynamoServer) -> None:
        self.url = dynamodb_server.table()

    def damage(self, backend: Backend, queue: str, id: str, body: bytes) -> None:
        damage_dynamodb(cast(DynamoBackend, backend), queue, id, body)


@pytest.mark.skipif("JQ_SOAK" not in os.environ, reason="a longer run under JQ_SOAK")
class TestShardedDynamoDB(Subject, OrderTests, ListingTests):
    """Several partitions for each queue: who goes first, and what is listed, is what it is with one."""

    slow = 20

    @pytest.fixture(autouse=True)
    def table(self, dynamodb_server: DynamoServer) -> None:
        self.url = dynamodb_server.table(shards="2")
