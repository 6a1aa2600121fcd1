"""The DynamoDB backend under the conformance suite, on moto's server; in the longer run on ministack too."""

import os
from contextlib import closing
from typing import cast

import pytest

from jq_cli.backends.base import Backend
from jq_cli.backends.dynamodb.backend import DynamoBackend
from jq_cli.backends.registry import open_backend
from jq_cli.draft import make_draft
from jq_cli.errors import BackendError
from jq_cli.ids import new_id
from jq_cli.job import Job
from jq_cli.testing import ConformanceSuite, Subject
from jq_cli.testing.listing import ListingTests
from jq_cli.testing.order import OrderTests
from tests.backends.dynamodb_proxy import DynamoProxy, once
from tests.conformance.damage import damage_dynamodb
from tests.dynamodb_server import DynamoServer
from tests.ministack_server import Ministack

soak = pytest.mark.skipif("JQ_SOAK" not in os.environ, reason="a longer run under JQ_SOAK")


class TestDynamoDB(ConformanceSuite):
    slow = 50
    runs, steps = 1, 30

    @pytest.fixture(autouse=True)
    def table(self, dynamodb_server: DynamoServer) -> None:
        self.url = dynamodb_server.table()

    def damage(self, backend: Backend, queue: str, id: str, body: bytes) -> None:
        damage_dynamodb(cast(DynamoBackend, backend), queue, id, body)


@soak
class TestMinistack(TestDynamoDB):
    """What one simulation misses another may know; see `ministack_server` for what it does."""

    @pytest.fixture(autouse=True)
    def table(self, ministack_server: Ministack) -> None:
        # It answers slowly, and eight that write at once lose to one another often.
        self.url = ministack_server.table(timeout="600s")


@soak
class TestShardedDynamoDB(Subject, OrderTests, ListingTests):
    """Several partitions for each queue: who goes first, and what is listed, is what it is with one."""

    slow = 20

    @pytest.fixture(autouse=True)
    def table(self, dynamodb_server: DynamoServer) -> None:
        self.url = dynamodb_server.table(shards="2")


@soak
def test_a_server_that_knows_tokens_takes_a_transaction_that_is_sent_again_for_the_same(
    ministack_server: Ministack,
) -> None:
    with closing(DynamoProxy(ministack_server.endpoint)) as proxy:
        url = ministack_server.table(endpoint=proxy.endpoint, timeout="60s")
        with open_backend(url) as jq:
            proxy.fault = once("TransactWriteItems", "lose")
            jq.insert([make_draft(Job(id=new_id(), queue="q", payload=b"{}", dedup_key="k"))])
            # The second one is no refusal, after which it would be read who wrote.
            assert proxy.seen[-2:] == ["TransactWriteItems", "TransactWriteItems"]
            assert jq.counts()[0].totals == {"enqueued": 1}


@soak
@pytest.mark.parametrize(
    "size",
    [
        2_900_000,
        pytest.param(
            3_400_000,
            marks=pytest.mark.xfail(
                strict=True,
                raises=BackendError,
                reason="ministack 1.5.33 measures the 4 MB of a transaction by its JSON, AWS by the items in it",
            ),
        ),
    ],
)
def test_a_payload_of_megabytes_lies_in_items_of_one_transaction(ministack_server: Ministack, size: int) -> None:
    payload = b'"' + b"x" * size + b'"'
    with open_backend(ministack_server.table(timeout="60s")) as jq:
        job = Job(id=new_id(), queue="q", payload=payload)
        jq.insert([make_draft(job)])
        [found] = jq.get("q", [job.id])
        assert found is not None
        assert found.payload == payload
