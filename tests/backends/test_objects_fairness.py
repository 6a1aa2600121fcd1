"""Nobody who writes to a bucket starves, however much faster others are; a lone writer pays next to nothing for that."""

import pytest

from jq_cli.backends.base import Claim, Setting
from jq_cli.backends.objects import log, places
from jq_cli.backends.objects.backend import ObjectsBackend
from jq_cli.errors import BackendUnreachable
from jq_cli.job import lease_of
from tests.backends.dict_store import DictStore
from tests.backends.lock_step import LockStep
from tests.backends.objects_jobs import Requests, backend, claim, draft

FAR = 14
"""Requests that the fastest of the writers makes while the slowest makes one. Beyond 16 it cannot even read what they
write."""


class Lost:
    """Counts the commits that a writer tried in vain since it made the last one."""

    def __init__(self, store: DictStore) -> None:
        self.store, self.most, self._lost = store, 0, 0

    def __call__(self, request: str, name: str, phase: str) -> None:
        if request == "create" and name.startswith("log/") and phase == "before":
            self._lost = self._lost + 1 if name in self.store.objects else 0
            self.most = max(self.most, self._lost)


@pytest.fixture
def store() -> DictStore:
    store = DictStore()
    with backend(store) as jq:
        jq.insert([draft()])
    return store


def stepping(monkeypatch: pytest.MonkeyPatch, order: str) -> LockStep:
    steps = LockStep(order)
    monkeypatch.setattr(log, "boot_time", steps.clock)
    monkeypatch.setattr(log, "_pause", lambda n: steps.sleep(min(log.LONGEST_PAUSE, log.PAUSE * 2**n)))
    return steps


def writes(jq: ObjectsBackend, times: int) -> None:
    for n in range(times):
        jq.control("q", Setting(max_running=n + 1))


def lost_by_the_slow(store: DictStore, steps: LockStep, names: str, slow: str, timeout: float = 600.0) -> int:
    """The most commits in a row that the slow one lost while it made eight, and all others made as many as they could."""
    lost = Lost(store)
    stores = {name: steps.beside(store) for name in names}
    stores[slow].happening = lost
    writers = {name: backend(each, timeout=timeout) for name, each in stores.items()}
    steps.run(slow, {name: lambda name=name: writes(writers[name], 8 if name == slow else 10**9) for name in names})
    return lost.most


@pytest.mark.parametrize("speed", [1, 2, 3, 5, 8, FAR])
def test_a_writer_that_is_many_times_slower_loses_few_commits_in_a_row(
    store: DictStore, monkeypatch: pytest.MonkeyPatch, speed: int
) -> None:
    assert lost_by_the_slow(store, stepping(monkeypatch, "f" * speed + "s"), "fs", "s") <= 2 + places.EVERY


@pytest.mark.parametrize("order", ["ffgghhs", "fgh" * 9 + "s", "fffffgh" * 4 + "s"])
def test_nor_does_one_among_several_that_are_faster(
    store: DictStore, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    steps = stepping(monkeypatch, order)
    assert lost_by_the_slow(store, steps, "".join(sorted(set(order))), "s") <= 2 + places.EVERY * len(set(order))


def test_without_places_a_slow_writer_starves(store: DictStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "EVERY", 10**9)
    with pytest.raises(BackendUnreachable, match="busy: lost"):
        lost_by_the_slow(store, stepping(monkeypatch, "f" * 12 + "s"), "fs", "s", timeout=60.0)


# --- what a place does ---


@pytest.fixture
def paused(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, in seconds: no time passes but by them."""
    pauses: list[float] = []

    def pause(_number: int) -> None:
        pauses.append(0.25)

    monkeypatch.setattr(log, "boot_time", lambda: 5_000 + sum(pauses))
    monkeypatch.setattr(log, "_pause", pause)
    return pauses


def wanted(store: DictStore) -> list[str]:
    return sorted(name for name in store.objects if name.startswith("want/"))


def up_to(jq: ObjectsBackend, commit: int) -> None:
    """Commit until so many are made."""
    while jq._log.number < commit:
        jq.insert([draft()])


class Rival:
    """Makes so many commits of its own, one before each that another tries."""

    def __init__(self, store: DictStore, times: int) -> None:
        self.jq, self.left = backend(store.beside()), times

    def __call__(self, request: str, name: str, phase: str) -> None:
        if self.left and request == "create" and name.startswith("log/") and phase == "before":
            self.left -= 1
            self.jq.insert([draft()])


def test_a_lone_writer_looks_at_the_line_once_in_eight_commits(store: DictStore) -> None:
    requests = Requests()
    with backend(store.beside(requests)) as jq:
        up_to(jq, 8)
        assert requests.during(lambda: up_to(jq, 8 + 2 * places.EVERY)) == {"create": 16, "get": 2}
        up_to(jq, 30)
        assert len(claim(jq, 99)) == 30
        assert jq._log.number == 31
        # There is nothing to commit, and so nobody to let go first.
        assert requests.during(lambda: claim(jq)) == {"get": 1}


def test_a_place_whose_owner_died_holds_up_each_other_once(store: DictStore, paused: list[float]) -> None:
    store.objects["want/" + "1".zfill(16)] = b"a process that is gone\n"
    with backend(store.beside()) as one, backend(store.beside()) as two:
        up_to(one, 7)
        assert paused == []
        one.insert([draft()])
        assert sum(paused) == places.PATIENCE
        up_to(one, 40)
        up_to(two, 80)
        assert sum(paused) == places.PATIENCE


def test_one_loss_costs_no_pause_and_no_place_and_two_cost_a_place(store: DictStore, paused: list[float]) -> None:
    for losses, taken in ((1, 0), (2, 1)):
        with backend(store.beside(Rival(store, losses))) as jq:
            jq.insert([draft()])
        assert (paused, len(wanted(store))) == ([], taken)


def test_who_is_late_with_a_heartbeat_asks_for_a_place_at_once_and_waits_for_nobody(
    store: DictStore, paused: list[float]
) -> None:
    with backend(store.beside()) as jq:
        (job,) = claim(jq)
        jq._store.happening = Rival(store, 1)  # type: ignore[attr-defined]
        assert jq.extend([lease_of(job)], lease=9_000).holds == ["held"]
        assert wanted(store) == ["want/" + "1".zfill(16)]
        store.objects["want/" + "2".zfill(16)] = b"somebody else\n"
        up_to(jq, 7)
        assert jq.extend([lease_of(job)], lease=8_000).holds == ["held"]
        assert (jq._log.number, paused) == (8, [])


def test_who_has_nothing_to_commit_any_more_gives_its_place_back(store: DictStore) -> None:
    left = [3]

    def take(request: str, name: str, phase: str) -> None:
        if left[0] and request == "create" and name.startswith("log/") and phase == "before":
            left[0] -= 1
            assert rival.claim(Claim(("q",), 1, "r", 10_000, str(left[0]))).jobs

    with backend(store.beside()) as rival, backend(store.beside(take)) as jq:
        rival.insert([draft(), draft()])
        assert claim(jq) == []
        assert not left[0]
        assert wanted(store) == []


def test_places_that_have_ended_are_swept_and_a_snapshot_tells_which_they_are(store: DictStore) -> None:
    for _ in range(3):
        with backend(store.beside(Rival(store, 2))) as jq:
            jq.insert([draft()])
    assert len(wanted(store)) == 3
    with backend(store.beside()) as jq:
        for _ in range(2):
            up_to(jq, jq._log.number + 200)
            store.pass_time(1_000)
    assert wanted(store) == []
    with backend(store.beside()) as late:
        late.counts()
        assert late._log.tables.line.first == 4


def test_ended_places_are_counted_whatever_their_order() -> None:
    line = places.Line()
    line.end(0, [3, 2])
    assert [place for place in range(1, 6) if line.has_ended(place)] == [2, 3]
    line.end(0, [1])
    assert (line.first, line.beyond) == (4, set())
    line.end(9, [4])
    assert (line.first, line.beyond) == (9, set())
