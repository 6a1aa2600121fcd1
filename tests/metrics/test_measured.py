"""What goes by between a process and its store is measured, and nothing else changes."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import pytest
from msgspec.structs import replace

from jq_cli import lifecycle
from jq_cli.backends.base import Backend, Claim, Turned
from jq_cli.backends.memory.backend import MemoryBackend, open_memory
from jq_cli.change import Change
from jq_cli.consumer import Consumer
from jq_cli.draft import make_draft
from jq_cli.errors import BackendUnreachable
from jq_cli.ids import new_id, nonce
from jq_cli.job import Job
from jq_cli.lifecycle import Outcome
from jq_cli.metrics import measured as module
from jq_cli.metrics.measured import CALLS, Measured, measured
from jq_cli.testing import ConformanceSuite, ManualClock
from tests.conformance.damage import damage_memory
from tests.metrics.wrapping import SEAM, Halves, calls_about

LEASE = 10_000


class Diary:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def __getattr__(self, what: str) -> Any:
        return lambda *told: self.told.append((what, *told))

    def of(self, *kinds: str) -> list[tuple[Any, ...]]:
        return [each for each in self.told if each[0] in kinds]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def diary() -> Diary:
    return Diary()


@pytest.fixture
def store(clock: ManualClock, diary: Diary) -> Iterator[Backend]:
    with measured(MemoryBackend(clock=clock), diary) as store:
        yield store


@pytest.fixture
def consumer(store: Backend) -> Consumer:
    return Consumer(store, lease=LEASE)


def put(store: Backend, **fields: Any) -> None:
    store.insert([make_draft(Job(**{"id": new_id(), "queue": "q", "payload": b"1", **fields}))])


def test_waiting_and_running_are_measured_by_the_clock_of_the_store(
    store: Backend, consumer: Consumer, clock: ManualClock, diary: Diary
) -> None:
    put(store)
    clock.advance(2_500)
    [job] = consumer.claim(["q"])
    clock.advance(700)
    consumer.turn([consumer.settle(job, Outcome("succeeded"))], ["q"], 1)
    assert diary.of("waited", "ran", "lost", "recovered") == [("waited", "q", 2.5), ("ran", "q", 0.7)]


@pytest.mark.parametrize("kind", ["succeeded", "failed", "interrupted", "snoozed"])
def test_every_execution_is_measured_once_however_it_ends(
    store: Backend, consumer: Consumer, clock: ManualClock, diary: Diary, kind: str
) -> None:
    put(store)
    [job] = consumer.claim(["q"])
    clock.advance(300)
    change = consumer.settle(job, Outcome(kind))  # type: ignore[arg-type]
    consumer.turn([change], ["elsewhere"], 1)
    consumer.turn([change], ["elsewhere"], 1)
    assert diary.of("ran") == [("ran", "q", 0.3)]


def test_a_job_given_back_unstarted_did_not_run(store: Backend, consumer: Consumer, diary: Diary) -> None:
    put(store)
    [job] = consumer.claim(["q"])
    consumer.write([lifecycle.release(job)])
    assert diary.of("ran") == []


def test_a_job_that_may_not_start_did_not_wait(
    store: Backend, consumer: Consumer, clock: ManualClock, diary: Diary
) -> None:
    store.insert([make_draft(Job(id=new_id(), queue="q", payload=b"1"), expires_in=1_000)])
    clock.advance(1_000)
    assert consumer.claim(["q"]) == []
    assert diary.of("waited", "ran") == []


def test_a_recovery_is_measured_from_the_end_of_the_lease(
    store: Backend, consumer: Consumer, clock: ManualClock, diary: Diary
) -> None:
    put(store)
    consumer.claim(["q"])
    clock.advance(LEASE + 1_200)
    assert Consumer(store).tick() == 1
    [(_, seconds)] = diary.of("recovered")
    assert 1.2 <= seconds < 60  # the wall clock adds what the test itself takes


def test_a_lease_that_was_lost_is_counted_once(
    store: Backend, consumer: Consumer, clock: ManualClock, diary: Diary
) -> None:
    put(store)
    put(store)
    first, second = consumer.claim(["q"], 2)
    clock.advance(LEASE)
    Consumer(store).tick()
    assert consumer.extend([first]) == ["lost"]
    assert consumer.extend([first]) == ["lost"]
    assert consumer.write([consumer.settle(job, Outcome("succeeded")) for job in (first, second)]) == ["lost", "lost"]
    assert diary.of("lost", "ran") == [("lost", "q"), ("lost", "q")]


def test_every_call_is_timed_and_its_trouble_counted(
    store: Backend, diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.queues()
    store.now()
    assert [call for _, call, _ in diary.of("called")] == ["queues", "now"]

    def down(self: MemoryBackend, limit: int) -> None:
        raise BackendUnreachable("down")

    monkeypatch.setattr(MemoryBackend, "due", down)
    with pytest.raises(BackendUnreachable):
        store.due(1)
    assert diary.of("failed") == [("failed", "due")]
    assert [call for _, call, _ in diary.of("called")][-1] == "due"


def test_only_so_many_jobs_under_way_are_remembered(
    store: Backend, consumer: Consumer, diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_TAKEN", 2)
    for _ in range(3):
        put(store)
    jobs = consumer.claim(["q"], 3)
    consumer.write([consumer.settle(job, Outcome("succeeded")) for job in jobs])
    assert len(diary.of("ran")) == 2


def test_a_change_made_without_a_lease_measures_nothing(store: Backend, consumer: Consumer, diary: Diary) -> None:
    put(store)
    [job] = store.page("q", "ready").jobs
    assert store.replace([lifecycle.cancel(job, nonce())]) == ["applied"]
    assert store.replace([lifecycle.cancel(replace(job, version="other"), nonce())]) == ["lost"]
    assert diary.of("ran", "lost", "recovered") == []


def test_it_passes_for_the_store_behind_it(store: Backend) -> None:
    assert isinstance(store, MemoryBackend)
    assert type(store) is Measured


def test_no_call_goes_past_it_unmeasured() -> None:
    assert set(SEAM) - CALLS == {"watch", "close"}
    assert {"insert", "turn", "begin", "due", "counts", "now"} <= CALLS
    assert calls_about("Change", "Claim") <= set(vars(Measured))


def test_a_turn_in_two_halves_is_measured_when_it_is_answered(clock: ManualClock, diary: Diary) -> None:
    store = measured(Halves(clock=clock), diary)
    consumer = Consumer(store)
    put(store)
    put(store)
    [job] = consumer.claim(["q"])
    clock.advance(400)
    begun = consumer.begin([consumer.settle(job, Outcome("succeeded"))], ["q"], 1, 1)
    assert callable(begun)
    assert (diary.of("ran"), len(diary.of("waited"))) == ([], 1)
    begun()
    assert (diary.of("ran"), len(diary.of("waited"))) == ([("ran", "q", 0.4)], 2)
    assert [call for _, call, _ in diary.of("called")].count("turn") == 2


def test_a_turn_in_one_half_is_measured_at_once(store: Backend, consumer: Consumer, diary: Diary) -> None:
    put(store)
    assert not callable(consumer.begin([], ["q"], 1, 1))
    assert len(diary.of("waited")) == 1
    assert [call for _, call, _ in diary.of("called")].count("turn") == 1


@pytest.mark.parametrize("half", ["first", "second"])
def test_trouble_in_either_half_is_counted_once(diary: Diary, half: str) -> None:
    def down() -> Turned:
        raise BackendUnreachable("down")

    class Down(MemoryBackend):
        def begin(self, changes: Sequence[Change], claim: Claim) -> Callable[[], Turned]:
            return down if half == "second" else down()  # type: ignore[return-value]

    consumer = Consumer(measured(Down(), diary))
    with pytest.raises(BackendUnreachable):
        consumer.begin([], ["q"], 1, 1)()  # type: ignore[operator]
    assert diary.of("failed") == [("failed", "turn")]
    assert [call for _, call, _ in diary.of("called")] == ["turn"]


class TestMeasured(ConformanceSuite):
    """The whole conformance suite holds with the measuring in between."""

    alone = True

    def open(self, clock: ManualClock, namespace: str) -> Backend:
        return measured(open_memory("memory://", namespace=namespace, clock=clock), Diary())

    def damage(self, backend: Backend, queue: str, id: str, body: bytes) -> None:
        damage_memory(cast(MemoryBackend, backend), queue, id, body)
