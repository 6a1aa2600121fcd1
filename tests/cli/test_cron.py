"""`jq cron` as an operator uses it, on each store."""

import json
import signal
from typing import Any

import pytest

from tests.cli.program import Program, until

FILE = """
schedules:
  nightly:
    cron: "30 2 * * *"
    timezone: Europe/Berlin
    queue: reports
    payload: {kind: full}
"""


def listed(jq: Program) -> dict[str, dict[str, Any]]:
    return {record["name"]: record for record in json.loads(jq.ok("cron", "ls", "--json").out)}


def test_a_schedule_is_added_listed_changed_and_removed(jq_on_each: Program) -> None:
    jq = jq_on_each
    added = jq.ok(
        "cron",
        "add",
        "nightly",
        "30  2 * * *",
        "reports",
        '{"kind": "full"}',
        "--tz",
        "Europe/Berlin",
        "--timeout",
        "1h",
    )
    assert (added.out, "schedule nightly fires next at 20" in added.err) == ("", True)
    record = listed(jq)["nightly"]
    expected = {
        "state": "active", "cron": "30 2 * * *", "timezone": "Europe/Berlin", "queue": "reports", "payload": {"kind": "full"},
        "timeout": 3600.0, "source": "store", "catch_up": "skip", "overlap": "allow", "last_fire": None, "lag": 0.0, "fired": 0,
    }  # fmt: skip
    assert {name: record[name] for name in expected} == expected
    assert record["next_fire"] > 0
    jq.ok(
        "cron",
        "edit",
        "nightly",
        "--cron",
        "@hourly",
        "--overlap",
        "queue-one",
        "--unset",
        "timeout",
        "--payload",
        "text",
    )
    record = listed(jq)["nightly"]
    assert (record["cron"], record["overlap"], record["timeout"], record["payload"]) == (
        "@hourly",
        "queue-one",
        None,
        "text",
    )
    assert jq.ok("cron", "ls", "-q").lines == ["nightly"]
    assert "schedule nightly is removed" in jq.ok("cron", "rm", "nightly").err
    assert jq.ok("cron", "ls", "--json").out == "[]\n"


def test_every_form_of_the_listing_is_there(jq: Program) -> None:
    jq.ok("cron", "add", "s", "0 0 1 1 *", "q")
    assert jq.ok("cron", "ls").lines[0].split() == [
        "name", "state", "cron", "timezone", "queue", "last_fire", "next_fire", "lag", "last_outcome",
    ]  # fmt: skip
    assert (
        jq.ok("cron", "ls", "--plain", "--no-headers", "--columns", "name,cron,source").out == "s\t0 0 1 1 *\tstore\n"
    )
    assert json.loads(jq.ok("cron", "ls", "--jsonl").out)["name"] == "s"
    assert jq.ok("cron", "ls", "--limit", "0", "--time", "unix", "--columns", "next_fire", "--no-headers").out.endswith(
        ".000\n"
    )


def test_a_schedule_that_is_there_is_not_added_again(jq_on_each: Program) -> None:
    jq_on_each.ok("cron", "add", "s", "@daily", "q")
    result = jq_on_each("cron", "add", "s", "@hourly", "q")
    assert result.code == 4
    assert "schedule s is there already; jq cron edit s changes it" in result.err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["s", "* * * *", "q"], "cron: expected 5 fields, or 6 with seconds first, got 4"),
        (["s", "61 * * * *", "q"], "cron: minute: 61 is not in 0..59"),
        (["s", "0 0 30 2 *", "q"], "never fires"),
        (["s", "@daily", "q", "--tz", "Europe/Berln"], "did you mean Europe/Berlin"),
        (["s", "@daily", "bad queue"], "queue: 'bad queue' is not a name"),
        (["bad name", "@daily", "q"], "schedule: 'bad name' is not a name"),
        (["s", "@daily", "q", "{broken"], "payload: not valid JSON"),
        (["s", "@daily", "q", "--priority", "5000"], "priority: expected -1000..1000, got 5000"),
        (["s", "@daily", "q", "--timeout", "5"], "needs a unit"),
        (["s", "@daily", "q", "--overlap", "never"], "overlap"),
        (["s", "@daily", "q", "--header", "x"], "expected KEY=VALUE"),
    ],
)
def test_bad_input_is_named_and_nothing_is_stored(jq: Program, arguments: list[str], problem: str) -> None:
    result = jq("cron", "add", *arguments)
    assert (result.code, result.out) == (2, "")
    assert problem in result.err
    assert jq.ok("cron", "ls", "-q").out == ""


def test_next_shows_local_time_and_utc_without_a_store(bare: Program) -> None:
    arguments = ["30 2 * * *", "--tz", "Europe/Berlin", "--after", "2026-03-28T12:00:00Z", "--count", "2"]
    assert bare.ok("cron", "next", *arguments).lines == [
        "local                      tick",
        "2026-03-29T03:00:00+02:00  2026-03-29T01:00:00.000Z",
        "2026-03-30T02:30:00+02:00  2026-03-30T00:30:00.000Z",
    ]
    assert bare.ok("cron", "next", *arguments, "-q").lines == ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]
    [first, _] = json.loads(bare.ok("cron", "next", *arguments, "--json").out)
    assert first == {"local": "2026-03-29T03:00:00+02:00", "tick": 1774746000000}
    assert not (bare.home / ".local").exists()
    assert bare("cron", "next", "0 0 30 2 *").code == 2


def test_next_of_a_schedule_uses_its_zone_or_another(jq_on_each: Program) -> None:
    jq_on_each.ok("cron", "add", "noon", "0 12 * * *", "q", "--tz", "Asia/Tokyo")
    assert all(line.endswith("T12:00:00+09:00") for line in jq_on_each.ok("cron", "next", "noon", "-q").lines)
    assert jq_on_each.ok("cron", "next", "noon", "-q", "--tz", "UTC", "--count", "1").out.endswith("T12:00:00+00:00\n")
    result = jq_on_each("cron", "next", "nooon")
    assert result.code == 3
    assert "no such schedule: nooon; did you mean noon?" in result.err


def test_pausing_and_resuming_report_each_and_go_on_after_an_error(jq_on_each: Program) -> None:
    jq = jq_on_each
    jq.ok("cron", "add", "a", "@daily", "q")
    jq.ok("cron", "add", "b", "@daily", "q")
    result = jq("cron", "pause", "a", "nope", "b", "--reason", "\x1b[31mholidays")
    assert result.code == 7
    assert "no such schedule: nope" in result.err
    records = listed(jq)
    assert {record["state"] for record in records.values()} == {"paused"}
    assert (records["a"]["next_fire"], records["a"]["paused_reason"]) == (None, "\x1b[31mholidays")
    assert "\x1b" not in jq.ok("cron", "ls", "--json").out
    jq.ok("cron", "resume", "a", "b")
    assert {record["state"] for record in listed(jq).values()} == {"active"}
    assert jq("cron", "resume", "nope").code == 3


def test_trigger_makes_the_job_now(jq_on_each: Program) -> None:
    jq = jq_on_each
    jq.ok("cron", "add", "s", "@yearly", "q", '{"n": 1}', "--overlap", "skip")
    id = jq.ok("cron", "trigger", "s").out.strip()
    job = json.loads(jq.ok("show", "q", id, "--json").out)
    assert (job["schedule"], job["payload"]) == ("s", {"n": 1})
    again = jq("cron", "trigger", "s")
    assert (again.code, again.out) == (4, "")
    assert f"job {id} has not ended" in again.err
    assert jq.ok("cron", "trigger", "s", "--force").out.strip() != id


def test_a_schedule_of_the_file_is_listed_with_its_place_and_changed_there(jq_on_each: Program) -> None:
    jq = jq_on_each
    (jq.home / "jq.yaml").write_text(FILE)
    record = listed(jq)["nightly"]
    assert (record["source"], record["where"], record["payload"]) == ("file", "jq.yaml line 3", {"kind": "full"})
    for change in (["edit", "nightly", "--priority", "1"], ["rm", "nightly"], ["add", "nightly", "@daily", "q"]):
        result = jq("cron", *change)
        assert result.code == 4
        assert "defined in jq.yaml line 3" in result.err
    shown = jq.ok("config", "show", "--plain", "--no-headers").lines
    assert "schedules.nightly.cron\t30 2 * * *\tjq.yaml line 4" in shown
    assert 'schedules.nightly.payload\t{"kind":"full"}\tjq.yaml line 7' in shown
    jq.ok("cron", "pause", "nightly")
    assert listed(jq)["nightly"]["state"] == "paused"
    jq.ok("cron", "trigger", "nightly")
    assert jq.ok("len", "reports").out == "1\n"


def test_mistakes_in_the_file_are_reported_at_once_with_their_lines(bare: Program) -> None:
    (bare.home / "jq.yaml").write_text(
        "schedules:\n  a: {cron: '61 * * * *', queue: q}\n  b: {cron: '@daily', queue: q, timezone: Mars}\n  c: {cron: '@daily'}\n"
        "  'd d': {cron: '@daily', queue: q}\n  e: {cron: '@daily', queue: q, overlap: no, colour: red, retries: 3}\n  f: {queue: 'a b'}\n"
    )
    result = bare("config", "check")
    assert result.code == 2
    for problem in (
        "cron: minute: 61 is not in 0..59 (schedules.a.cron, jq.yaml line 2)",
        "timezone: 'Mars' is not an IANA time zone",
        "a schedule needs a queue (schedules.c, jq.yaml line 4)",
        "'d d' is not a name",
        "expected overlap to be allow or skip or queue-one, got no (schedules.e.overlap, jq.yaml line 6)",
        "unknown option 'colour'",
        "unknown option 'retries'",
        "a schedule needs a cron (schedules.f, jq.yaml line 7)",
        "'a b' is not a name",
    ):
        assert problem in result.err, problem
    assert "a schedule needs a cron (schedules.a" not in result.err


def test_schedules_and_zones_are_completed(jq_on_each: Program) -> None:
    jq_on_each.ok("cron", "add", "nightly", "@daily", "q")
    for command in ("next", "edit", "rm", "pause", "resume", "trigger"):
        assert jq_on_each.ok("__complete", "cron", command, "n").out.split("\t")[0] == "nightly", command
    offered = jq_on_each.ok("__complete", "cron", "add", "x", "@daily", "q", "--tz", "Europe/Be").lines
    assert [line.split("\t")[0] for line in offered] == ["Europe/Belfast", "Europe/Belgrade", "Europe/Berlin"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_cron_run_ends_with_a_signal(jq_on_each: Program, number: signal.Signals, code: int) -> None:
    jq = jq_on_each
    jq.ok("cron", "add", "s", "* * * * * *", "q")
    process = jq.start("cron", "run")
    until(lambda: int(jq.ok("len", "q").out) >= 2 if listed(jq)["s"]["fired"] else False, "two ticks fire")
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert b"schedule s: job " in err


def test_cron_run_reads_the_file_again_when_told(jq: Program) -> None:
    process = jq.start("cron", "run")
    assert process.stderr is not None
    assert b"scheduler on" in process.stderr.readline()
    for text, said in ((FILE.replace("30 2", "bad"), b"the old configuration stays"), (FILE, b"was read again")):
        (jq.home / "jq.yaml").write_text(text)
        process.send_signal(signal.SIGHUP)
        assert said in process.stderr.readline()
    until(lambda: "nightly" in jq.ok("cron", "ls", "-q", env={"JQ_CONFIG": "/dev/null"}).lines, "the schedule is seen")
    process.terminate()
    process.communicate(timeout=30)


def test_cron_run_waits_for_a_store_that_is_down(bare: Program, own_redis: Any, namespace: str) -> None:
    jq = Program(bare.home, own_redis.url, namespace)
    jq.ok("cron", "add", "s", "* * * * * *", "q")
    process = jq.start("cron", "run", "-q")
    assert process.stderr is not None
    process.stderr.readline()
    until(lambda: listed(jq)["s"]["fired"] >= 1, "it fires")
    own_redis.kill()
    assert b"trying again" in process.stderr.readline()
    own_redis.start()
    assert b"the store answers again" in process.stderr.readline()
    fired = listed(jq)["s"]["fired"]
    until(lambda: listed(jq)["s"]["fired"] > fired, "it fires again")
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 143


def test_production_is_asked_before_schedules_stop_or_change(jq: Program) -> None:
    (jq.home / "jq.yaml").write_text("profiles:\n  prod: {production: true}\n")
    jq.ok("cron", "add", "s", "@daily", "q")
    for change in (["pause", "s"], ["rm", "s"], ["edit", "s", "--priority", "1"]):
        refused = jq("--profile", "prod", "cron", *change)
        assert (refused.code, "say --yes" in refused.err) == (2, True), change
    assert listed(jq)["s"]["state"] == "active"
    jq.ok("--profile", "prod", "cron", "pause", "s", "--yes")
    assert listed(jq)["s"]["state"] == "paused"
