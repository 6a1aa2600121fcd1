"""`jq check` and `jq stats`: what monitoring asks, on each store."""

import json
import re

import pytest

from tests.cli.program import Program, until
from tests.cli.stored import dead, put


@pytest.fixture
def shop(jq_on_each: Program) -> Program:
    put(jq_on_each, "emails", b"1", b"2", b"3")
    dead(jq_on_each, "builds")
    return jq_on_each


def test_a_queue_within_its_limits_is_fine_and_one_beyond_is_not(shop: Program) -> None:
    assert shop.ok("check", "emails", "--max-ready", "3", "--max-dead", "0").lines == [
        "queue   measure  value  max  status",
        "emails  ready        3    3  ok",
        "emails  dead         0    0  ok",
    ]
    result = shop("check", "--max-ready", "2", "--max-dead", "1", "--json")
    assert result.code == 9
    assert json.loads(result.out) == [
        {"queue": "builds", "measure": "ready", "value": 0, "warn": 2, "max": 2, "status": "ok"},
        {"queue": "builds", "measure": "dead", "value": 1, "warn": 1, "max": 1, "status": "ok"},
        {"queue": "emails", "measure": "ready", "value": 3, "warn": 2, "max": 2, "status": "critical"},
        {"queue": "emails", "measure": "dead", "value": 0, "warn": 1, "max": 1, "status": "ok"},
    ]


def test_a_warning_is_shown_and_fails_nothing(shop: Program) -> None:
    result = shop.ok("check", "emails", "--max-ready", "4", "--warn-at", "50", "--plain", "--no-headers")
    assert result.out == "emails\tready\t3\t4\twarning\n"


def test_an_old_job_is_found(shop: Program) -> None:
    until(lambda: shop("check", "--max-age", "10ms").code == 9, "the oldest job is ten milliseconds old")
    assert shop("check", "--max-age", "1d").code == 0
    assert shop("check", "builds", "--max-age", "0").code == 0


@pytest.mark.parametrize(
    ("options", "code", "line"),
    [
        (["--max-ready", "3"], 0, "JQ OK - 2 queues within limits | 'builds ready'=0;3;3;0 'emails ready'=3;3;3;0"),
        (
            ["emails", "--max-ready", "4", "--warn-at", "50"],
            1,
            "JQ WARNING - emails: ready 3 is more than 2 | 'emails ready'=3;2;4;0",
        ),
        (
            ["builds", "emails", "--max-dead", "0", "--max-ready", "2", "--warn-at", "50"],
            2,
            "JQ CRITICAL - builds: dead 1 is more than 0; emails: ready 3 is more than 2 | "
            "'builds ready'=0;1;2;0 'builds dead'=1;0;0;0 'emails ready'=3;1;2;0 'emails dead'=0;0;0;0",
        ),
    ],
)
def test_nagios_gets_one_line_and_its_own_codes(shop: Program, options: list[str], code: int, line: str) -> None:
    result = shop("check", "--nagios", *options)
    assert (result.code, result.lines) == (code, [line])


def test_nagios_hears_of_trouble_in_its_own_way(shop: Program) -> None:
    unknown = shop("check", "nope", "--max-ready", "1", "--nagios")
    assert (unknown.code, unknown.out.startswith("JQ UNKNOWN - no such queue: nope")) == (3, True)
    down = shop("--backend", "redis://127.0.0.1:1/0", "check", "--max-ready", "1", "--nagios")
    assert (down.code, down.out.startswith("JQ CRITICAL - ")) == (2, True)
    assert shop("check", "nope", "--max-ready", "1").code == 3
    assert shop("--backend", "redis://127.0.0.1:1/0", "check", "--max-ready", "1").code == 5


def test_prometheus_gets_gauges(shop: Program) -> None:
    result = shop("check", "emails", "--max-ready", "2", "--max-dead", "5", "--prometheus")
    assert result.code == 9
    assert result.lines == [
        "# HELP jq_queue_ready Jobs that are ready to run.",
        "# TYPE jq_queue_ready gauge",
        'jq_queue_ready{queue="emails"} 3',
        "# HELP jq_queue_dead Jobs in the dead letter queue.",
        "# TYPE jq_queue_dead gauge",
        'jq_queue_dead{queue="emails"} 0',
        "# HELP jq_check_ok Whether a queue is within a limit: 1 or 0.",
        "# TYPE jq_check_ok gauge",
        'jq_check_ok{queue="emails",check="max_ready"} 0',
        'jq_check_ok{queue="emails",check="max_dead"} 1',
    ]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["check"], "name a limit: --max-ready, --max-age or --max-dead"),
        (["check", "--max-age", "5"], "needs a unit"),
        (["check", "--max-ready", "-1"], "max-ready"),
        (["check", "--max-ready", "1", "--nagios", "--json"], "exclude each other"),
        (["check", "--max-ready", "1", "--nagios", "--prometheus"], "exclude each other"),
        (["stats", "--over", "1ms"], "--over: expected 100ms to 1h, got 1ms"),
    ],
)
def test_bad_input_is_named(jq: Program, arguments: list[str], problem: str) -> None:
    result = jq(*arguments)
    assert (result.code, result.out) == (2, "")
    assert problem in result.err


def test_totals_outlive_the_jobs(shop: Program) -> None:
    shop.ok("dlq", "purge", "builds", "--all", "--yes")
    assert shop.ok("stats").lines == [
        "queue   ready  enqueued  succeeded  failed  dead",
        "builds      0         1          0       1  1",
        "emails      3         3          0       0  0",
    ]
    assert shop("stats", "nope").code == 3


def test_rates_are_those_of_the_time_between_two_looks(shop: Program) -> None:
    [line] = shop.ok("stats", "emails", "--over", "100ms", "--plain", "--no-headers").lines
    assert line == "emails\t3\t0.0\t0.0\t0.0\t0.0"
    process = shop.start("stats", "emails", "--watch=500ms", "--jsonl", "--columns", "total_enqueued,enqueued_per_s")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline()) == {"total_enqueued": 3, "enqueued_per_s": None}
    put(shop, "emails", b"4", b"5")
    counted = {3: 0.0}
    while 5 not in counted:
        record = json.loads(process.stdout.readline())
        counted[record["total_enqueued"]] = record["enqueued_per_s"]
    assert counted[5] > 0
    process.terminate()
    process.communicate(timeout=30)
    assert re.match(r"^[\d.]+$", str(counted[5]))


def test_latencies_are_those_of_the_jobs_that_are_kept(shop: Program) -> None:
    shop.ok("work", "emails", "--until-empty", "--shell", "sleep 0.2")
    [line] = shop.ok("stats", "emails", "--latency").lines[1:]
    assert line.split()[:3] == ["emails", "0", "3"]
    [told] = json.loads(shop.ok("stats", "emails", "--latency", "--json").out)
    assert 0.2 <= told["run_p50"] <= told["run_p95"] <= told["run_p99"]
    assert 0 <= told["wait_p50"] <= told["wait_p95"] <= told["wait_p99"]
    [plainly] = json.loads(shop.ok("stats", "emails", "--json").out)
    assert (plainly["run_p50"], plainly["latency_jobs"]) == (None, None)
    [other] = json.loads(shop.ok("stats", "builds", "--latency", "--json").out)
    assert (other["latency_jobs"], other["run_p99"]) == (0, None)
