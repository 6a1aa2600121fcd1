"""The SQLite backend under the conformance suite."""

from pathlib import Path
from typing import cast

import pytest

from jq_cli.backends.base import Backend
from jq_cli.backends.sqlite.backend import SqliteBackend
from jq_cli.testing import ConformanceSuite
from tests.backends.sqlite_jobs import check_file
from tests.conformance.damage import damage_sqlite


class TestSqlite(ConformanceSuite):
    runs = 50
    steps = 100

    @pytest.fixture(autouse=True)
    def file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "jq.db"
        self.url = f"sqlite://{self.path}?timeout=60s"

    def damage(self, backend: Backend, queue: str, id: str, body: bytes) -> None:
        damage_sqlite(cast(SqliteBackend, backend), queue, id, body)

    def test_random_sequences_of_calls_are_answered_as_the_model_answers_them(self) -> None:
        self.url += "&synchronous=normal"  # makes no difference but to the disk, which would set the pace
        super().test_random_sequences_of_calls_are_answered_as_the_model_answers_them()
        check_file(self.path)
