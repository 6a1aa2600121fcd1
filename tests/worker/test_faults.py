"""What the worker does when processes die, hang or are stopped, and when its store goes away."""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from jq_cli.backends.base import Claim, Setting, Turned
from jq_cli.backends.memory.backend import MemoryBackend
from jq_cli.change import Change
from jq_cli.consumer import Consumer
from jq_cli.draft import Draft
from jq_cli.errors import BackendUnreachable
from jq_cli.handlers.spec import HandlerSpec
from jq_cli.ids import new_id
from jq_cli.job import FORMAT, Job
from tests.e2e.program import children_of
from tests.worker.bench import Bench, alive, call, eventually


def during(bench: Bench, check: Callable[[], Any], act: Callable[[], Any]) -> threading.Thread:
    """Do something as soon as something is so, while the worker runs in the main thread."""

    def run() -> None:
        try:
            eventually(check, "the moment to act")
            act()
        except BaseException as error:
            bench.trouble.append(error)  # the fixture raises it
            send(signal.SIGTERM)()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def send(signum: int) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), signum)


# --- children ---


def test_the_job_of_a_killed_child_runs_again_and_counts_a_loss_not_a_failure(bench: Bench) -> None:
    ids = bench.put("a", "die", "b", max_retries=0)
    assert bench.work(call("suicide_once"), processes=1) == 0
    assert bench.states() == {"succeeded": 3}
    assert [(bench.job(id).failures, bench.job(id).losses) for id in ids] == [(0, 0), (0, 1), (0, 0)]
    assert [line.rsplit(" ", 1)[0] for line in bench.traces()].count("die 2") == 1


def test_a_job_that_kills_every_child_is_dead_as_poison_after_its_losses(bench: Bench) -> None:
    [id] = bench.put("x", max_losses=2, max_retries=9)
    worker = bench.worker(call("suicide"), processes=1)
    assert worker.run() == 7
    job = bench.job(id)
    assert (job.state, job.reason, job.failures, job.losses) == ("dead", "poison", 0, 3)
    assert (worker.tally.lost, worker.tally.dead, worker.tally.failed) == (3, 1, 0)
    assert bench.traces() == ["x 1", "x 2", "x 3"]
    assert "SIGKILL" in str(job.last_error)


def test_jobs_that_share_a_child_with_a_poison_job_all_end_well(bench: Bench) -> None:
    ids = bench.put(*[f"good{n}" for n in range(200)], max_losses=0)
    poison = bench.put("die", max_losses=0)
    more = bench.put(*[f"late{n}" for n in range(200)], max_losses=0)
    bench.work(call("suicide_once"), processes=2)
    assert {bench.job(id).state for id in ids + more} == {"succeeded"}
    assert (bench.job(poison[0]).state, bench.job(poison[0]).reason) == ("dead", "poison")


def test_an_at_most_once_job_whose_child_dies_is_dead_and_never_started_again(bench: Bench) -> None:
    [id] = bench.put("x", delivery="at_most_once")
    assert bench.work(call("suicide")) == 7
    assert (bench.job(id).state, bench.job(id).reason) == ("dead", "at_most_once")
    assert bench.traces() == ["x 1"]


def test_what_a_killed_child_started_is_killed_too(bench: Bench) -> None:
    bench.put("x", delivery="at_most_once")
    bench.work(call("spawns"))
    [pid] = bench.traces()
    assert not alive(int(pid))


def test_short_jobs_do_not_wait_behind_a_long_one_in_its_child(bench: Bench) -> None:
    bench.put(*[f"warm{n}" for n in range(300)])
    bench.put("long")
    bench.put(*[f"short{n}" for n in range(300)])
    during(bench, lambda: sum("short" in line for line in bench.traces()) == 300, bench.go)
    assert bench.work(call("mixed"), processes=2) == 0
    assert sum("short" in line for line in bench.traces()) == 300


def test_a_limited_queue_goes_on_when_a_job_ends_without_waiting_for_a_look(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jq_cli.worker.worker.POLL", 3_600.0)
    monkeypatch.setattr("jq_cli.worker.worker.POLL_WITHOUT_HINTS", 3_600.0)
    bench.backend.control("q", Setting(max_running=1))
    bench.put(*range(5))
    assert bench.work(call("trace"), processes=3) == 0
    assert bench.states() == {"succeeded": 5}


def test_a_child_is_replaced_after_its_share_of_jobs(bench: Bench) -> None:
    bench.put(*range(100))
    assert bench.work(call("recycled"), processes=1, max_jobs=30) == 0
    assert [bench.traces().count(pid) for pid in dict.fromkeys(bench.traces())] == [30, 30, 30, 10]


def test_a_child_that_uses_too_much_memory_is_replaced(bench: Bench) -> None:
    bench.put(*range(20))
    assert bench.work(call("recycled"), processes=1, max_memory=1) == 0
    assert len(set(bench.traces())) > 1


# --- time ---


def test_a_callable_that_runs_out_of_time_is_stopped_and_fails(bench: Bench) -> None:
    [id] = bench.put(60, timeout=0.2, max_retries=0)
    assert bench.work(call("sleep"), processes=1) == 7
    job = bench.job(id)
    assert (job.reason, job.failures, job.losses, job.last_error) == ("retries", 1, 0, "timed out after 0.2 s")
    assert not [text for text in bench.said if "child" in text]


def test_a_callable_that_ignores_the_stop_is_killed_after_the_grace(bench: Bench) -> None:
    [id] = bench.put("x", timeout=0.2, max_retries=0)
    assert bench.work(call("stubborn"), processes=1, grace=0.1) == 7
    job = bench.job(id)
    assert (job.reason, job.failures, job.losses) == ("retries", 1, 0)
    assert "refuses" in bench.traces()


# --- stopping ---


def test_sigterm_lets_running_jobs_end_and_gives_back_the_rest(bench: Bench) -> None:
    running = bench.put(0.3, 0.3)
    waiting = bench.put(*[0] * 50)
    during(bench, lambda: len(bench.traces()) == 2, send(signal.SIGTERM))
    assert bench.work(call("sleep"), processes=2) == 143
    assert {bench.job(id).state for id in running} == {"succeeded"}
    assert {bench.job(id).state for id in waiting} == {"ready"}
    assert bench.backend.read("worker:") == {}


def test_jobs_that_outlast_the_shutdown_are_interrupted_and_count_nothing(bench: Bench) -> None:
    [again] = bench.put(60)
    [once] = bench.put(61, delivery="at_most_once")
    during(bench, lambda: len(bench.traces()) == 2, send(signal.SIGTERM))
    assert bench.work(call("sleep"), processes=2, shutdown_timeout=0.1) == 143
    job = bench.job(again)
    assert (job.state, job.failures, job.losses) == ("ready", 0, 0)
    assert (bench.job(once).state, bench.job(once).reason) == ("dead", "interrupted")


def test_a_second_interrupt_stops_everything_now(bench: Bench) -> None:
    [id] = bench.put("x")

    def twice() -> None:
        send(signal.SIGINT)()
        eventually(lambda: any("stopping" in text for text in bench.said), "the first was heard")
        send(signal.SIGINT)()

    during(bench, lambda: bench.traces(), twice)
    assert bench.work(call("stubborn"), processes=1, grace=600) == 130
    assert "stopping: 1 running job may take up to 25s; Ctrl-C again stops it now" in bench.said
    assert bench.job(id).state == "ready"


def test_a_storm_of_signals_is_one_graceful_stop(bench: Bench) -> None:
    ids = bench.put(0.3, 0.3)

    def storm() -> None:
        for _ in range(300):
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGUSR1)

    during(bench, lambda: len(bench.traces()) == 2, storm)
    assert bench.work(call("sleep"), processes=2) == 143
    assert {bench.job(id).state for id in ids} == {"succeeded"}


def test_a_quiet_worker_claims_nothing_more_but_ends_what_runs(bench: Bench) -> None:
    [first] = bench.put("long")

    def hush() -> None:
        send(signal.SIGUSR1)()
        eventually(lambda: any("quiet" in text for text in bench.said), "it was heard")
        bench.put("late")
        bench.go()
        eventually(lambda: bench.job(first).state == "succeeded", "the running job ends")
        send(signal.SIGTERM)()

    during(bench, lambda: bench.traces(), hush)
    assert bench.work(call("mixed"), processes=2, until_empty=False) == 143
    assert bench.states() == {"ready": 1, "succeeded": 1}


def test_sighup_loads_the_handlers_afresh(bench: Bench, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "changing.py"
    module.write_text("def run(payload): return 'old'\n")
    monkeypatch.chdir(tmp_path)
    [first] = bench.put("x")
    later: list[str] = []

    def change() -> None:
        keepers = len(children_of(os.getpid()))
        module.write_text("def run(payload): return 'new handler'\n")
        send(signal.SIGHUP)()
        eventually(lambda: any("afresh" in text for text in bench.said), "it was heard")
        later.extend(bench.put("y"))
        eventually(lambda: bench.job(later[0]).state == "succeeded", "the job after the reload")
        eventually(lambda: len(children_of(os.getpid())) == keepers, "the old keeper is gone")
        send(signal.SIGTERM)()

    during(bench, lambda: bench.job(first).state == "succeeded", change)
    bench.work(HandlerSpec("call", target="changing:run"), processes=1, until_empty=False)
    assert (bench.result(first), bench.result(later[0])) == ("old", "new handler")


# --- the store ---


class Flaky(MemoryBackend):
    """Fails on demand: before a call takes effect, or after it (its answer is lost)."""

    down = False
    swallow = 0

    def turn(self, changes: Sequence[Change], claim: Claim) -> Turned:
        self._fail()
        answer = super().turn(changes, claim)
        if self.swallow and (changes or answer.jobs):
            self.swallow -= 1
            raise BackendUnreachable("the answer was lost")
        return answer

    def replace(self, changes: Sequence[Change]) -> Any:
        self._fail()
        return super().replace(changes)

    def extend(self, leases: Any, **options: Any) -> Any:
        self._fail()
        return super().extend(leases, **options)

    def _fail(self) -> None:
        if self.down:
            raise BackendUnreachable("the store is down")


@pytest.fixture
def flaky(bench: Bench) -> Flaky:
    backend = Flaky()
    bench.backend = backend
    return backend


def test_lost_answers_lose_no_job_and_record_no_outcome_twice(bench: Bench, flaky: Flaky) -> None:
    ids = bench.put(*[f"j{n}" for n in range(300)])
    flaky.swallow = 5
    worker = bench.worker(call("trace"), processes=2)
    assert worker.run() == 0
    assert {bench.job(id).state for id in ids} == {"succeeded"}
    assert sorted(bench.traces()) == sorted(f"j{n} 1" for n in range(300))
    assert worker.tally.succeeded == 300
    assert worker.tally.late == 0


def test_a_worker_without_contact_kills_its_handlers_before_their_leases_end(bench: Bench, flaky: Flaky) -> None:
    [id] = bench.put("long")

    def cut() -> None:
        flaky.down = True
        eventually(lambda: any("no contact" in text for text in bench.said), "it fences itself")
        flaky.down = False
        eventually(lambda: len(bench.traces()) == 2, "the job runs again")
        bench.go()

    during(bench, lambda: bench.traces(), cut)
    assert bench.work(call("mixed"), processes=1, lease=3_000) == 0
    job = bench.job(id)
    assert (job.state, job.failures, job.generation) == ("succeeded", 0, 2)
    assert len({line.split()[1] for line in bench.traces()}) == 2


def test_a_worker_told_to_stop_ends_once_a_silent_store_would_refuse_its_outcomes(bench: Bench, flaky: Flaky) -> None:
    [id] = bench.put("long")

    def cut() -> None:
        flaky.down = True
        send(signal.SIGTERM)()
        bench.go()

    during(bench, lambda: bench.traces(), cut)
    assert bench.work(call("mixed"), processes=1, lease=1_000, until_empty=False) == 143
    assert any("end of 1 job is not recorded" in text for text in bench.said)
    assert bench.job(id).state == "running"


def test_a_second_interrupt_does_not_wait_for_a_silent_store(bench: Bench, flaky: Flaky) -> None:
    [id] = bench.put("long")

    def cut() -> None:
        flaky.down = True
        eventually(lambda: any("trying again" in text for text in bench.said), "it notices")
        send(signal.SIGINT)()
        eventually(lambda: any("stopping" in text for text in bench.said), "the first was heard")
        send(signal.SIGINT)()

    during(bench, lambda: bench.traces(), cut)
    assert bench.work(call("mixed"), processes=2, lease=3_600_000, until_empty=False, shutdown_timeout=600) == 130
    assert bench.job(id).state == "running"


def test_a_short_outage_interrupts_nobody(bench: Bench, flaky: Flaky) -> None:
    [id] = bench.put("long")

    def cut() -> None:
        flaky.down = True
        eventually(lambda: any("trying again" in text for text in bench.said), "it notices")
        flaky.down = False
        eventually(lambda: any("answers again" in text for text in bench.said), "it recovers")
        bench.go()

    during(bench, lambda: bench.traces(), cut)
    assert bench.work(call("mixed"), processes=1) == 0
    assert (bench.job(id).state, bench.job(id).generation) == ("succeeded", 1)


def test_a_worker_whose_lease_was_taken_stops_the_handler_and_records_nothing(bench: Bench) -> None:
    [id] = bench.put(0.01)
    [long] = bench.put(60)

    def rob() -> None:
        bench.backend.control("q", Setting(paused=True))
        other = Consumer(bench.backend)
        assert other.recover(str(bench.job(long).owner)) == 1
        eventually(lambda: bench.job(long).state == "ready", "taken")
        eventually(lambda: worker.tally.late == 1, "the worker notices")
        send(signal.SIGTERM)()

    during(bench, lambda: "start 60 1" in bench.traces() and bench.job(id).state == "succeeded", rob)
    worker = bench.worker(call("sleep"), processes=1, lease=1_000, until_empty=False)
    assert worker.run() == 143
    job = bench.job(long)
    assert (job.state, job.losses, job.failures) == ("ready", 1, 0)


def test_progress_is_visible_while_the_job_runs(bench: Bench) -> None:
    [id] = bench.put("x")
    during(bench, lambda: bench.backend.outputs("q", [id])[0], bench.go)
    assert bench.work(call("shows_progress"), lease=600) == 0
    assert (bench.output(id).progress, bench.output(id).message) == (40, "almost")


def test_a_job_of_a_newer_version_is_left_to_newer_workers_with_a_warning(bench: Bench) -> None:
    id = new_id()
    bench.backend.insert([Draft(Job(id=id, queue="q", payload=b"1", format=FORMAT + 1, raw=b"{}"))])
    during(bench, lambda: any("newer version" in text for text in bench.said), send(signal.SIGTERM))
    assert bench.work(call("double"), until_empty=False) == 143
    assert (bench.job(id).state, bench.job(id).failures) == ("scheduled", 0)
