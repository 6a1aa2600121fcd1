"""Hooks hear what workers do; whatever a hook does, the work goes on as if there were none."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from jq_cli.consumer import read_registration
from jq_cli.hooks.emitter import Emitter
from jq_cli.hooks.event import Event
from jq_cli.hooks.spec import HookSpec
from jq_cli.worker.part import Part
from tests.hooks.conftest import Hooked
from tests.worker.bench import Bench, call, eventually

pytestmark = pytest.mark.usefixtures("plugins")


@pytest.fixture
def told_file(tmp_path: Path) -> Path:
    return tmp_path / "told"


def spec(kind: str, path: Path, **fields: Any) -> HookSpec:
    return HookSpec(**{"name": kind, "kind": kind, "options": {"path": str(path)}, **fields})


def told(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def close(bench: Bench) -> Emitter:
    emitter: Emitter = bench.emitter
    emitter.close()
    return emitter


def test_a_hook_hears_every_event_of_every_job_in_order(hooked: Hooked, told_file: Path) -> None:
    bench = hooked(spec("file", told_file))
    ids = bench.put(*[f"j{n}" for n in range(200)], max_retries=1)
    assert bench.work(call("trace"), processes=2) == 0
    [bad] = bench.put("x", max_retries=1)
    assert bench.work(call("boom"), processes=1) == 7
    count = close(bench).counts()["file"]
    heard = told(told_file)
    for id in ids:
        assert [e["event"] for e in heard if e["job"] == id] == ["enqueued", "started", "succeeded"]
    assert [e["event"] for e in heard if e["job"] == bad] == [
        "enqueued", "started", "failed", "retried", "started", "failed", "dead",
    ]  # fmt: skip
    assert (count.sent, count.dropped, len(heard)) == (len(heard), 0, 607)
    assert [e["id"] for e in heard] == sorted({e["id"] for e in heard})
    assert {e["namespace"] for e in heard} == {"t"}
    assert "boom x" in heard[-1]["error"]
    assert told_file.with_name("told.closed").exists()


def test_payloads_are_told_only_to_hooks_that_ask_for_them(hooked: Hooked, told_file: Path, tmp_path: Path) -> None:
    bench = hooked(spec("file", told_file))
    bench.put("secret")
    close(bench)
    assert [e["payload"] for e in told(told_file)] == [None]
    bench = hooked(spec("file", tmp_path / "with", payload=True))
    bench.put("open")
    close(bench)
    assert [e["payload"] for e in told(tmp_path / "with")] == ['"open"']


def test_without_a_wanted_event_no_process_is_started(hooked: Hooked, told_file: Path) -> None:
    bench = hooked(spec("file", told_file, events=("dead",)))
    bench.put(1, 2, 3)
    assert bench.work(call("double")) == 0
    assert bench.emitter._process is None
    close(bench)
    assert not told_file.exists()


@pytest.mark.parametrize("kind", ["slow", "hog", "broken"])
def test_a_hook_that_hangs_or_fails_delays_no_job_and_its_losses_are_counted(
    hooked: Hooked, told_file: Path, kind: str
) -> None:
    bench = hooked(spec(kind, told_file, buffer=50), flush=0.5)
    ids = bench.put(*[f"j{n}" for n in range(500)])
    assert bench.work(call("trace"), processes=2, lease=2_000) == 0
    assert {bench.job(id).state for id in ids} == {"succeeded"}
    assert {bench.job(id).generation for id in ids} == {1}
    count = close(bench).counts()[kind]
    assert count.dropped > 0
    assert count.sent + count.dropped == 1_500
    assert any(text.startswith(f"hook {kind}: {count.dropped:,} events were dropped") for text in bench.said)


def test_a_hook_that_fails_does_not_keep_another_from_hearing(hooked: Hooked, told_file: Path, tmp_path: Path) -> None:
    bench = hooked(spec("hog", tmp_path / "hog"), spec("file", told_file), spec("broken", tmp_path / "b"), flush=5.0)
    bench.put(1, 2)
    assert bench.work(call("double")) == 0
    eventually(lambda: len(told(told_file)) == 6, "all is told")
    close(bench)


def test_a_process_of_hooks_that_dies_is_replaced_and_what_it_held_is_counted(
    hooked: Hooked, told_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jq_cli.hooks.emitter.RESTART_AFTER", 0.0)
    bench = hooked(spec("crash", told_file))
    bench.put(1)
    eventually(lambda: Path(f"{told_file}.crashed").exists(), "the crash")
    eventually(lambda: (bench.emitter.pump(), bench.emitter._link is None)[1], "it is noticed")
    assert bench.emitter.counts()["crash"].dropped == 1
    [second] = bench.put(2)
    assert bench.work(call("double")) == 0
    count = close(bench).counts()["crash"]
    assert (count.sent, count.dropped) == (5, 1)
    assert [e["event"] for e in told(told_file) if e["job"] == second] == ["enqueued", "started", "succeeded"]
    assert any("another is started" in text for text in bench.said)


def test_signals_meant_for_the_worker_do_not_end_its_hooks(hooked: Hooked, told_file: Path) -> None:
    bench = hooked(spec("file", told_file))
    bench.put(1)
    eventually(lambda: told(told_file), "the first event")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(bench.emitter._process.pid, number)
    bench.put(2)
    assert (close(bench).counts()["file"].sent, len(told(told_file))) == (2, 2)


def test_what_nobody_reads_is_dropped_and_counted_without_waiting(hooked: Hooked, told_file: Path) -> None:
    bench = hooked(spec("file", told_file, payload=True), flush=0.2)
    emitter: Emitter = bench.emitter
    emitter.emit([_event(b"")], 1)
    assert emitter._process is not None
    os.kill(emitter._process.pid, signal.SIGSTOP)
    for _ in range(40):
        emitter.emit([_event(b"x" * 500_000)], 1)
    dropped = emitter.counts()["file"].dropped
    assert 0 < dropped < 40
    close(bench)
    count = emitter.counts()["file"]
    assert count.sent + count.dropped == 41


def _event(payload: bytes) -> Event:
    return Event(event="enqueued", queue="q", job="j", attempt=1, payload=payload)


class Look(Part):
    """Looks at the worker's own registration until it shows what it waits for."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.seen: dict[str, dict[str, int]] = {}

    def patience(self) -> float:
        return 0.05

    def talk(self) -> None:
        notes = self.bench.backend.read("worker:").values()
        for registration in map(read_registration, notes):
            if registration is not None and registration.hooks.get("broken", {}).get("dropped"):
                self.seen = registration.hooks
                os.kill(os.getpid(), signal.SIGTERM)


def test_the_registration_of_a_worker_shows_what_its_hooks_dropped(hooked: Hooked, told_file: Path) -> None:
    bench = hooked(spec("broken", told_file, retry_for=0.0))
    bench.put(1)
    look = Look(bench)
    bench.parts.append(look)
    assert bench.work(call("double"), until_empty=False, lease=1_500) == 143
    assert look.seen["broken"]["sent"] == 0
    assert any("hook broken drops events: ValueError: broken as ever" in text for text in bench.said)


def test_a_hook_that_is_not_installed_costs_its_events_only(hooked: Hooked, told_file: Path) -> None:
    bench = hooked(spec("nobody", told_file))
    bench.put(1)
    assert bench.work(call("double")) == 0
    count = close(bench).counts()["nobody"]
    assert (count.dropped, "unknown kind 'nobody'" in count.error) == (3, True)
