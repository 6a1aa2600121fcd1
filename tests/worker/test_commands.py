"""Commands and shell lines as handlers, run by a real pool."""

import json
import signal
from pathlib import Path

import pytest

from jq_cli.handlers.spec import HandlerSpec
from tests.worker.bench import Bench, alive, eventually
from tests.worker.test_faults import during, send


def shell(line: str) -> HandlerSpec:
    return HandlerSpec("shell", line=line)


def test_a_command_gets_the_payload_on_stdin_and_nothing_of_it_in_argv(bench: Bench) -> None:
    hostile = {"x": "\"; touch canary; $(id) `id` ' --help"}
    [id] = bench.put(hostile)
    assert (
        bench.work(HandlerSpec("command", argv=("sh", "-c", "cat; tr '\\0' ' ' < /proc/$$/cmdline >&2", "name"))) == 0
    )
    assert json.loads(bench.output(id).stdout) == hostile
    assert "canary" not in bench.output(id).stderr


def test_a_json_string_arrives_as_its_bare_text(bench: Bench) -> None:
    [id] = bench.put("grüße\n\tzwei")
    bench.work(shell("cat"))
    assert bench.output(id).stdout == "grüße\n\tzwei"


def test_a_payload_of_a_mebibyte_arrives_whole_even_when_the_command_writes_first(bench: Bench) -> None:
    [id] = bench.put("x" * 1_000_000)
    bench.work(shell("head -c 300000 /dev/zero | tr '\\0' y; wc -c >&2"))
    assert bench.output(id).stderr.strip() == "1000000"


def test_a_command_that_does_not_read_its_stdin_is_fine(bench: Bench) -> None:
    [id] = bench.put("x" * 1_000_000)
    assert bench.work(shell("true")) == 0
    assert bench.job(id).state == "succeeded"


@pytest.mark.parametrize(
    ("code", "state", "reason", "failures"),
    [(0, "succeeded", None, 0), (65, "dead", "permanent", 1), (1, "dead", "retries", 1), (75, "scheduled", None, 0)],
)
def test_exit_codes_decide(bench: Bench, code: int, state: str, reason: str | None, failures: int) -> None:
    [id] = bench.put("x", max_retries=0)
    during(bench, lambda: bench.job(id).state == state, send(signal.SIGTERM))
    bench.work(shell(f"echo sorry >&2; exit {code}"), until_empty=False)
    job = bench.job(id)
    assert (job.state, job.reason, job.failures) == (state, reason, failures)
    if failures:
        assert job.last_error == f"exit code {code}\nsorry"


def test_a_command_killed_by_a_signal_fails_with_its_name(bench: Bench) -> None:
    [id] = bench.put("x", max_retries=0)
    bench.work(shell("kill -SEGV $$"))
    assert (bench.job(id).failures, bench.job(id).last_error) == (1, "killed by SIGSEGV")


def test_a_command_that_cannot_be_started_fails_the_job_not_the_child(bench: Bench, tmp_path: Path) -> None:
    [id] = bench.put("x", max_retries=0)
    bench.work(HandlerSpec("command", argv=(str(tmp_path / "missing"),)))
    assert "cannot start" in str(bench.job(id).last_error)
    assert not [text for text in bench.said if "child" in text]


def test_the_last_line_of_json_on_descriptor_3_is_the_result(bench: Bench) -> None:
    [id] = bench.put("x")
    bench.work(shell("echo noise >&3; echo '{\"rows\": 7}' >&3"))
    assert bench.result(id) == {"rows": 7}


def test_what_is_no_json_on_descriptor_3_is_no_result(bench: Bench) -> None:
    [id] = bench.put("x")
    assert bench.work(shell("echo '{broken' >&3")) == 0
    assert not bytes(bench.job(id).result)


def test_the_environment_tells_the_job_and_withholds_the_store(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JQ_BACKEND", "redis://:secret@host/0")
    monkeypatch.setenv("REDIS_ADDR", "host:1")
    [id] = bench.put("x", priority=7, headers={"trace-id": "abc", "x\n=y": "z"})
    bench.work(shell("env"))
    seen = dict(line.partition("=")[::2] for line in bench.output(id).stdout.splitlines())
    job = bench.job(id)
    assert seen["JQ_JOB_ID"] == id
    assert (seen["JQ_QUEUE"], seen["JQ_ATTEMPT"], seen["JQ_PRIORITY"]) == ("q", "1", "7")
    assert seen["JQ_ENQUEUED_AT"] == str(job.created_at)
    assert seen["JQ_FENCE"].startswith("1.")
    assert (seen["JQ_HEADER_TRACE_ID"], seen["JQ_HEADER_X__Y"]) == ("abc", "z")
    assert not {"JQ_BACKEND", "REDIS_ADDR"} & set(seen)


def test_the_store_is_handed_on_when_the_worker_says_so(bench: Bench) -> None:
    [id] = bench.put("x")
    bench.work(shell('printf %s "$JQ_BACKEND"'), pass_backend="redis://host/1")
    assert bench.output(id).stdout == "redis://host/1"


def test_the_last_64_kib_of_output_are_kept_whatever_a_command_prints(bench: Bench) -> None:
    [id] = bench.put("x")
    bench.work(shell("head -c 5000000 /dev/zero; printf '\\377\\033[31mend'; yes | head -c 70000 >&2"))
    output = bench.output(id)
    assert output.stdout.endswith("\\xff\x1b[31mend")
    assert output.stdout_dropped == 5_000_009 - 65_536
    assert len(output.stderr) == 65_536


def test_a_command_that_runs_out_of_time_is_stopped_with_its_whole_group(bench: Bench) -> None:
    [id] = bench.put("x", timeout=0.3, max_retries=0)
    bench.work(shell("echo $$; sleep 300 & echo $!; trap 'echo asked' TERM; wait; sleep 300"), grace=0.2)
    job, output = bench.job(id), bench.output(id)
    assert (job.failures, job.losses, job.last_error) == (1, 0, "timed out after 0.3 s")
    own, background, said = output.stdout.split()
    assert said == "asked"
    assert not alive(int(own))
    assert not alive(int(background))


def test_a_command_that_ignores_sigterm_is_killed_after_the_grace(bench: Bench) -> None:
    [id] = bench.put("x", timeout=0.2, max_retries=0)
    bench.work(shell("trap '' TERM; echo $$; while :; do sleep 0.05; done"), grace=0.2)
    assert bench.job(id).last_error == "timed out after 0.2 s"
    assert not alive(int(bench.output(id).stdout))


def test_a_job_ends_with_its_command_and_daemons_it_left_are_killed(bench: Bench) -> None:
    [id] = bench.put("x")
    assert bench.work(shell("setsid sh -c 'sleep 300 & echo $!; sleep 300' & sleep 0.2")) == 0
    [pid] = bench.output(id).stdout.split()
    assert not alive(int(pid))


def test_a_stopped_worker_stops_its_commands_and_gives_the_jobs_back(bench: Bench) -> None:
    [id] = bench.put("x")
    pids = bench.traces_file.with_name("pids")
    during(bench, lambda: pids.exists() and pids.read_text(), send(signal.SIGTERM))
    bench.work(shell(f"echo $$ > {pids}; sleep 300"), shutdown_timeout=0.1, until_empty=False)
    assert (bench.job(id).state, bench.job(id).failures) == ("ready", 0)
    assert not alive(int(pids.read_text()))


def test_output_is_visible_while_the_command_runs(bench: Bench) -> None:
    [id] = bench.put("x")
    go = bench.traces_file.with_name("go")
    during(bench, lambda: bench.backend.outputs("q", [id])[0], go.touch)
    assert bench.work(shell(f"echo early; until [ -e {go} ]; do sleep 0.05; done; echo late"), lease=1_000) == 0
    assert bench.output(id).stdout == "early\nlate\n"
    eventually(lambda: bench.job(id).state == "succeeded", "the end")
