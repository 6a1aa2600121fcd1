"""Receivers, observed stores, and a hook from elsewhere, installed for one test."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jq_cli.backends.memory.backend import MemoryBackend
from jq_cli.hooks.emitter import Emitter
from jq_cli.hooks.observed import seen_through
from jq_cli.hooks.part import hook_parts
from jq_cli.hooks.spec import HookSpec
from tests.e2e.program import ROOT
from tests.hooks.receiver import Receiver
from tests.worker.bench import Bench


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path of every process, with a distribution that brings the hooks of `tests.hooks.plugin`."""
    folder = tmp_path / "plugins"
    info = folder / "jq_plugin-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: jq-plugin\nVersion: 1\n")
    names = ("file", "slow", "hog", "crash", "broken")
    lines = "".join(f"{name} = tests.hooks.plugin:{name}\n" for name in names)
    (info / "entry_points.txt").write_text(f"[jq_cli.hooks]\n{lines}")
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{ROOT}")
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    return folder


Hooked = Callable[..., Bench]


@pytest.fixture
def hooked(bench: Bench) -> Iterator[Hooked]:
    """The bench, its store observed by the hooks given."""
    emitters: list[Emitter] = []

    def make(*hooks: HookSpec, flush: float = 10.0) -> Bench:
        emitter = Emitter(hooks, "t", flush=flush, say=bench.said.append)
        emitters.append(emitter)
        bench.emitter = emitter
        bench.backend = seen_through(MemoryBackend(), emitter)
        bench.parts = hook_parts(bench.backend)
        return bench

    yield make
    for emitter in emitters:
        emitter.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(MemoryBackend(), tmp_path / "traces")
    yield bench
    for error in bench.trouble:
        raise error
