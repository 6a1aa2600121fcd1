"""The simulation finds what it is there to find: each of these mistakes, planted into the scheduler, fails its check."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from jq_cli.backends.base import Backend
from jq_cli.backends.memory.backend import MemoryBackend
from jq_cli.cron import scheduler
from jq_cli.cron.note import Run
from jq_cli.draft import Draft
from jq_cli.ids import new_id
from jq_cli.intake.tick_drafts import TickDrafter
from tests.cron.simulation import HOUR, MINUTE, Clock, Simulation, look_seldom
from tests.cron.test_simulation import SETTINGS, START, Shared, check, simulated

Plant = Callable[[pytest.MonkeyPatch], None]


def jobs_without_id_and_key(patch: pytest.MonkeyPatch) -> None:
    right = TickDrafter.tick

    def tick(self: TickDrafter, at: int) -> Draft:
        draft = right(self, at)
        return replace(draft, job=replace(draft.job, id=new_id(), dedup_ttl=0.001))

    patch.setattr(TickDrafter, "tick", tick)
    patch.setattr(scheduler, "tick_id", lambda _name, _tick: None)


def what_a_dead_scheduler_decided_is_left(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(scheduler, "TAKEOVER", 10**15)


def a_cursor_in_the_future_stays(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(scheduler, "CLOCK_WENT_BACK", 10**9)


def ticks_that_are_just_due_are_lost_when_the_clock_goes_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Run, "taken_back", lambda self, to: replace(self, cursor=to + 60))


def jobs_without_the_key_that_they_share(patch: pytest.MonkeyPatch) -> None:
    right = TickDrafter._scheduled
    patch.setattr(TickDrafter, "_scheduled", lambda self, id, at, _locked: right(self, id, at, False))
    patch.setattr(scheduler.Scheduler, "_is_free", lambda _self, _entry: True)


def open_on(clock: Clock, store: list[MemoryBackend]) -> Backend:
    if not store:
        store.append(MemoryBackend(clock))
    return Shared(store[0])


def trouble(days: float = 6) -> None:
    """Days of everything."""
    store: list[MemoryBackend] = []
    check(simulated(lambda clock: open_on(clock, store), seed=1, days=days, harm=0.02))


def a_short_trouble() -> None:
    trouble(1.5)


def a_clock_an_hour_ahead() -> None:
    """One scheduler looks while the clock is an hour ahead, just before the tick of 00:40, and lets that go as long past; then
    right after it, when the clock is right again."""
    store: list[MemoryBackend] = []
    simulation = Simulation(lambda: open_on(clock, store), SETTINGS, clock := Clock(START), seed=1, harm=0)
    simulation.run_alone([(0, 0), (39 * MINUTE + 30_000, HOUR), (40 * MINUTE + 30_000, 0)])
    check(simulation)


PLANTS: dict[Plant, Callable[[], None]] = {
    jobs_without_id_and_key: a_short_trouble,  # they pile up, and soon show
    what_a_dead_scheduler_decided_is_left: trouble,
    a_cursor_in_the_future_stays: a_clock_an_hour_ahead,
    ticks_that_are_just_due_are_lost_when_the_clock_goes_back: a_clock_an_hour_ahead,
    jobs_without_the_key_that_they_share: trouble,
}


@pytest.fixture(autouse=True)
def _look_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    look_seldom(monkeypatch)


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_planted_mistake_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        PLANTS[plant]()


@pytest.mark.parametrize("history", [trouble, a_clock_an_hour_ahead], ids=lambda history: history.__name__)
def test_the_same_history_without_a_mistake_passes(history: Callable[[], None]) -> None:
    history()
