"""The SQLite backend under the conformance suite."""

from pathlib import Path
from typing import cast

import pytest

from jq_cli.backends.base import Backend
from jq_cli.backends.sqlite import SqliteBackend
from jq_cli.testing import ConformanceSuite


class TestSqlite(ConformanceSuite):
    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.url = f"sqlite:///{tmp_path / 'jq.db'}"

    def damage(self, backend: Backend, queue: str, id: str, body: bytes) -> None:
        space = cast(SqliteBackend, backend)._space
        space.cursor.execute("UPDATE jobs SET body = ? WHERE queue = ? AND id = ?", (body, space.queue(queue), id))
