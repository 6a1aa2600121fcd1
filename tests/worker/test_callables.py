"""Python callables as handlers, run by a real pool."""

import pytest

from jq_cli.draft import Draft
from jq_cli.errors import UsageError
from jq_cli.handlers.spec import HandlerSpec
from jq_cli.ids import new_id
from jq_cli.job import Job
from tests.worker.bench import Bench, call


def test_every_job_runs_once_and_its_result_is_kept(bench: Bench) -> None:
    ids = bench.put(*range(500))
    assert bench.work(call("double")) == 0
    assert [bench.result(id) for id in ids] == [{"twice": 2 * n} for n in range(500)]
    assert bench.states() == {"succeeded": 500}


def test_one_process_runs_jobs_in_the_order_of_their_queue(bench: Bench) -> None:
    low = [f"low{n}" for n in range(100)]
    high = [f"high{n}" for n in range(100)]
    bench.put(*low, priority=0)
    bench.put(*high, priority=5)
    bench.work(call("trace"), processes=1)
    assert bench.traces() == [f"{name} 1" for name in high + low]


def test_an_exception_is_a_failure_and_the_last_one_sends_the_job_to_the_dlq(bench: Bench) -> None:
    [id] = bench.put("x", max_retries=2)
    assert bench.work(call("boom")) == 7
    job = bench.job(id)
    assert (job.state, job.reason, job.failures, job.losses) == ("dead", "retries", 3, 0)
    assert bench.traces() == ["x"] * 3
    assert job.last_error is not None
    assert job.last_error.startswith("Traceback")
    assert "in boom" in job.last_error
    assert "jq_cli/handlers" not in job.last_error
    assert job.last_error.endswith("ValueError: boom x")
    assert [entry.generation for entry in job.errors] == [1, 2, 3]


def test_permanent_sends_the_job_to_the_dlq_at_once(bench: Bench) -> None:
    [id] = bench.put("x", max_retries=9)
    assert bench.work(call("refuse")) == 7
    job = bench.job(id)
    assert (job.state, job.reason, job.failures, job.last_error) == ("dead", "permanent", 1, "never")


def test_snooze_runs_the_job_again_and_counts_no_failure(bench: Bench) -> None:
    [id] = bench.put("x", max_retries=0)
    assert bench.work(call("doze")) == 0
    assert bench.traces() == ["x 1", "x 1"]
    assert (bench.job(id).state, bench.job(id).failures, bench.job(id).generation) == ("succeeded", 0, 2)


@pytest.mark.parametrize(("handler", "said"), [("memory", "MemoryError"), ("leave", "SystemExit: 3")])
def test_whatever_a_callable_raises_its_child_lives_on(bench: Bench, handler: str, said: str) -> None:
    [id] = bench.put("x", max_retries=0)
    bench.work(call(handler), processes=1)
    assert str(bench.job(id).last_error).endswith(said)
    assert not [text for text in bench.said if "child" in text]


def test_a_result_too_large_to_keep_does_not_fail_the_job(bench: Bench) -> None:
    [id] = bench.put("x")
    assert bench.work(call("huge_result")) == 0
    job = bench.job(id)
    assert job.state == "succeeded"
    assert not bytes(job.result)
    assert "100,002 bytes are more than the 65,536 allowed" in str(job.last_error)


def test_a_payload_that_is_not_json_is_dead_as_undecodable(bench: Bench) -> None:
    id = new_id()
    bench.backend.insert([Draft(Job(id=id, queue="q", payload=b"{broken"))])
    assert bench.work(call("double")) == 7
    assert (bench.job(id).state, bench.job(id).reason) == ("dead", "undecodable")


def test_a_callable_that_cannot_be_loaded_is_refused_before_anything_is_claimed(bench: Bench) -> None:
    [id] = bench.put("x")
    for target, said in [
        ("tests.worker.handlers:nobody", "AttributeError"),
        ("no.such.module:run", "ModuleNotFoundError"),
        ("tests.worker.handlers:__name__", "not callable"),
    ]:
        with pytest.raises(UsageError, match=said):
            bench.worker(HandlerSpec("call", target=target))
    assert bench.job(id).generation == 0


def test_async_functions_run_together_up_to_the_concurrency(bench: Bench) -> None:
    ids = bench.put(*[0.2] * 10)
    assert bench.work(call("nap"), processes=1, concurrency=5) == 0
    assert [bench.result(id) for id in ids] == [0.2] * 10
    starts = [bench.job(id).started_at for id in ids]
    assert max(s for s in starts[:5] if s) < min(s for s in starts[5:] if s)


def test_an_async_function_that_runs_out_of_time_fails_alone(bench: Bench) -> None:
    [slow] = bench.put(30, timeout=0.1, max_retries=0)
    [quick] = bench.put(0.3)
    assert bench.work(call("nap"), processes=1, concurrency=2) == 7
    assert bench.job(slow).last_error == "timed out after 0.1 s"
    assert bench.job(quick).state == "succeeded"


def test_concurrency_is_refused_for_functions_that_are_not_async(bench: Bench) -> None:
    with pytest.raises(UsageError, match="async"):
        bench.worker(call("double"), concurrency=2)


def test_handlers_get_an_allow_list_of_the_environment(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JQ_BACKEND", "REDIS_ADDR", "AWS_SECRET_ACCESS_KEY", "MYAPP_MODE", "MYAPP_LEVEL"):
        monkeypatch.setenv(name, "x")
    [id] = bench.put("x")
    bench.work(call("environment"), env=("MYAPP_*",))
    seen = bench.result(id)
    assert "PATH" in seen
    assert {"MYAPP_MODE", "MYAPP_LEVEL"} <= set(seen)
    assert not {"JQ_BACKEND", "REDIS_ADDR", "AWS_SECRET_ACCESS_KEY"} & set(seen)


def test_at_most_once_jobs_keep_the_pool_busy_without_waiting_for_a_poll(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jq_cli.worker.worker.POLL", 1e9)
    ids = [bench.put(n, delivery="at_most_once" if n % 7 == 0 else "at_least_once")[0] for n in range(300)]
    assert bench.work(call("double"), processes=2) == 0
    assert {bench.job(id).state for id in ids} == {"succeeded"}
