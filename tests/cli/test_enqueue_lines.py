"""`jq enqueue --from`: many jobs from a file or a pipe."""

import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from jq_cli.ids import is_ulid, new_id
from tests.cli.program import Program, until


def ndjson(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def payloads(count: int) -> str:
    return ndjson(*({"payload": {"n": n}} for n in range(count)))


def written(jq: Program, text: str | bytes, name: str = "jobs.ndjson") -> str:
    path = jq.home / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def numbers(jq: Program, queue: str = "q") -> list[object]:
    lines = jq.ok("ls", queue, "--jsonl", "--columns", "payload").lines
    return [json.loads(line)["payload"] for line in lines]


# --- what goes in ---


def test_a_file_goes_in_whole_and_in_order(jq_on_each: Program) -> None:
    result = jq_on_each.ok("enqueue", "q", "--from", written(jq_on_each, payloads(2_500)))
    assert result.out == "2500\n"
    assert "2,500 enqueued" in result.err
    assert numbers(jq_on_each) == [{"n": n} for n in range(2_500)]


def test_a_pipe_goes_in_whole_and_in_order(jq_on_each: Program) -> None:
    assert jq_on_each.ok("enqueue", "q", "--from", "-", input=payloads(2_500)).out == "2500\n"
    assert numbers(jq_on_each) == [{"n": n} for n in range(2_500)]


def test_a_line_brings_any_settable_field(jq: Program) -> None:
    id = new_id()
    line = {
        "payload": 1, "id": id, "priority": 5, "delay": "30s", "ttl": 90, "max_retries": 2, "max_losses": 1, "timeout": 1.5,
        "delivery": "at_most_once", "backoff": {"base": 0.5, "factor": 3}, "retention": "1h", "dedup_key": "d", "dedup_ttl": 60,
        "dedup_until": "done", "idempotency_key": "i", "idempotency_ttl": "1h", "headers": {"a": "b"},
    }  # fmt: skip
    jq.ok("enqueue", "q", "--from", "-", input=ndjson(line))
    record = json.loads(jq.ok("show", id, "--json").out)
    assert record["ready_at"] - record["created_at"] == 30_000
    assert record["expires_at"] - record["created_at"] == 90_000
    assert record["backoff"] == {"base": 0.5, "factor": 3.0, "cap": 3600.0, "jitter": 0.1}
    assert (record["retention"], record["dedup_ttl"], record["idempotency_ttl"]) == (3_600.0, 60.0, 3_600.0)
    same = ("priority", "max_retries", "max_losses", "timeout", "delivery", "dedup_key", "dedup_until", "headers")
    assert {name: record[name] for name in same} == {name: line[name] for name in same}


def test_a_line_wins_over_the_commands_options_and_those_over_the_configuration(jq: Program) -> None:
    (jq.home / "jq.yaml").write_text("queues: {q: {priority: 1, max_retries: 7}}")
    lines = ndjson({"payload": 1}, {"payload": 2, "priority": 9})
    jq.ok("enqueue", "q", "--from", "-", "--priority", "5", input=lines)
    records = json.loads(jq.ok("ls", "q", "--json").out)
    assert [(r["payload"], r["priority"], r["max_retries"]) for r in records] == [(2, 9, 7), (1, 5, 7)]


def test_each_line_may_name_its_queue_when_the_command_names_none(jq: Program) -> None:
    jq.ok("enqueue", "--from", "-", input=ndjson({"payload": 1, "queue": "a"}, {"payload": 2, "queue": "b"}))
    assert jq.ok("len").out == "a\t1\nb\t1\n"


def test_bare_payloads_are_taken_with_raw(jq: Program) -> None:
    jq.ok("enqueue", "q", "--from", "-", "--raw", input='{"a": 1}\nhello\n12\n')
    assert numbers(jq) == [{"a": 1}, "hello", 12]


def test_raw_and_text_take_each_line_as_a_string(jq: Program) -> None:
    jq.ok("enqueue", "q", "--from", "-", "--raw", "--text", input='{"a": \n')
    assert numbers(jq) == ['{"a": ']


@pytest.mark.parametrize("text", ["", "\n", "\n\n  \n"])
def test_nothing_is_enqueued_from_nothing(jq: Program, text: str) -> None:
    assert jq.ok("enqueue", "q", "--from", "-", input=text).out == "0\n"
    assert jq.ok("enqueue", "q", "--from", written(jq, text)).out == "0\n"


def test_the_last_line_needs_no_end_and_windows_ends_are_fine(jq: Program) -> None:
    jq.ok("enqueue", "q", "--from", "-", input='{"payload": 1}\r\n\r\n{"payload": 2}')
    assert numbers(jq) == [1, 2]


def test_ids_are_printed_when_asked_for(jq: Program) -> None:
    result = jq.ok("enqueue", "q", "--from", "-", "-v", input=payloads(3))
    assert len(result.lines) == 3
    assert all(map(is_ulid, result.lines))
    assert result.lines == jq.ok("ls", "q", "-q").lines


def test_counts_are_told_as_json_when_asked_for(jq: Program) -> None:
    lines = ndjson({"payload": 1, "dedup_key": "k"}, {"payload": 2, "dedup_key": "k"}, {"payload": 3})
    result = jq.ok("enqueue", "q", "--from", "-", "--json", input=lines)
    assert json.loads(result.out) == {"created": 2, "duplicates": 1, "replayed": 0, "refused": 0, "invalid": 0}


def test_duplicates_fail_when_asked_to_and_the_rest_goes_in(jq: Program) -> None:
    lines = ndjson({"payload": 1, "dedup_key": "k"}, {"payload": 2, "dedup_key": "k"}, {"payload": 3})
    result = jq("enqueue", "q", "--from", "-", "--fail-on-duplicate", input=lines)
    assert (result.code, result.out) == (4, "2\n")


def test_a_key_used_with_another_payload_is_reported_with_its_line(jq: Program) -> None:
    lines = ndjson({"payload": 1, "idempotency_key": "k"}, {"payload": 2}, {"payload": 3, "idempotency_key": "k"})
    result = jq("enqueue", "q", "--from", "-", input=lines)
    assert (result.code, result.out) == (7, "2\n")
    assert "line 3: idempotency mismatch" in result.err


# --- what does not ---

BAD = [
    (b"{", "not valid JSON"),
    (b"[]", "expected `object`, got `array`"),
    (b"{}", "missing required field `payload`"),
    (b'{"payload": 1, "priorty": 2}', "unknown field `priorty`; did you mean `priority`?"),
    (b'{"payload": 1, "nonsense": 2}', "unknown field `nonsense`\n"),
    (b'{"payload": 1, "priority": 1001}', "priority: expected -1000..1000, got 1001"),
    (b'{"payload": 1, "priority": "5"}', "priority: expected `int | null`, got `str`"),
    (b'{"payload": 1, "delay": "5"}', "delay: '5' needs a unit, such as 5s"),
    (b'{"payload": 1, "delay": -1}', "delay: expected 0..366d"),
    (b'{"payload": 1, "delay": 1e300}', "delay: expected 0..366d"),
    (b'{"payload": 1, "timeout": 0}', "timeout: expected"),
    (b'{"payload": 1, "delivery": "once"}', "delivery: expected at_least_once or at_most_once"),
    (b'{"payload": 1, "dedup_until": "later"}', "dedup_until: expected ttl or done"),
    (b'{"payload": 1, "id": "x"}', "id: 'x' is not a ULID"),
    (b'{"payload": 1, "dedup_key": ""}', "dedup_key: expected 1..512 bytes, got 0"),
    (b'{"payload": 1, "headers": {"a": 1}}', "headers"),
    (b'{"payload": 1, "queue": "other"}', "queue: the command names a queue already"),
    (b'{"payload": "\xff"}', "invalid UTF-8"),
    (b'{"payload": "\\ud800"}', "lone surrogate"),
    (b'{"payload": ' + b"[" * 200 + b"]" * 200 + b"}", "payload: nesting is deeper than the 128 levels allowed"),
    (b'{"payload": "' + b"x" * 1_048_577 + b'"}', "1,048,579 bytes are more than the 1,048,576 allowed"),
    (b'{"payload": 1' + b" " * 1_200_000 + b"}", "bytes are more than a job may have"),
    (b'{"payload": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nests too deeply"),
]


@pytest.mark.parametrize(("line", "said"), BAD, ids=[said[:30] for _, said in BAD])
def test_a_bad_line_stops_a_file_before_its_first_job(jq: Program, line: bytes, said: str) -> None:
    path = written(jq, b'{"payload": 1}\n' + line + b'\n{"payload": 3}\n')
    result = jq("enqueue", "q", "--from", path)
    assert (result.code, result.out) == (2, "")
    assert "line 2: " in result.err
    assert said in result.err
    assert "nothing was enqueued" in result.err
    assert jq("len", "q").code == 3


@pytest.mark.parametrize(("line", "said"), BAD[:4] + BAD[-6:], ids=[said[:30] for _, said in BAD[:4] + BAD[-6:]])
def test_a_bad_line_stops_a_pipe_and_the_message_says_how_to_go_on(jq: Program, line: bytes, said: str) -> None:
    before, after = b'{"payload": 1}\n{"payload": 2}\n', b'\n{"payload": 4}\n'
    text = before + line + after
    result = jq("enqueue", "q", "--from", "-", input=text)
    assert result.code == 2
    assert said in result.err
    assert "lines 1-2 enqueued, continue with --skip-lines 2" in result.err
    assert numbers(jq) == [1, 2]
    fixed = before + b'{"payload": 3}' + after
    assert jq.ok("enqueue", "q", "--from", "-", "--skip-lines", "2", input=fixed).out == "2\n"
    assert numbers(jq) == [1, 2, 3, 4]


@pytest.mark.parametrize("source", ["file", "pipe"])
def test_bad_lines_are_reported_and_skipped_when_asked_to(jq: Program, source: str) -> None:
    text = b'{"payload": 1}\n' + b"\n".join(line for line, _ in BAD) + b'\n{"payload": 2}\n'
    given = ("-", text) if source == "pipe" else (written(jq, text), b"")
    result = jq("enqueue", "q", "--from", given[0], "--skip-invalid", input=given[1])
    assert (result.code, result.out) == (7, "2\n")
    for number in range(2, len(BAD) + 2):
        assert f"line {number}: " in result.err
    assert numbers(jq) == [1, 2]


def test_every_mistake_of_a_file_is_reported_up_to_twenty(jq: Program) -> None:
    result = jq("enqueue", "q", "--from", written(jq, "x\n" * 100))
    assert result.err.count("not valid JSON") == 20
    assert "and 80 more" in result.err


def test_an_id_used_twice_in_a_file_is_reported_with_both_lines(jq: Program) -> None:
    id = new_id()
    lines = ndjson({"payload": 1, "id": id}, {"payload": 2}, {"payload": 3, "id": id})
    result = jq("enqueue", "q", "--from", written(jq, lines))
    assert (result.code, result.out) == (2, "")
    assert f"line 3: id: {id} is on line 1 already" in result.err
    assert jq("len", "q").code == 3


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["q", "--from", "missing.ndjson"], "--from missing.ndjson: No such file or directory"),
        (["q", "--from", "."], "is a directory"),
        (["--from", "-", "--raw"], "bare payloads need a queue"),
        (["--from", "-"], "line 1: queue: missing; name it in the line or in the command"),
        (["a b", "--from", "-"], "queue: 'a b' is not a name"),
        (["q", "--from", "-", "--skip-lines", "-1"], "-1 is not in the range"),
    ],
)
def test_wrong_sources_are_explained(jq: Program, args: list[str], said: str) -> None:
    result = jq("enqueue", *args, input='{"payload": 1}\n')
    assert result.code == 2
    assert said in result.err


# --- interruptions ---


def test_a_slow_writers_lines_go_in_as_they_come(jq: Program) -> None:
    process = jq.start("enqueue", "q", "--from", "-")
    assert process.stdin is not None
    for n in (1, 2):
        process.stdin.write(b'{"payload": 1}\n')
        process.stdin.flush()
        until(lambda n=n: jq("len", "q").out == f"{n}\n", f"job {n}")
    process.stdin.close()
    assert process.wait(20) == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_says_how_to_go_on(jq: Program, number: signal.Signals, code: int) -> None:
    process = jq.start("enqueue", "q", "--from", "-")
    assert process.stdin is not None
    process.stdin.write(payloads(3).encode())
    process.stdin.flush()
    until(lambda: jq("len", "q").out == "3\n", "the first lines")
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert "lines 1-3 enqueued, continue with --skip-lines 3" in err.decode()


def test_an_interruption_in_full_flight_loses_and_doubles_nothing(jq_on_each: Program) -> None:
    path = written(jq_on_each, payloads(200_000))
    process = jq_on_each.start("enqueue", "q", "--from", path)
    until(lambda: jq_on_each("len", "q").code == 0, "the first batch")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    done = int(err.decode().rsplit("--skip-lines ", 1)[1].split()[0])
    assert 0 < done < 200_000
    assert jq_on_each.ok("len", "q").out == f"{done}\n"
    short = written(jq_on_each, payloads(done + 10), "rest.ndjson")
    assert jq_on_each.ok("enqueue", "q", "--from", short, "--skip-lines", str(done)).out == "10\n"


def test_a_closed_stdin_is_explained(jq: Program) -> None:
    line = f"exec '{jq.path}' enqueue q --from - <&-"
    done = subprocess.run(["sh", "-c", line], env=jq.env, cwd=jq.home, capture_output=True, timeout=20)
    assert done.returncode == 2
    assert b"stdin is closed" in done.stderr


def test_a_fifo_is_read_as_a_pipe(jq: Program) -> None:
    fifo = jq.home / "fifo"
    os.mkfifo(fifo)
    process = jq.start("enqueue", "q", "--from", str(fifo))
    fifo.write_text(payloads(5))
    assert process.wait(20) == 0
    assert jq.ok("len", "q").out == "5\n"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of one process is told by Linux only")
def test_memory_stays_small_however_long_the_file_is(jq: Program) -> None:
    path = written(jq, ('{"payload": "%s"}\n' % ("x" * 500)) * 200_000)
    process = jq.start("enqueue", "q", "--from", path)
    peak = 0
    while process.poll() is None:
        with suppress(OSError, IndexError):
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = max(peak, int(status.split("VmHWM:")[1].split()[0]))
    assert process.communicate()[0] == b"200000\n"
    assert 0 < peak < 100 * 1_024


def test_progress_is_shown_on_a_terminal_only(jq: Program) -> None:
    path = written(jq, payloads(120_000))
    piped = jq.ok("enqueue", "a", "--from", path)
    assert "\x1b" not in piped.err
    shown = jq.on_terminal("enqueue", "b", "--from", path)
    assert shown.code == 0
    assert "enqueuing" in shown.out
    assert "%" in shown.out
    dumb = jq.on_terminal("enqueue", "c", "--from", path, env={"TERM": "dumb"})
    assert "\x1b" not in dumb.out
