"""A bench with a memory backend: the pool needs no more, because only the parent talks to the store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jq_cli.backends.memory.backend import MemoryBackend
from tests.worker.bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(MemoryBackend(), tmp_path / "traces")
    yield bench
    for error in bench.trouble:
        raise error
