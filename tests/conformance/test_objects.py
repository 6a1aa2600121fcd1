"""The objects backend under the conformance suite: in a folder, in obstore's memory, and in S3 as moto's server speaks it."""

from pathlib import Path
from typing import cast

import pytest
from obstore.store import MemoryStore

from jq_cli.backends.base import Backend
from jq_cli.backends.objects.backend import ObjectsBackend
from jq_cli.backends.objects.cloud_store import CloudStore
from jq_cli.testing import ConformanceSuite, ManualClock
from jq_cli.testing.random_runs import RandomRunsTests
from tests.conformance.damage import damage_objects


class ObjectsSuite(ConformanceSuite):
    def damage(self, backend: Backend, queue: str, id: str, body: bytes) -> None:
        damage_objects(cast(ObjectsBackend, backend), queue, id, body)


class TestFolder(ObjectsSuite):
    runs, steps = 25, 50

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.url = f"file://{tmp_path}/store?timeout=60s"


class TestBucketInMemory(RandomRunsTests):
    @pytest.fixture(autouse=True)
    def bucket(self) -> None:
        self.store = MemoryStore()

    def open(self, clock: ManualClock, namespace: str) -> Backend:
        return ObjectsBackend(CloudStore(self.store, "memory", f"{namespace}/", 60), clock, timeout=60)


class TestS3(ObjectsSuite):
    slow = 10  # a simulation; the folder runs the same code on the full numbers
    runs, steps = 5, 30

    @pytest.fixture(autouse=True)
    def bucket(self, s3_url: str) -> None:
        self.url = f"{s3_url}&timeout=60s"
