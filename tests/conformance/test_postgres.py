"""The Postgres backend under the conformance suite."""

from typing import cast

import pytest

from jq_cli.backends.base import Backend
from jq_cli.backends.postgres.backend import PostgresBackend
from jq_cli.testing import ConformanceSuite
from tests.conformance.damage import damage_postgres
from tests.postgres_server import PostgresServer


class TestPostgres(ConformanceSuite):
    runs = 25
    steps = 50

    @pytest.fixture(autouse=True)
    def server(self, postgres_server: PostgresServer) -> None:
        self.url = f"{postgres_server.url}?timeout=60s"  # what a call does, not how soon on a busy machine

    def damage(self, backend: Backend, queue: str, id: str, body: bytes) -> None:
        damage_postgres(cast(PostgresBackend, backend), queue, id, body)
