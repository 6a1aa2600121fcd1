"""A worker on a store where each look costs money: it looks and renews more rarely while it finds nothing, and never at the
price of a lease."""

from typing import Any

import msgspec
import pytest

from jq_cli.backends.memory.backend import MemoryBackend
from jq_cli.consumer import WORKER_NOTE, Registration
from jq_cli.worker import pace
from jq_cli.worker.pace import IDLE_BEAT, SHARE, Pace
from tests.worker.bench import Bench, call


class Clock:
    """Monotonic seconds, told by a test."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pace, "time", clock)
    return clock


def test_pauses_grow_with_the_time_without_work_up_to_the_bound(time: Clock) -> None:
    idle = Pace(5.0, 3.0)
    pauses = []
    for _ in range(4):
        pauses.append(idle.pause(0.25))
        time.now += 2 * SHARE
    assert pauses == [0.25, 2.0, 4.0, 5.0]
    idle.found()
    assert idle.pause(0.25) == 0.25


def test_a_minute_without_work_costs_a_twentieth_of_the_looks(time: Clock) -> None:
    idle, looks, end = Pace(5.0, 3.0), 0, time.now + 660
    time.now += 60  # idle for a minute already
    while time.now < end:
        looks += 1
        time.now += idle.pause(0.25)
    assert looks == 600 / 5


def test_where_looks_are_free_nothing_is_stretched(time: Clock) -> None:
    free = Pace(0.0, 3.0)
    time.now += 3_600
    assert (free.pause(0.25), free.beat(False), free.beat(True)) == (0.25, 3.0, 3.0)


def test_leases_are_renewed_as_ever_and_registrations_without_them_rarely(time: Clock) -> None:
    paid = Pace(5.0, 3.0)
    time.now += 3_600
    assert (paid.beat(True), paid.beat(False)) == (3.0, IDLE_BEAT)


class Paid(MemoryBackend):
    """A store where looks cost money. It keeps what workers registered."""

    idle_poll = 5.0

    def __init__(self) -> None:
        super().__init__()
        self.registered: list[Registration] = []

    def swap(self, key: str, old: bytes | None, new: bytes | None) -> bool:
        if new is not None and key.startswith(WORKER_NOTE):
            self.registered.append(msgspec.json.decode(new, type=Registration))
        return super().swap(key, old, new)


@pytest.fixture
def paid(bench: Bench) -> Paid:
    bench.backend = backend = Paid()
    return backend


def test_a_registration_is_valid_for_as_long_as_its_next_renewal_may_take(bench: Bench, paid: Paid) -> None:
    bench.put("j")
    assert bench.work(call("trace"), processes=1) == 0
    assert paid.registered[0].valid == IDLE_BEAT * 1_000 * 10 / 3


def test_a_worker_that_gets_a_job_after_idling_renews_its_lease_in_time(bench: Bench, paid: Paid) -> None:
    (id,) = bench.put("j")
    worker = bench.worker(call("shows_progress"), processes=1, lease=1_500)
    paid_extend = paid.extend
    beats: list[int] = []

    def extend(leases: Any, **options: Any) -> Any:
        beats.append(len(leases))
        if len(beats) == 3:
            bench.go()
        return paid_extend(leases, **options)

    paid.extend = extend  # type: ignore[method-assign]
    assert worker.run() == 0
    assert beats[:3] == [1, 1, 1]
    assert (bench.job(id).state, bench.job(id).losses) == ("succeeded", 0)
    assert min(each.valid for each in paid.registered) == 1_500
