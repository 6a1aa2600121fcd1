"""The program on a fresh SQLite store."""

from pathlib import Path

import pytest

from tests.cli.program import Program


@pytest.fixture
def jq(tmp_path: Path, sqlite_url: str) -> Program:
    """The program on SQLite."""
    return Program(tmp_path, sqlite_url)
