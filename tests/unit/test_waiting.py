"""Waiting for jobs, on the memory store and on stores that give trouble. Time is a fake where it matters."""

import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from jq_cli import hints, lifecycle, waiting
from jq_cli.backends.base import Backend, Watch
from jq_cli.backends.memory.backend import MemoryBackend
from jq_cli.client import Client
from jq_cli.consumer import Consumer
from jq_cli.draft import make_draft
from jq_cli.errors import BackendUnreachable, TimedOut
from jq_cli.ids import new_id
from jq_cli.job import Job
from jq_cli.lifecycle import Outcome
from jq_cli.task import SideRecord
from jq_cli.waiting import Finished, Waiter, how, own_code


class FakeTime:
    """Sleeping takes no time and moves the clock."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def fake_time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(waiting, "time", fake)
    monkeypatch.setattr(hints, "time", fake)
    return fake


def put(backend: Backend, *queues: str, **fields: Any) -> list[tuple[str, str]]:
    jobs = [Job(id=new_id(), queue=queue, payload=b"1", **fields) for queue in queues]
    backend.insert([make_draft(job) for job in jobs])
    return [(job.queue, job.id) for job in jobs]


def settle(backend: Backend, queue: str, outcome: Outcome) -> None:
    consumer = Consumer(backend)
    [job] = consumer.claim([queue])
    consumer.write([consumer.settle(job, outcome)])


class Quiet(MemoryBackend):
    """A store that gives no hints."""

    def watch(self, topics: Sequence[str]) -> Watch | None:
        return None


def then(steps: list[Callable[[], object]]) -> Callable[[Waiter], None]:
    """One step after each look."""
    left = iter(steps)
    return lambda _waiter: next(left, lambda: None)() and None


def test_jobs_are_told_in_the_order_in_which_they_end(fake_time: FakeTime) -> None:
    backend = Quiet()
    [a, b] = put(backend, "a", "b")
    steps: list[Callable[[], object]] = [
        lambda: settle(backend, "b", Outcome("succeeded")),
        lambda: settle(backend, "a", Outcome("permanent", error="no")),
    ]
    ends = list(Waiter(Client(backend), [a, b], looked=then(steps)).finished())
    assert [(end.queue, end.id, end.how) for end in ends] == [(*b, "succeeded"), (*a, "dead")]
    assert ends[1].job is not None
    assert ends[1].job.last_error == "no"


def test_a_hint_wakes_the_waiter_long_before_it_would_look_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "POLL", 3_600.0)
    backend = MemoryBackend()
    [job] = put(backend, "q")
    looked = threading.Event()
    thread = threading.Thread(
        target=lambda: looked.wait(30) and settle(backend, "q", Outcome("succeeded")), daemon=True
    )
    thread.start()
    [end] = Waiter(Client(backend), [job], most=3_600, looked=lambda _waiter: looked.set()).finished()
    assert end.how == "succeeded"


def test_hints_without_end_lead_to_few_looks(fake_time: FakeTime) -> None:
    class Ringing(MemoryBackend):
        looks = 0

        def watch(self, topics: Sequence[str]) -> Watch | None:
            read, write = os.pipe()
            os.write(write, b".")

            class Always:
                def fileno(self) -> int:
                    return read

                def drain(self) -> None:
                    pass

                def close(self) -> None:
                    os.close(read)
                    os.close(write)

            return Always()

        def get(self, queue: str, ids: Sequence[str]) -> list[Job | None]:
            Ringing.looks += 1
            fake_time.now += 0.1  # a slow store
            return super().get(queue, ids)

    backend = Ringing()
    jobs = put(backend, "q")
    with pytest.raises(TimedOut):
        list(Waiter(Client(backend), jobs, timeout=10).finished())
    assert 15 <= Ringing.looks <= 21, "each look of 0.1 s is followed by none for 0.4 s"


def test_the_time_being_up_names_what_has_not_ended(fake_time: FakeTime) -> None:
    backend = Quiet()
    jobs = put(backend, *["q"] * 7)
    settle(backend, "q", Outcome("succeeded"))
    waiter = Waiter(Client(backend), jobs, timeout=5)
    with pytest.raises(TimedOut, match=r"^6 jobs have not ended within 5s: \w{26}(, \w{26}){4} and 1 more$"):
        list(waiter.finished())
    assert waiter.count == 6
    with pytest.raises(TimedOut, match=rf"^job {jobs[1][1]} has not ended within 0ms$"):
        list(Waiter(Client(backend), [jobs[1]], timeout=0).finished())


def test_a_job_that_ended_before_is_told_even_when_no_time_is_given() -> None:
    backend = Quiet()
    [job] = put(backend, "q")
    settle(backend, "q", Outcome("succeeded"))
    assert [end.how for end in Waiter(Client(backend), [job], timeout=0).finished()] == ["succeeded"]


def test_a_job_that_is_gone_has_no_outcome_whatever_made_it_go(fake_time: FakeTime) -> None:
    backend = Quiet()
    kept, vanishing, removed = put(backend, "a", "b", "c", retention=0)
    steps: list[Callable[[], object]] = [
        lambda: settle(backend, "b", Outcome("succeeded")),
        lambda: backend.replace([lifecycle.remove(job, "m") for job in backend.get("c", [removed[1]]) if job]),
    ]
    ends = Waiter(Client(backend), [vanishing, removed], looked=then(steps)).finished()
    assert list(ends) == [Finished(*vanishing, "removed", None), Finished(*removed, "removed", None)]
    assert backend.get("a", [kept[1]]) != [None]


def test_waiting_for_nothing_ends_at_once() -> None:
    assert list(Waiter(Client(MemoryBackend()), []).finished()) == []


class Absent(Quiet):
    """A store that does not answer until its time has come."""

    def __init__(self, clock: FakeTime, back_at: float) -> None:
        super().__init__()
        self.back_at, self.fake = back_at, clock

    def get(self, queue: str, ids: Sequence[str]) -> list[Job | None]:
        if self.fake.now < self.back_at:
            raise BackendUnreachable("memory: no answer")
        return super().get(queue, ids)


def test_an_outage_is_waited_out_and_said_once(fake_time: FakeTime) -> None:
    backend = Absent(fake_time, fake_time.now + waiting.OUTAGE - 5)
    [job] = put(backend, "q")
    settle(backend, "q", Outcome("succeeded"))
    said: list[str] = []
    assert [end.how for end in Waiter(Client(backend), [job], say=said.append).finished()] == ["succeeded"]
    assert said == ["memory: no answer; trying again"]


def test_an_outage_without_end_is_an_error(fake_time: FakeTime) -> None:
    backend = Absent(fake_time, float("inf"))
    [job] = put(backend, "q")
    began = fake_time.now
    with pytest.raises(BackendUnreachable):
        list(Waiter(Client(backend), [job]).finished())
    assert waiting.OUTAGE < fake_time.now - began < waiting.OUTAGE + 5


def test_a_watch_that_breaks_is_replaced_and_nothing_is_missed(fake_time: FakeTime) -> None:
    class Breaking(MemoryBackend):
        watches = 0

        def watch(self, topics: Sequence[str]) -> Watch | None:
            Breaking.watches += 1
            if Breaking.watches == 1:
                raise BackendUnreachable("not yet")
            watch = super().watch(topics)
            assert watch is not None
            if Breaking.watches == 2:
                watch.hint()  # type: ignore[attr-defined]
                watch.drain = self._break  # type: ignore[method-assign]
            return watch

        def _break(self) -> None:
            raise BackendUnreachable("lost")

    backend = Breaking()
    jobs = put(backend, "q", "q")
    settle(backend, "q", Outcome("succeeded"))
    steps: list[Callable[[], object]] = [lambda: None] * 80
    steps.append(lambda: settle(backend, "q", Outcome("succeeded")))
    assert len(list(Waiter(Client(backend), jobs, looked=then(steps), most=0.2).finished())) == 2
    assert Breaking.watches == 3


def test_the_states_of_a_job_have_their_words() -> None:
    words = {
        "succeeded": Job(id="a", state="succeeded"),
        "dead": Job(id="a", state="dead", reason="retries"),
        "expired": Job(id="a", state="dead", reason="expired"),
        "cancelled": Job(id="a", state="cancelled"),
        "removed": None,
    }
    assert {word: how(job) for word, job in words.items()} == {word: word for word in words}
    assert {word: waiting.EXIT_CODES[how(job)] for word, job in words.items()} == {
        "succeeded": 0, "dead": 11, "expired": 13, "cancelled": 12, "removed": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("job", "code"),
    [
        (Job(state="succeeded"), 0),
        (Job(state="dead", reason="retries", generation=2), 7),
        (Job(state="dead", reason="permanent", generation=2), 7),
        (Job(state="dead", reason="at_most_once", generation=2), 7),
        (Job(state="dead", reason="retries", generation=3), None),
        (Job(state="dead", reason="poison", generation=2), None),
        (Job(state="dead", reason="expired", generation=2), None),
        (Job(state="cancelled", reason="cancelled", generation=2), None),
    ],
    ids=["success", "retries", "permanent", "once", "an earlier run's", "poison", "expired", "cancelled"],
)
def test_only_the_command_that_ended_the_job_gives_its_exit_code(job: Job, code: int | None) -> None:
    record = SideRecord(exit_code=7, generation=2)
    assert own_code(job, record) == code
    assert own_code(Job(state="dead", reason="retries", generation=2), None) is None


def test_a_side_record_gives_back_the_bytes_it_was_made_of() -> None:
    record = msgspec.json.decode(msgspec.json.encode(SideRecord("a\\xff", "ü", stdout_raw=b"a\xff")), type=SideRecord)
    assert (record.bytes_of("stdout"), record.bytes_of("stderr")) == (b"a\xff", "ü".encode())
