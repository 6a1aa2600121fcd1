"""`ls-queues`, `len`, `ls`, `show`, `workers`, `backends`: every form of output."""

import json
import signal

import pytest

from jq_cli.view.records import JOB_FIELDS
from tests.cli.program import Program, until
from tests.cli.stored import dead, put, running, succeeded


def ids(jq: Program, *args: str) -> list[str]:
    return jq.ok(*args, "-q").lines


# --- ls-queues ---


def test_queues_are_listed_with_their_counts(jq_on_each: Program) -> None:
    put(jq_on_each, "b", b"1", b"2")
    jq_on_each.ok("enqueue", "b", "3", "--delay", "1h")
    dead(jq_on_each, "a")
    [first, second] = json.loads(jq_on_each.ok("ls-queues", "--json").out)
    assert list(first) == [
        "queue", "ready", "running", "scheduled", "dead", "succeeded", "cancelled", "paused", "oldest_ready_age",
        "paused_reason", "paused_by", "paused_until", "max_running", "pending_limit",
    ]  # fmt: skip
    assert (first["queue"], first["dead"], first["ready"], first["oldest_ready_age"]) == ("a", 1, 0, None)
    assert (second["queue"], second["ready"], second["scheduled"], second["paused"]) == ("b", 2, 1, False)
    assert 0 <= second["oldest_ready_age"] < 60


def test_a_configured_queue_is_listed_before_its_first_job(jq: Program) -> None:
    (jq.home / "jq.yaml").write_text("queues: {planned: {}}")
    assert ids(jq, "ls-queues") == ["planned"]
    assert jq.ok("len", "planned").out == "0\n"


def test_an_empty_store_lists_nothing(jq: Program) -> None:
    assert jq.ok("ls-queues", "--json").out == "[]\n"
    assert jq.ok("ls-queues", "--jsonl").out == ""
    assert jq.ok("ls-queues", "-q").out == ""
    assert jq.ok("ls-queues", "--no-headers").out == ""


def test_more_columns_are_there_for_those_who_ask(jq: Program) -> None:
    dead(jq, "q", 2)
    jq.ok("pause", "q", "--reason", "moving house")
    line = jq.ok("ls-queues", "--plain", "--no-headers", "--columns", "queue,total_dead,paused_reason").out
    assert line == "q\t2\tmoving house\n"


# --- len ---


def test_one_queue_gives_a_bare_number_and_several_give_names(jq_on_each: Program) -> None:
    put(jq_on_each, "a", b"1", b"2")
    put(jq_on_each, "b", b"1")
    assert jq_on_each.ok("len", "a").out == "2\n"
    assert jq_on_each.ok("len", "b", "a").out == "b\t1\na\t2\n"
    assert jq_on_each.ok("len").out == "a\t2\nb\t1\n"


def test_another_state_or_all_can_be_counted(jq: Program) -> None:
    dead(jq, "q", 2)
    put(jq, "q", b"1")
    jq.ok("enqueue", "q", "1", "--delay", "1h")
    for state, count in (("ready", 1), ("dead", 2), ("scheduled", 1), ("running", 0), ("all", 4)):
        assert jq.ok("len", "q", "--state", state).out == f"{count}\n"


def test_len_speaks_json_too(jq: Program) -> None:
    put(jq, "q", b"1")
    assert json.loads(jq.ok("len", "q", "--json").out) == [{"queue": "q", "state": "ready", "jobs": 1}]


@pytest.mark.parametrize("command", [["len"], ["ls"], ["dlq", "ls"], ["pause"], ["resume"], ["requeue"]])
def test_an_unknown_queue_exits_with_3_and_near_names(jq_on_each: Program, command: list[str]) -> None:
    put(jq_on_each, "emails", b"1")
    result = jq_on_each(*command, "emial")
    assert (result.code, result.out.strip("0\n")) == (3, "")
    assert "no such queue: emial; did you mean emails?" in result.err
    assert "store: " in result.err


@pytest.mark.parametrize("command", [["len"], ["ls"], ["dlq", "ls"], ["pause"], ["resume"], ["requeue"]])
def test_an_unknown_queue_among_several_does_not_stop_the_rest(jq: Program, command: list[str]) -> None:
    put(jq, "a", b"1")
    put(jq, "b", b"1")
    result = jq(*command, "a", "nope", "b")
    assert result.code == 7
    assert result.err.count("no such queue: nope") == 1


@pytest.mark.parametrize("command", [["len"], ["ls"], ["show"], ["dlq", "ls"], ["dlq", "requeue", "--all"], ["pause"]])
@pytest.mark.parametrize("name", ["a b", "-x y", "../x", "é", "a" * 129, "{a}", "a\x1b[31m"])
def test_what_cannot_be_a_name_is_refused(jq: Program, command: list[str], name: str) -> None:
    result = jq(*command, "--", name)
    assert result.code == 2
    assert "\x1b" not in result.err


# --- ls ---


def test_jobs_are_listed_in_the_order_in_which_they_leave(jq_on_each: Program) -> None:
    for priority in (0, 5, -5, 5):
        jq_on_each.ok("enqueue", "q", "--priority", str(priority), "--", str(priority))
    assert [json.loads(line)["payload"] for line in jq_on_each.ok("ls", "q", "--jsonl").lines] == [5, 5, 0, -5]


def test_a_state_or_several_can_be_listed(jq: Program) -> None:
    [gone] = dead(jq, "q")
    done = succeeded(jq, "q", 1)
    [ready] = put(jq, "q", b"1")
    assert ids(jq, "ls", "q") == [ready, gone, done]
    assert ids(jq, "ls", "q", "--state", "dead") == [gone]
    assert ids(jq, "ls", "q", "--state", "succeeded,ready") == [ready, done]


def test_an_order_can_be_reversed(jq_on_each: Program) -> None:
    some = dead(jq_on_each, "q", 5)
    assert ids(jq_on_each, "dlq", "ls", "q") == sorted(some)
    assert ids(jq_on_each, "dlq", "ls", "q", "--reverse") == sorted(some, reverse=True)


def test_json_has_every_field_of_the_record(jq: Program) -> None:
    put(jq, "q", b'{"a": 1}')
    [record] = json.loads(jq.ok("ls", "q", "--json").out)
    assert tuple(record) == JOB_FIELDS
    assert record["payload"] == {"a": 1}


def test_columns_limit_and_headers_hold(jq: Program) -> None:
    put(jq, "q", b"1", b"2", b"3")
    assert jq.ok("ls", "q", "--columns", "state,payload", "--limit", "2").out == "state  payload\nready  1\nready  2\n"
    assert jq.ok("ls", "q", "--columns", "payload", "--no-headers", "--limit", "1").out == "1\n"


def test_a_table_says_when_it_does_not_show_all(jq: Program) -> None:
    put(jq, "q", *(b"1" for _ in range(60)))
    result = jq.ok("ls", "q")
    assert len(result.lines) == 51
    assert "showing 50 of 60 jobs; --limit 0 shows all" in result.err
    assert len(jq.ok("ls", "q", "--limit", "0").lines) == 61
    assert len(ids(jq, "ls", "q")) == 60


def test_several_queues_are_told_apart(jq: Program) -> None:
    put(jq, "a", b"1")
    put(jq, "b", b"2")
    lines = jq.ok("ls", "a", "b", "--plain", "--no-headers", "--columns", "queue,payload").lines
    assert lines == ["a\t1", "b\t2"]
    assert jq.ok("ls", "a", "b").lines[0].startswith("queue")


def test_ids_are_never_cut_by_a_table(jq: Program) -> None:
    [id] = put(jq, "q", b'"' + b"x" * 500 + b'"')
    narrow = jq.on_terminal("ls", "q", columns=40)
    assert id in narrow.out
    assert "x" * 500 not in narrow.out
    assert id in jq.ok("ls", "q").out
    assert "x" * 500 in jq.ok("ls", "q").out


def test_a_terminal_gets_colour_and_relative_times_and_a_pipe_does_not(jq: Program) -> None:
    put(jq, "q", b"1")
    terminal = jq.on_terminal("ls", "q").out
    assert "\x1b[" in terminal
    assert "20" + "26-" not in terminal.split("payload")[1]
    piped = jq.ok("ls", "q").out
    assert "\x1b" not in piped
    assert "T" in piped.split()[-4]


@pytest.mark.parametrize(
    ("args", "env"), [(["--color", "never"], {}), ([], {"NO_COLOR": "1"}), ([], {"TERM": "dumb"})], ids=str
)
def test_colour_can_be_switched_off(jq: Program, args: list[str], env: dict[str, str]) -> None:
    put(jq, "q", b"1")
    assert "\x1b[3" not in jq.on_terminal("ls", "q", *args, env=env).out


def test_colour_can_be_switched_on(jq: Program) -> None:
    put(jq, "q", b"1")
    assert "\x1b[36mready" in jq.ok("ls", "q", "--color", "always").out


def test_a_listing_can_be_watched(jq: Program) -> None:
    put(jq, "q", b"1")
    process = jq.start("len", "q", "--watch=100ms")
    assert process.stdout is not None
    assert process.stdout.readline() == b"1\n"
    put(jq, "q", b"2")
    until(lambda: process.stdout is not None and process.stdout.readline() == b"2\n", "the new count")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130


@pytest.mark.parametrize(
    "command", [["ls-queues"], ["ls", "q"], ["dlq", "ls", "q"], ["workers"], ["backends"], ["config", "show"]]
)
def test_every_listing_takes_every_form(jq: Program, command: list[str]) -> None:
    dead(jq, "q")
    running(jq, "q")
    array = json.loads(jq.ok(*command, "--json").out)
    assert array
    assert [json.loads(line) for line in jq.ok(*command, "--jsonl").lines] == array
    first = next(iter(array[0]))
    assert jq.ok(*command, "--plain", "--columns", first).lines == [first, *(record[first] for record in array)]
    assert len(jq.ok(*command, "-q").lines) == len(array)
    assert len(jq.ok(*command, "--no-headers", "--limit", "1").lines) == 1
    for style in ("relative", "iso", "unix"):
        jq.ok(*command, "--time", style)
    assert jq(*command, "--json", "--jsonl").code == 2
    assert jq(*command, "--columns", "nope").code == 2
    assert jq(*command, "--watch=1").code == 2
    assert jq(*command, "--limit", "x").code == 2


# --- show ---


def test_a_job_is_shown_in_full(jq_on_each: Program) -> None:
    [id] = dead(jq_on_each, "q", error="Traceback\n  line 2\nValueError: no", output=b'{"stdout":"a\\nb","stderr":""}')
    text = jq_on_each.ok("show", id).out
    assert f"id               {id}\n" in text
    assert "reason           permanent\n" in text
    assert 'payload:\n  {\n    "n": 0\n  }\n' in text
    assert ": Traceback\n      line 2\n    ValueError: no\n" in text
    assert "last_error" not in text
    assert "output:\n  stdout:\n    a\n    b\n" in text


def test_jobs_are_found_with_and_without_their_queue(jq_on_each: Program) -> None:
    [a] = put(jq_on_each, "a", b"1")
    [b] = put(jq_on_each, "b", b"2")
    assert json.loads(jq_on_each.ok("show", "a", a, "--json").out)["id"] == a
    assert [record["queue"] for record in json.loads(jq_on_each.ok("show", b, a, "--json").out)] == ["b", "a"]
    assert len(jq_on_each.ok("show", "-", "--jsonl", input=f"{a}\n{b}\n").lines) == 2


def test_a_job_that_is_not_there_exits_with_3(jq_on_each: Program) -> None:
    [id] = put(jq_on_each, "q", b"1")
    missing = "01" + "0" * 24
    assert jq_on_each("show", missing).code == 3
    assert jq_on_each("show", "q", "not-an-id").code == 3
    assert jq_on_each("show", "nope", id).code == 3
    result = jq_on_each("show", "q", missing, id)
    assert result.code == 7
    assert id in result.out
    assert jq_on_each("show", "q").code == 2


def test_the_dlq_shows_dead_jobs_only(jq: Program) -> None:
    [gone] = dead(jq, "q")
    [ready] = put(jq, "q", b"1")
    assert gone in jq.ok("dlq", "show", "q", gone).out
    result = jq("dlq", "show", "q", ready)
    assert (result.code, result.out) == (4, "")
    assert "is ready, not dead" in result.err


# --- workers, backends ---


def test_workers_are_listed_with_their_state(jq_on_each: Program) -> None:
    _, alive = running(jq_on_each, "q")
    _, lost = running(jq_on_each, "q", lease=1)
    records = json.loads(jq_on_each.ok("workers", "--json").out)
    assert {record["id"]: record["state"] for record in records} == {alive: "working", lost: "dead"}
    assert records[0]["queues"] == ["q"]


def test_the_store_in_use_is_marked(jq: Program) -> None:
    (jq.home / "jq.yaml").write_text("backends: {prod: {url: 'redis://u:secret@h/0'}}")
    (jq.home / "jq.yaml").chmod(0o600)
    used = {record["name"]: record for record in json.loads(jq.ok("backends", "--json").out)}
    assert set(used) >= {"memory", "sqlite", "redis", "rediss", "redis+sentinel", "redis+cluster", "unix", "prod"}
    assert [name for name, record in used.items() if record["in_use"]] == ["sqlite"]
    assert used["prod"]["url"] == "redis://u:***@h/0"
    assert used["redis"]["source"] == "built-in"
