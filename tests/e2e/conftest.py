"""Every end-to-end test runs on each store that works across processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.program import Program
from tests.serve_program import ServeProgram


@pytest.fixture
def http_url(tmp_path: Path) -> Iterator[str]:
    """The URL of a server of its own that keeps its jobs in memory."""
    folder = tmp_path / "server"
    folder.mkdir()
    with ServeProgram(folder, "memory", "--namespaces", "4", "--no-cron", "--access-log", "none") as server:
        yield server.url


STORES = ["sqlite", "redis", "postgres", "http"]


@pytest.fixture(params=STORES)
def jq(request: pytest.FixtureRequest, tmp_path: Path, namespace: str) -> Program:
    """The program on a fresh store."""
    return Program(request.getfixturevalue(f"{request.param}_url"), namespace, tmp_path)
