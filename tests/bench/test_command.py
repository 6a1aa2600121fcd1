"""`jq bench` on every store, at sizes that take no time: what it prints, and what it leaves behind, which is nothing."""

import json
import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from jq_cli.bench.suite import MEASURES
from tests.cli.program import Program, until
from tests.moto_server import CREDENTIALS
from tests.postgres_server import PostgresServer
from tests.servers import RedisServer
from tests.serving import Serving

SOAK = "JQ_SOAK" in os.environ
STORES = ["memory", "sqlite", "redis", "postgres", "folder", "http"] if SOAK else ["memory", "sqlite"]
TINY = ("--jobs", "20", "--batch", "1,5", "--processes", "1", "--rounds", "1", "--max-time", "1s")

ENDLESS = ("--jobs", "5000", "--max-time", "10m", "--rounds", "1000", "--processes", "1")


def rows(path: Path) -> int:
    """What the tables of a SQLite store hold, its version aside."""
    with sqlite3.connect(path) as connection:
        tables = ("namespaces", "queues", "totals", "jobs", "payloads", "outputs", "keys", "notes")
        return sum(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables)


def nothing() -> bool:
    return True


def place(request: pytest.FixtureRequest, kind: str, tmp_path: Path, namespace: str) -> tuple[str, Callable[[], bool]]:
    """The URL of a store, and what tells whether a benchmark in a namespace beside this one has left nothing."""
    get = request.getfixturevalue
    match kind:
        case "sqlite":
            return get("sqlite_url"), lambda: rows(tmp_path / "jq.db") == 0
        case "redis":
            server: RedisServer = get("redis_server")
            return server.url, lambda: server.command("KEYS", f"{namespace}*") == []
        case "postgres":
            postgres: PostgresServer = get("postgres_server")
            return postgres.url, lambda: schemas(postgres.url, f"jq_{namespace}%") == []
        case "folder":
            return get("folder_url"), lambda: list((tmp_path / "store").iterdir()) == []
        case "http":
            served: Serving = get("memory_server")
            return served.url, nothing
    return "memory://", nothing


def schemas(url: str, pattern: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE %s", (pattern,)).fetchall()


@pytest.mark.parametrize("kind", STORES)
def test_everything_is_measured_on_each_store_and_nothing_stays(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path, namespace: str
) -> None:
    url, left_nothing = place(request, kind, tmp_path, namespace)
    document = json.loads(Program(tmp_path, url, namespace).ok("bench", *TINY, "--json").out)
    figures = {(each["measure"], each["batch"], each["processes"]): each for each in document["figures"]}
    assert set(figures) == {
        ("enqueue", None, None),
        ("bulk", 1000, None),
        *((measure, batch, None) for measure in ("claim", "settle", "turn") for batch in (1, 5)),
        *((measure, None, 1) for measure in ("pool", "pool-5ms", "wake", "recovery")),
    }
    assert {name: each["jobs"] for name, each in figures.items() if not each["jobs"]} == {}
    for (measure, _, _), each in figures.items():
        assert bool(each["p50_ms"]) == (not measure.startswith("pool")), each
        assert bool(each["per_s"]) == (measure not in ("wake", "recovery")), each
    assert left_nothing()


def test_the_table_has_a_line_for_each_figure(jq: Program) -> None:
    lines = jq.ok("bench", "enqueue", "claim", *TINY).lines
    assert lines[0].split()[:5] == ["measure", "batch", "processes", "jobs", "jobs/s"]
    assert [line.split()[:3] for line in lines[1:]] == [
        ["enqueue", "-", "-"],
        *([measure, batch, "-"] for batch in "15" for measure in ("claim", "settle")),
    ]


def test_requests_are_told_where_they_cost_something(tmp_path: Path, s3_url: str) -> None:
    jq = Program(tmp_path, s3_url)
    jq.env |= CREDENTIALS
    document = json.loads(
        jq.ok("bench", "bulk", "turn", "--jobs", "20", "--batch", "10", "--rounds", "1", "--json").out
    )
    bulk, turn = (each["requests_per_job"] for each in document["figures"])
    assert 0 < bulk < turn < 1
    assert "requests_per_job" in jq.ok("bench", "bulk", *TINY).lines[0]


def test_rounds_are_told_apart_in_json(jq: Program) -> None:
    document = json.loads(jq.ok("bench", "enqueue", "bulk", "--jobs", "10", "--rounds", "2", "--json").out)
    assert [len(each["rounds"]) for each in document["figures"]] == [2, 2]
    assert [each["jobs"] for each in document["figures"]] == [20, 20]
    assert (document["options"]["jobs"], document["options"]["rounds"]) == (10, 2)
    assert document["store"].startswith("sqlite:///")


def test_latencies_are_drawn_on_a_terminal_and_elsewhere_when_asked_for(jq: Program) -> None:
    assert "█" not in jq.ok("bench", "enqueue", *TINY).out
    assert "█" in jq.ok("bench", "enqueue", *TINY, "--histogram").out
    assert "##" in jq.ok("bench", "enqueue", *TINY, "--histogram", env={"PYTHONIOENCODING": "ascii"}).out
    shown = jq.on_terminal("bench", "enqueue", *TINY)
    assert (shown.code, "█" in shown.out) == (0, True), shown
    assert "█" not in jq.on_terminal("bench", "enqueue", *TINY, "--no-histogram").out


@pytest.mark.parametrize("measure", ["enqueue", "pool-5ms", "wake"])
def test_ctrl_c_ends_it_and_the_namespace_is_removed(jq: Program, tmp_path: Path, measure: str) -> None:
    process = jq.start("bench", measure, *ENDLESS)

    def under_way() -> bool:
        path = tmp_path / "jq.db"
        if not path.exists():
            return False
        with sqlite3.connect(path) as connection:
            try:
                [count] = connection.execute(
                    "SELECT coalesce(sum(count), 0) FROM totals JOIN queues ON number = queue "
                    "WHERE queues.name <> 'warm-up' AND totals.name = ?",
                    ("enqueued" if measure == "enqueue" else "succeeded",),
                ).fetchone()
            except sqlite3.OperationalError:  # no tables yet
                return False
        return bool(count)

    until(under_way, "the measure is under way")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, b"Traceback" in err) == (130, False), err
    assert rows(tmp_path / "jq.db") == 0


@pytest.mark.parametrize("measure", ["enqueue", "pool-5ms"])
def test_a_store_that_goes_away_is_an_error_that_names_what_is_left(
    tmp_path: Path, own_redis: RedisServer, measure: str
) -> None:
    jq = Program(tmp_path, own_redis.url, "ns")
    process = jq.start("bench", measure, *ENDLESS)
    part = "totals" if measure == "enqueue" else "succeeded"
    until(lambda: own_redis.command("KEYS", f"ns-bench-*:{{{measure}}}:{part}"), "jobs go through")
    own_redis.kill()
    _, err = process.communicate(timeout=60)
    assert (process.returncode, b"Traceback" in err) == (5, False), err
    assert b"the namespace ns-bench-" in err, err


def test_a_store_that_does_not_tell_namespaces_apart_is_left_alone(
    tmp_path: Path, postgres_url: str, namespace: str
) -> None:
    jq = Program(tmp_path, f"{postgres_url}?schema={namespace}")
    jq.ok("enqueue", "q", "1")
    result = jq("bench", "enqueue", *TINY)
    assert (result.code, "does not tell namespaces apart" in result.err) == (2, True), result
    assert jq.ok("len", "q").out == "1\n"


def test_in_production_it_wants_to_be_told_yes(jq: Program) -> None:
    (jq.home / "jq.yaml").write_text("profiles: {prod: {production: true}}\n")
    refused = jq("bench", "enqueue", *TINY, "--profile", "prod")
    assert (refused.code, refused.out) == (2, "")
    assert "in production (profile prod)" in refused.err
    jq.ok("bench", "enqueue", *TINY, "--profile", "prod", "--yes")


def test_hooks_are_not_told_of_it(jq: Program) -> None:
    (jq.home / "jq.yaml").write_text(
        "hooks: {nowhere: {type: webhook, url: 'http://127.0.0.1:9/', allow_private: true}}\n"
    )
    assert jq.ok("bench", "enqueue", *TINY).err == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--batch", "0"], "--batch: expected 1 to 1,000, got 0"),
        (["--batch", "1001"], "--batch: expected 1 to 1,000, got 1001"),
        (["--batch", "1,x"], "--batch: expected whole numbers such as 1,10, got '1,x'"),
        (["--processes", "1025"], "--processes: expected 1 to 1,024, got 1025"),
        (["--max-time", "5"], "needs a unit"),
        (["--max-time", "1ms"], "--max-time: expected 10ms to 1h, got 1ms"),
        (["--jobs", "0"], "--jobs"),
        (["--payload-size", "1"], "--payload-size"),
        (["--rounds", "0"], "--rounds"),
        (["everything"], "'everything' is not one of"),
    ],
    ids=lambda part: "-".join(part) if isinstance(part, list) else "",
)
def test_bad_input_is_named_with_its_bounds(jq: Program, arguments: list[str], said: str) -> None:
    result = jq("bench", *arguments)
    assert (result.code, result.out) == (2, "")
    assert said in result.err


def test_measures_are_named_in_the_help(jq: Program) -> None:
    shown = " ".join(jq.ok("bench", "--help").out.split())
    assert all(measure in shown for measure in MEASURES)
