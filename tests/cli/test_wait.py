"""`jq wait`, `jq run` and `jq enqueue --wait`: what they print, how they end. Jobs are ended through the seam, as workers would."""

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from jq_cli import lifecycle
from jq_cli.consumer import Consumer
from jq_cli.lifecycle import Outcome
from jq_cli.task import SideRecord
from tests.cli.program import DEADLINE, Program, until
from tests.cli.stored import dead, end, put, store_of, succeeded
from tests.servers import RedisServer


def cancelled(jq: Program, queue: str) -> str:
    [id] = put(jq, queue, b"1")
    with store_of(jq) as backend:
        [job] = backend.get(queue, [id])
        assert job is not None
        backend.replace([lifecycle.cancel(job, "m")])
    return id


def expired(jq: Program, queue: str) -> str:
    id = jq.ok("enqueue", queue, "1", "--ttl", "1ms").lines[0]
    until(lambda: jq.ok("requeue", queue) and ended(jq, queue, id), "it expires")
    return id


def ended(jq: Program, queue: str, id: str) -> bool:
    with store_of(jq) as backend:
        Consumer(backend).tick()
        [job] = backend.get(queue, [id])
        return job is not None and job.state == "dead"


def remove(jq: Program, queue: str, id: str) -> None:
    with store_of(jq) as backend:
        [job] = backend.get(queue, [id])
        assert job is not None
        assert backend.replace([lifecycle.remove(job, "m")]) == ["applied"]


@contextmanager
def started(jq: Program, *args: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A running `jq run` or `jq enqueue --wait`, and the id that it printed at once."""
    with jq.start(*args) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().decode().strip()
        finally:
            process.kill()


def finish(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=DEADLINE)
    return process.returncode, out.decode(), err.decode()


def test_each_end_has_its_exit_code_and_its_word(jq_on_each: Program) -> None:
    jq = jq_on_each
    [died] = dead(jq, "q", error="it broke")
    ends = {
        succeeded(jq, "q", None): (0, "succeeded\n", ""),
        died: (11, "dead\n", f"jq: job {died} on q is dead (permanent): it broke\n"),
        (id := cancelled(jq, "q")): (12, "cancelled\n", f"jq: job {id} on q was cancelled\n"),
        (id := expired(jq, "q")): (
            13,
            "expired\n",
            f"jq: job {id} on q is dead (expired): expired before it was started\n",
        ),
    }
    for id, (code, out, err) in ends.items():
        result = jq("wait", id)
        assert (result.code, result.out, result.err) == (code, out, err)
        assert jq("wait", "q", id).code == code
    result = jq("wait", *ends)
    assert result.code == 7
    assert sorted(result.lines) == sorted(f"{id}\t{word.strip()}" for id, (_, word, _) in ends.items())


def test_many_that_succeeded_are_a_success_and_come_from_stdin_too(jq_on_each: Program) -> None:
    jq = jq_on_each
    put(jq, "q", *[b"1"] * 300)
    ids = end(jq, "q", 300, Outcome("succeeded"))
    result = jq.ok("wait", "-", input="\n".join(ids))
    assert sorted(result.lines) == sorted(f"{id}\tsucceeded" for id in ids)
    assert jq("wait", "-", input="").code == 2


def test_the_first_end_is_enough_with_any(jq_on_each: Program) -> None:
    jq = jq_on_each
    [died] = dead(jq, "q")
    [waiting] = put(jq, "q", b"1")
    result = jq("wait", waiting, died, "--any")
    assert (result.code, result.out) == (11, "dead\n")
    ok = succeeded(jq, "other", 1)
    missing = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    result = jq("wait", missing, waiting, ok, "--any")
    assert (result.code, result.out) == (0, "succeeded\n")
    assert f"no such job: {missing}" in result.err


def test_what_was_never_there_is_not_found_and_does_not_keep_others_from_being_waited_for(jq: Program) -> None:
    missing = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    ok = succeeded(jq, "q", None)
    result = jq("wait", missing)
    assert (result.code, result.out) == (3, "")
    assert f"no such job: {missing}" in result.err
    assert jq("wait", "no-such-queue", missing).code == 3
    result = jq("wait", missing, ok)
    assert (result.code, result.out) == (7, f"{ok}\tsucceeded\n")


def test_the_time_being_up_stops_the_waiting_and_not_the_job(jq_on_each: Program) -> None:
    jq = jq_on_each
    [id] = put(jq, "q", b"1")
    for command in (["wait", id], ["wait", id, cancelled(jq, "q")]):
        result = jq(*command, "--wait-timeout", "0")
        assert result.code == 8
        assert f"job {id} has not ended within 0ms" in result.err
    result = jq("run", "q", "2", "--wait-timeout", "10ms")
    assert result.code == 8
    assert jq.ok("len", "q").out == "2\n"


def test_a_job_that_ends_meanwhile_ends_the_waiting(jq_on_each: Program) -> None:
    jq = jq_on_each
    for command in (["run", "q", "{}"], ["enqueue", "q", "{}", "--wait"]):
        with started(jq, *command) as (process, id):
            assert end(jq, "q", 1, Outcome("succeeded")) == [id]
            assert finish(process) == (0, "", "")


def test_a_job_removed_meanwhile_is_told_as_gone_and_never_as_a_success(jq_on_each: Program) -> None:
    jq = jq_on_each
    with started(jq, "run", "q", "{}") as (process, id):
        remove(jq, "q", id)
        code, out, err = finish(process)
    assert (code, out) == (3, "")
    assert err == f"jq: job {id} on q is gone: removed, or ended and not kept; how it ended is not known\n"


def test_what_is_waited_for_is_kept_although_its_queue_keeps_nothing(jq: Program) -> None:
    (jq.home / "jq.yaml").write_text("defaults: {retention: 0}\n")
    with started(jq, "run", "q", "{}") as (process, id):
        end(jq, "q", 1, Outcome("succeeded"))
        assert finish(process)[0] == 0
    assert json.loads(jq.ok("show", id, "--json").out)["retention"] == 600
    result = jq("run", "q", "{}", "--retention", "59s")
    assert (result.code, jq.ok("len", "q").out) == (2, "0\n")
    assert "retention: 59s is too short" in result.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_waiting_and_names_the_job_that_goes_on(jq: Program, number: int, code: int) -> None:
    with started(jq, "run", "q", "{}") as (process, id):
        process.send_signal(number)
        assert finish(process) == (code, "", f"jq: no longer waiting; job {id} goes on: jq wait {id}\n")
    assert jq.ok("len", "q").out == "1\n"


def test_several_that_go_on_are_named_and_counted(jq: Program) -> None:
    ids = put(jq, "q", *[b"1"] * 7)
    result = jq.on_terminal("wait", *ids, columns=300, interrupt_after="0 of 7 jobs have ended; 7 ready")
    assert result.code == 130
    assert f"no longer waiting; 7 jobs go on: jq wait {' '.join(ids[:5])} ..." in result.out


def test_a_terminal_shows_what_is_waited_for(jq: Program) -> None:
    result = jq.on_terminal("run", "q", "{}", columns=120, interrupt_after="on q is ready (0ms)")
    assert result.code == 130
    assert "goes on: jq wait" in result.out
    assert "is ready" not in jq.on_terminal("run", "q", "{}", "--wait-timeout", "1ms", env={"TERM": "dumb"}).out


def test_a_terminal_shows_the_progress_of_a_running_job(jq: Program) -> None:
    [id] = put(jq, "q", b"1")
    with store_of(jq) as backend:
        consumer = Consumer(backend)
        jobs = consumer.claim(["q"])
        record = SideRecord(progress=40, message="half\x1b[31m way")
        consumer.extend(jobs, {id: msgspec.json.encode(record)})
    result = jq.on_terminal("wait", id, columns=120, interrupt_after=", 40 % half")
    assert "is running, 40 % half\\x1b[31m way" in result.out


def commanded(
    jq: Program,
    queue: str,
    kind: str,
    *,
    out: bytes = b"",
    err: bytes = b"",
    code: int | None = None,
    dropped: int = 0,
    generation: int = 1,
) -> str:
    """A job that a command ended."""
    put(jq, queue, b"1")
    record = SideRecord(
        out.decode("utf-8", "backslashreplace"),
        err.decode("utf-8", "backslashreplace"),
        dropped,
        stdout_raw=out if not out.isascii() else b"",
        exit_code=code,
        generation=generation,
    )
    [id] = end(jq, queue, 1, Outcome(kind, error=f"exit code {code}", output=msgspec.json.encode(record)))
    return id


def test_the_exit_code_is_the_commands_own_when_asked_for(jq_on_each: Program) -> None:
    jq = jq_on_each
    assert jq("wait", commanded(jq, "q", "permanent", code=65), "--exit-code").code == 65
    assert jq("wait", commanded(jq, "q", "permanent", code=8), "--exit-code").code == 8
    assert jq("wait", commanded(jq, "q", "succeeded", code=0), "--exit-code").code == 0
    assert jq("wait", succeeded(jq, "q", None), "--exit-code").code == 0


def test_whatever_is_not_the_commands_own_code_is_125(jq: Program) -> None:
    [died] = dead(jq, "q")
    stale = commanded(jq, "q", "permanent", code=3, generation=9)
    [waiting] = put(jq, "q", b"1")
    for id in (died, stale, cancelled(jq, "q"), expired(jq, "q")):
        result = jq("wait", id, "--exit-code")
        assert result.code == 125
        assert f"job {id} has no exit code of its own" in result.err
    assert jq("wait", waiting, "--exit-code", "--wait-timeout", "0").code == 125
    assert jq("wait", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "--exit-code").code == 125
    assert jq("run", "q", "{", "--exit-code").code == 125
    assert jq("run", "--exit-code").code == 125
    assert jq("run", "q", "1", "--exit-code", "--no-such-option").code == 125
    assert jq("run", "q", "1", "--exit-code", "--backend", "redis://127.0.0.1:1/0").code == 125
    assert jq("run", "q", "1", "--exit-code", "--dedup-key", "k", "--wait-timeout", "0").code == 125
    assert jq("run", "q", "1", "--exit-code", "--dedup-key", "k", "--fail-on-duplicate").code == 125
    assert jq("run", "--exit-code", "--help").code == 0


def test_an_exit_code_asked_for_without_waiting_is_wrong_usage(jq: Program) -> None:
    for arguments in (["1"], ["1", "--no-such-option"], ["{"], []):
        result = jq("enqueue", "q", *arguments, "--exit-code")
        assert (result.code, result.out) == (2, ""), result
    assert "--exit-code needs --wait" in jq("enqueue", "q", "1", "--exit-code").err
    assert jq("enqueue", "q", "{", "--exit-code", "--wait").code == 125
    assert jq("enqueue", "q", "1", "--exit-code", "--wait", "--no-such-option").code == 125
    assert jq("enqueue", "q", "1", "--exit-code", "--wait", "--wait-timeout", "0").code == 125


def test_several_jobs_have_no_one_exit_code(jq: Program) -> None:
    ids = put(jq, "q", b"1", b"2")
    result = jq("wait", *ids, "--exit-code")
    assert result.code == 125
    assert "--exit-code is that of one job" in result.err
    died = commanded(jq, "other", "permanent", code=9)
    assert jq("wait", ids[0], died, "--any", "--exit-code").code == 9


def test_the_output_comes_out_byte_for_byte_and_alone(jq_on_each: Program) -> None:
    jq = jq_on_each
    out = b"\xff\x00binary \xc3\xbc\r\n\x1b[31mno newline"
    id = commanded(jq, "q", "permanent", out=out, err="warnung: grün\n".encode(), code=65)
    result = jq("wait", id, "--output")
    assert (result.code, result.raw) == (11, out)
    assert result.err == f"jq: job {id} on q is dead (permanent): exit code 65\nwarnung: grün\n"
    result = jq("wait", commanded(jq, "q", "succeeded", out=b"tail", dropped=1_234), "--output")
    assert (result.code, result.raw) == (0, b"tail")
    assert result.err == "jq: of the job's stdout only the end was kept; the first 1,234 bytes are missing\n"


def test_a_run_with_output_keeps_the_id_off_stdout(jq: Program) -> None:
    with jq.start("run", "q", "{}", "--output") as process:
        assert process.stderr is not None
        id = process.stderr.readline().decode().strip().removeprefix("jq: job ")
        with store_of(jq) as backend:
            consumer = Consumer(backend)
            [job] = consumer.claim(["q"])
            output = msgspec.json.encode(SideRecord("said\n"))
            consumer.write([consumer.settle(job, Outcome("succeeded", output=output))])
        assert job.id == id
        assert finish(process) == (0, "said\n", "")


def test_json_tells_the_end(jq_on_each: Program) -> None:
    jq = jq_on_each
    ok, bad = succeeded(jq, "q", {"pages": 3}), commanded(jq, "q", "permanent", code=65)
    fine = {
        "id": ok,
        "queue": "q",
        "outcome": "succeeded",
        "reason": None,
        "error": None,
        "result": {"pages": 3},
        "exit_code": 0,
    }
    broken = {
        "id": bad,
        "queue": "q",
        "outcome": "dead",
        "reason": "permanent",
        "error": "exit code 65",
        "result": None,
        "exit_code": 65,
    }
    assert json.loads(jq.ok("wait", ok, "--json").out) == fine
    result = jq("wait", ok, bad, "--json")
    assert result.code == 7
    assert sorted(json.loads(result.out), key=lambda each: str(each["id"])) == [fine, broken]
    result = jq("run", "q", "1", "--id", ok, "--json")
    assert json.loads(result.out) == {"id": ok, "queue": "q", "status": "duplicate", "outcome": fine}
    assert jq("wait", ok, "--json", "--output").code == 2


def test_a_duplicate_is_waited_for_in_place_of_a_job_of_its_own(jq: Program) -> None:
    first = jq.ok("enqueue", "q", "1", "--dedup-key", "k").lines[0]
    with started(jq, "run", "q", "1", "--dedup-key", "k") as (process, id):
        assert id == first
        end(jq, "q", 1, Outcome("permanent", error="no"))
        assert finish(process)[0] == 11
    assert jq("run", "q", "1", "--dedup-key", "k", "--fail-on-duplicate").code == 4


def test_an_outcome_that_outlived_its_job_is_the_outcome(jq_on_each: Program) -> None:
    jq = jq_on_each
    for kind, code in (("succeeded", 0), ("permanent", 11)):
        id = jq.ok("enqueue", "q", "1", "--idempotency-key", kind).lines[0]
        end(jq, "q", 1, Outcome(kind, msgspec.Raw(b"7") if kind == "succeeded" else msgspec.Raw(), "broke"))
        assert jq("run", "q", "1", "--idempotency-key", kind).code == code
        remove(jq, "q", id)
        result = jq("run", "q", "1", "--idempotency-key", kind, "--json")
        assert result.code == code
        assert json.loads(result.out)["outcome"]["result"] == (7 if kind == "succeeded" else None)
    assert jq("run", "q", "2", "--idempotency-key", "succeeded").code == 4


def test_the_memory_store_is_refused(bare: Program) -> None:
    result = bare("run", "q", "{}", "--backend", "memory")
    assert result.code == 2
    assert "no worker can see the memory store of this command" in result.err


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["enqueue", "q", "1", "--wait-timeout", "1s"], "--wait-timeout needs --wait"),
        (["enqueue", "q", "1", "--output"], "--output needs --wait"),
        (["enqueue", "q", "1", "--exit-code"], "--exit-code needs --wait"),
        (["enqueue", "q", "--from", "-", "--wait"], "| jq wait -"),
        (["run", "q", "1", "--wait-timeout", "5"], "wait-timeout: '5' needs a unit, such as 5s"),
        (["run", "q", "1", "--wait-timeout", "367d"], "wait-timeout: expected 0..366d, got 367d"),
        (["run", "q", "1", "--output", "--json"], "exclude each other"),
        (["wait"], "missing argument"),
        (["wait", "q"], "name a job"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_nothing_stored(jq: Program, args: list[str], says: str) -> None:
    result = jq(*args)
    assert says in result.err.lower() or says in result.err
    assert result.code == 2
    assert jq("len", "q").code == 3


def test_a_store_that_restarts_meanwhile_is_waited_for(tmp_path: Path, own_redis: RedisServer, namespace: str) -> None:
    own_redis.restart(appendfsync="always")
    jq = Program(tmp_path, own_redis.url, namespace)
    with started(jq, "run", "q", "{}") as (process, id):
        own_redis.kill()
        assert process.stderr is not None
        told = process.stderr.readline().decode()
        own_redis.start()
        assert end(jq, "q", 1, Outcome("succeeded")) == [id]
        assert finish(process)[0] == 0
    assert "trying again" in told


def test_many_waiters_hear_of_one_end(jq: Program) -> None:
    [id] = put(jq, "q", b"1")
    codes: list[int] = []
    threads = [threading.Thread(target=lambda: codes.append(jq("wait", id).code)) for _ in range(4)]
    for thread in threads:
        thread.start()
    end(jq, "q", 1, Outcome("succeeded"))
    for thread in threads:
        thread.join(DEADLINE)
    assert codes == [0, 0, 0, 0]
