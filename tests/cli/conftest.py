"""The program on each store, with a fresh store, namespace and home folder for each test."""

from pathlib import Path

import pytest

from tests.cli.program import Program


@pytest.fixture
def jq(tmp_path: Path, sqlite_url: str) -> Program:
    """The program on SQLite."""
    return Program(tmp_path, sqlite_url)


@pytest.fixture(params=["sqlite", "redis"])
def jq_on_each(request: pytest.FixtureRequest, tmp_path: Path, namespace: str) -> Program:
    """The program on SQLite, and on Redis."""
    if request.param == "redis":
        return Program(tmp_path, request.getfixturevalue("redis_url"), namespace)
    return Program(tmp_path, request.getfixturevalue("sqlite_url"), namespace)


@pytest.fixture
def bare(tmp_path: Path) -> Program:
    """The program with nothing configured."""
    return Program(tmp_path)
