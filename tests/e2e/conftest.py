"""Every end-to-end test runs on each store that works across processes."""

from pathlib import Path

import pytest

from tests.e2e.program import Program


@pytest.fixture(params=["sqlite", "redis", "postgres"])
def jq(request: pytest.FixtureRequest, tmp_path: Path, namespace: str) -> Program:
    """The program on a fresh store."""
    return Program(request.getfixturevalue(f"{request.param}_url"), namespace, tmp_path)
