"""The Python API on each store, each test with a store of its own and no configuration of the developer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jq_cli.api.queue import Queue, Store, connect


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "JQ_BACKEND",
        "JQ_BACKEND_FILE",
        "BACKEND",
        "REDIS_ADDR",
        "JQ_NAMESPACE",
        "JQ_CONFIG",
        "XDG_CONFIG_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(params=["memory", "sqlite", "redis", "postgres"])
def store(request: pytest.FixtureRequest, namespace: str) -> Iterator[Store]:
    url = "memory" if request.param == "memory" else request.getfixturevalue(f"{request.param}_url")
    with connect(url, namespace=namespace) as store:
        yield store


@pytest.fixture
def queue(store: Store) -> Queue:
    return store.queue("q")
