"""Ten schedulers race over thirty simulated days while they are killed at store calls, get no answers, are all down for hours,
and the store's clock jumps by an hour, both ways: every tick makes one job, whatever happened."""

import os
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jq_cli.backends.base import Backend
from jq_cli.backends.memory.backend import MemoryBackend
from jq_cli.backends.registry import open_backend
from jq_cli.config.settings import Settings
from jq_cli.cron.note import SKIP_AFTER
from jq_cli.cron.schedule import Schedule
from jq_cli.cron.timetable import Timetable
from tests.cron.simulation import HOUR, Clock, Simulation, look_seldom

SOAK = int(os.environ.get("JQ_SOAK", "0"))
DAY = 24 * HOUR
START = int(datetime(2026, 3, 10, tzinfo=UTC).timestamp()) * 1_000  # Berlin changes its clocks on day 19

SCHEDULES = [
    Schedule(name="often", cron="40 */2 * * *", queue="a", catch_up="all"),
    Schedule(name="hourly", cron="15 * * * *", timezone="Europe/Berlin", queue="b", catch_up="all"),
    Schedule(name="daily", cron="30 2 * * *", timezone="Europe/Berlin", queue="b", catch_up="all"),
    Schedule(name="fresh", cron="40 * * * *", queue="a", catch_up="skip"),
    Schedule(name="latest", cron="10 */4 * * *", queue="c", catch_up="latest"),
    Schedule(name="alone", cron="20 * * * *", queue="c", catch_up="all", overlap="skip"),
    Schedule(name="in-line", cron="5 */2 * * *", queue="d", catch_up="all", overlap="queue-one"),
]
SETTINGS = Settings(schedules={schedule.name: schedule for schedule in SCHEDULES})


@pytest.fixture(autouse=True)
def _look_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    look_seldom(monkeypatch)


def simulated(
    open: Callable[[Clock], Backend], *, seed: int, days: float, actors: int = 10, harm: float = 0.01
) -> Simulation:
    clock = Clock(START)
    simulation = Simulation(lambda: open(clock), SETTINGS, clock, seed=seed, harm=harm)
    simulation.run(actors, round(days * DAY))
    return simulation


def check(simulation: Simulation) -> None:
    assert set(simulation.fired.values()) == {1}, "a tick fired twice"
    for schedule in SCHEDULES:
        timetable = Timetable(schedule.cron, schedule.timezone)
        expected = Counter(timetable.ticks(START // 1_000, simulation.end))
        actual = Counter(tick for name, tick in simulation.fired if name == schedule.name)
        if schedule.catch_up == "all" and schedule.overlap == "allow":
            assert actual == expected, (schedule.name, actual - expected, expected - actual)
        else:
            assert actual <= expected, (schedule.name, actual - expected)
            assert len(actual) > len(expected) / 8, schedule.name
    check_fresh(simulation)


def check_fresh(simulation: Simulation) -> None:
    """Whenever somebody looked and found nothing more to do, the newest tick had fired unless it was too old."""
    due = Timetable("40 * * * *").ticks(START // 1_000, simulation.end)
    missing = {tick for tick in due if ("fresh", tick) not in simulation.fired}
    for look in simulation.looks:
        tick = (look // 1_000 - 2_400) // 3_600 * 3_600 + 2_400
        assert tick not in missing or look - tick * 1_000 >= SKIP_AFTER * 1_000, datetime.fromtimestamp(tick, UTC)


def test_thirty_days_of_trouble_on_the_memory_store() -> None:
    store: list[MemoryBackend] = []

    def open(clock: Clock) -> Backend:
        if not store:
            store.append(MemoryBackend(clock))
        return Shared(store[0])

    simulation = simulated(open, seed=1, days=30)
    assert (simulation.kills > 100, simulation.silences > 100, simulation.jumps > 40) == (True, True, True)
    check(simulation)


class Shared:
    """The one memory store, which a scheduler that goes must not close."""

    def __init__(self, backend: MemoryBackend) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> object:
        return getattr(self._backend, name)

    def __enter__(self) -> "Shared":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.mark.parametrize("kind", ["sqlite", "redis", "postgres", "folder"])
def test_days_of_trouble_on_other_stores(
    kind: str, tmp_path: Path, namespace: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue(f"{kind}_url")
    for seed in range(1 + SOAK):
        space = f"{namespace}{seed}"
        where = f"sqlite:///{tmp_path / space}.db" if kind == "sqlite" else url
        simulation = simulated(
            lambda clock, where=where, space=space: open_backend(where, namespace=space, clock=clock),
            seed=seed, days=30 if SOAK else 1.5, actors=10 if SOAK else 4, harm=0.02,
        )  # fmt: skip
        check(simulation)


@pytest.mark.skipif(not SOAK, reason="a longer run under JQ_SOAK")
@pytest.mark.parametrize("harm", [0.001, 0.01, 0.1])
def test_many_histories_on_the_memory_store(harm: float) -> None:
    for seed in range(2, 2 + 3 * SOAK):
        store: list[MemoryBackend] = []

        def open(clock: Clock, store: list[MemoryBackend] = store) -> Backend:
            if not store:
                store.append(MemoryBackend(clock))
            return Shared(store[0])

        check(simulated(open, seed=seed, days=30, harm=harm))
