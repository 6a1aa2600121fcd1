"""A store whose changes are told behaves as it did before, and tells what took effect."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from jq_cli import lifecycle
from jq_cli.backends.base import Backend, Claim, Inserted, Turned
from jq_cli.backends.memory.backend import MemoryBackend
from jq_cli.change import Change
from jq_cli.client import Client
from jq_cli.consumer import Consumer
from jq_cli.draft import Draft, make_draft
from jq_cli.errors import BackendUnreachable
from jq_cli.hooks.event import Event
from jq_cli.hooks.observed import emitter_of, seen_through
from jq_cli.ids import new_id
from jq_cli.job import Job
from jq_cli.lifecycle import Outcome


class Ear:
    """Hears what is told."""

    def __init__(self) -> None:
        self.heard: list[Event] = []
        self.moments: list[int] = []
        self.closed = False
        self.trouble: Exception | None = None

    def emit(self, events: Iterable[Event], at: int) -> None:
        if self.trouble:
            raise self.trouble
        told = list(events)
        self.heard += told
        self.moments += [at] * len(told)

    def close(self) -> None:
        self.closed = True

    def names(self, id: str | None = None) -> list[str]:
        return [event.event for event in self.heard if id in (None, event.job)]


def draft(**fields: Any) -> Draft:
    return make_draft(Job(**{"id": new_id(), "queue": "q", "payload": b"1", **fields}))


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def store(ear: Ear) -> Backend:
    return seen_through(MemoryBackend(), ear)


def test_a_job_is_told_from_its_enqueue_to_its_end(store: Backend, ear: Ear) -> None:
    [answer] = Client(store).enqueue([draft()])
    consumer = Consumer(store)
    [job] = consumer.claim(["q"])
    consumer.turn([consumer.settle(job, Outcome("failed", error="e"))], ["q"], 1)
    Client(store).replace([lifecycle.promote(store.get("q", [job.id])[0] or job, "m")])
    [job] = consumer.claim(["q"])
    consumer.write([consumer.settle(job, Outcome("succeeded"))])
    assert ear.names(answer.id) == ["enqueued", "started", "failed", "retried", "promoted", "started", "succeeded"]
    assert [event.attempt for event in ear.heard] == [1, 1, 1, 1, 2, 2, 2]
    assert ear.heard[1].worker == consumer.worker


def test_a_turn_in_two_halves_is_told_when_it_is_answered(ear: Ear) -> None:
    class Halves(MemoryBackend):
        def begin(self, changes: Sequence[Change], claim: Claim) -> Callable[[], Turned]:
            turned = self.turn(changes, claim)
            return lambda: turned

    store = seen_through(Halves(), ear)
    consumer = Consumer(store)
    Client(store).enqueue([draft(), draft()])
    [job] = consumer.claim(["q"])
    begun = consumer.begin([consumer.settle(job, Outcome("succeeded"))], ["q"], 1, 1)
    assert callable(begun)
    assert ear.names() == ["enqueued", "enqueued", "started"]
    verdicts, jobs = begun()
    assert (verdicts, len(jobs)) == (["applied"], 1)
    assert ear.names() == ["enqueued", "enqueued", "started", "succeeded", "started"]


def test_a_batch_is_told_in_order_and_duplicates_are_not(store: Backend, ear: Ear) -> None:
    one, two = draft(dedup_key="k"), draft(dedup_key="k")
    Client(store).enqueue([one, two, draft()])
    assert ear.names() == ["enqueued", "enqueued"]
    assert ear.names(two.job.id) == []


def test_jobs_that_must_not_start_are_not_told_as_started(ear: Ear) -> None:
    clock = {"now": 1_000_000}
    store = seen_through(MemoryBackend(clock=lambda: clock["now"]), ear)
    store.insert([make_draft(Job(id=new_id(), queue="q", payload=b"1"), expires_in=5)])
    clock["now"] += 10
    assert Consumer(store).claim(["q"]) == []
    assert ear.names() == ["enqueued", "dead"]
    assert (ear.heard[-1].reason, ear.moments[-1]) == ("expired", clock["now"])


def test_the_maintenance_of_a_store_is_told_but_not_what_it_forgets(ear: Ear) -> None:
    clock = {"now": 1_000_000}
    store = seen_through(MemoryBackend(clock=lambda: clock["now"]), ear)
    consumer = Consumer(store, worker="w")
    store.insert([draft(), draft(retention=1.0)])
    lost, done = consumer.claim(["q"], 2)
    consumer.write([consumer.settle(done, Outcome("succeeded"))])
    clock["now"] += 60_000
    assert Consumer(store).tick() == 2
    assert ear.names(lost.id) == ["enqueued", "started", "recovered"]
    assert ear.names(done.id) == ["enqueued", "started", "succeeded"]
    assert ear.heard[-1].worker == "w"


class Mute(MemoryBackend):
    """Stores, but its first answer is lost."""

    calls = 0

    def insert(self, drafts: Sequence[Draft]) -> list[Inserted]:
        self.calls += 1
        answers = super().insert(drafts)
        if self.calls == 1:
            raise BackendUnreachable("lost")
        return answers


def test_an_enqueue_whose_answer_was_lost_is_told_once(ear: Ear) -> None:
    store = seen_through(Mute(), ear)
    client = Client(store, wait=lambda _seconds: None)
    made = draft()
    client.enqueue([made])
    client.enqueue([made])
    assert ear.names(made.job.id) == ["enqueued"]


def test_trouble_with_telling_never_reaches_who_changes_a_job(store: Backend, ear: Ear) -> None:
    ear.trouble = RuntimeError("no ear")
    [answer] = Client(store).enqueue([draft()])
    assert answer.status == "created"
    assert len(Consumer(store).claim(["q"])) == 1


def test_it_passes_for_the_store_behind_it(store: Backend, ear: Ear) -> None:
    assert isinstance(store, MemoryBackend)
    assert emitter_of(store) is ear
    assert emitter_of(MemoryBackend()) is None
    with store as same:
        assert same is store
    assert ear.closed


def test_a_store_without_a_clock_to_ask_is_told_by_the_clock_of_the_host(ear: Ear, monkeypatch: Any) -> None:
    backend = MemoryBackend()
    failing: Callable[[], int] = lambda: (_ for _ in ()).throw(BackendUnreachable("no clock"))  # noqa: E731
    monkeypatch.setattr(backend, "now", failing)
    seen_through(backend, ear).insert([draft()])
    assert ear.names() == ["enqueued"]
    assert ear.moments[0] > 1_700_000_000_000
