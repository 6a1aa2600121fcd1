"""Turns that are under way while the loop goes on: what happens between their halves is neither lost nor done twice."""

import os
import signal
from collections.abc import Callable, Sequence

import pytest

from jq_cli.backends.answer import Turns
from jq_cli.backends.base import Claim, Turned
from jq_cli.backends.memory.backend import MemoryBackend
from jq_cli.change import Change
from jq_cli.errors import BackendUnreachable
from jq_cli.worker import worker
from tests.worker.bench import Bench, call


class Halved(MemoryBackend):
    """Takes a turn at once and answers when it is asked. `between` happens after the first turn that `strikes` names, before
    its answer; `lost`: how many answers never come."""

    strikes: Callable[[Turned], bool] = staticmethod(lambda _turned: False)
    between: Callable[[], object] = staticmethod(lambda: None)
    lost = 0
    struck = False

    def __init__(self) -> None:
        super().__init__()
        self._turns: Turns[Turned] = Turns()

    def begin(self, changes: Sequence[Change], claim: Claim) -> Callable[[], Turned]:
        self._turns.await_last()
        turned = self.turn(changes, claim)
        if not self.struck and self.strikes(turned):
            self.struck = True
            self.between()
        return self._turns.begun(lambda: self._answer(turned))

    def _answer(self, turned: Turned) -> Turned:
        if self.lost and (turned.jobs or turned.verdicts):
            self.lost -= 1
            raise BackendUnreachable("the answer was lost")
        return turned


@pytest.fixture
def halved(bench: Bench) -> Halved:
    backend = Halved()
    bench.backend = backend
    return backend


def test_every_job_runs_once_in_turns_of_two_halves(bench: Bench, halved: Halved) -> None:
    ids = bench.put(*[f"j{n}" for n in range(900)])
    assert bench.work(call("trace"), processes=2) == 0
    assert {bench.job(id).state for id in ids} == {"succeeded"}
    assert sorted(bench.traces()) == sorted(f"j{n} 1" for n in range(900))


def test_answers_lost_between_the_halves_lose_no_job_and_record_no_outcome_twice(bench: Bench, halved: Halved) -> None:
    ids = bench.put(*[f"j{n}" for n in range(300)])
    halved.lost = 5
    worker = bench.worker(call("trace"), processes=2)
    assert worker.run() == 0
    assert {bench.job(id).state for id in ids} == {"succeeded"}
    assert sorted(bench.traces()) == sorted(f"j{n} 1" for n in range(300))
    assert (worker.tally.succeeded, worker.tally.late) == (300, 0)


def test_jobs_start_in_their_order_while_a_turn_begins_before_the_last_has_landed(bench: Bench, halved: Halved) -> None:
    early = 0

    class Early(Turns[Turned]):
        def await_last(self) -> None:
            nonlocal early
            early += self._last is not None
            super().await_last()

    halved._turns = Early()
    bench.put(*[f"j{n}" for n in range(2_000)])
    assert bench.work(call("trace"), processes=1) == 0
    assert bench.traces() == [f"j{n} 1" for n in range(2_000)]
    assert early, "no turn began before the one before it had landed"


def test_jobs_that_arrive_after_the_stop_are_given_back(bench: Bench, halved: Halved) -> None:
    bench.put(*[f"j{n}" for n in range(50)])
    halved.strikes = staticmethod(lambda turned: bool(turned.jobs))
    halved.between = staticmethod(lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert bench.work(call("trace"), processes=2) == 143
    assert bench.states() == {"ready": 50}
    assert bench.traces() == []


def test_a_hint_that_comes_while_a_turn_finds_nothing_is_heard(
    bench: Bench, halved: Halved, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "POLL", 3_600.0)  # nobody else would look
    monkeypatch.setattr(worker, "EMPTY_CHECK", 3_600.0)
    halved.strikes = staticmethod(lambda turned: not turned.jobs)
    halved.between = staticmethod(lambda: bench.put("late"))
    stopper = bench.worker(call("trace"), processes=1, until_empty=False)
    monkeypatch.setattr(stopper, "_watch_tally", lambda tally: tally.succeeded and os.kill(os.getpid(), signal.SIGTERM))
    assert stopper.run() == 143
    assert bench.traces() == ["late 1"]
