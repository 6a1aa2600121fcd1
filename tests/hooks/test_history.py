"""The history of jobs in a real Postgres: written whatever the store of the jobs is, and read back."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from jq_cli.errors import BackendUnreachable, UsageError
from jq_cli.hooks.emitter import Emitter
from jq_cli.hooks.event import Event
from jq_cli.hooks.history.reader import Filters, History, pattern
from jq_cli.hooks.history.table import ddl
from jq_cli.hooks.history.writer import HistoryHook
from jq_cli.hooks.spec import HookSpec
from jq_cli.ids import new_id
from tests.e2e.program import Program
from tests.hooks.conftest import Hooked
from tests.postgres_server import PostgresServer
from tests.worker.bench import call, eventually

DAY = 86_400_000
NOVEMBER = round(datetime(2026, 11, 20, tzinfo=UTC).timestamp() * 1_000)


@pytest.fixture
def schema(namespace: str) -> str:
    return f"h_{namespace}"


@pytest.fixture
def hook(postgres_url: str, schema: str) -> Iterator[HistoryHook]:
    hook = HistoryHook(postgres_url, schema=schema, retention=None)
    yield hook
    hook.close()


def event(name: str = "enqueued", **fields: Any) -> Event:
    return Event(**{
        "id": new_id(), "event": name, "at": NOVEMBER, "namespace": "t", "queue": "q", "job": "j", "attempt": 1, **fields
    })  # fmt: skip


def read(url: str, schema: str, **filters: Any) -> list[dict[str, Any]]:
    with History(url, schema) as history:
        return list(history.events(Filters(**{"namespace": "t", **filters})))


# --- the program ---


@pytest.fixture(params=["memory", "sqlite", "redis", "postgres"])
def jq(request: pytest.FixtureRequest, tmp_path: Path, namespace: str, postgres_url: str, schema: str) -> Program:
    """The program on a fresh store, its history in Postgres."""
    url = "memory://" if request.param == "memory" else request.getfixturevalue(f"{request.param}_url")
    program = Program(url, namespace, tmp_path)
    program.env["POSTGRES_DSN"] = postgres_url
    (tmp_path / "jq.yaml").write_text(f"hooks: {{history: {{schema: {schema}}}}}\n")
    return program


def test_jq_history_tells_the_life_of_jobs_on_every_store(jq: Program) -> None:
    lines = "".join(f'{{"payload": {n}, "max_retries": 1, "backoff": {{"base": 0}}}}\n' for n in range(5))
    (jq.folder / "jobs.ndjson").write_text(lines)
    jq("work", "a", "--from", "jobs.ndjson", "--until-empty", "--shell", "grep -qv 3", "-q", code=7)
    told = jq.records("history", "a")
    assert len(told) == 4 * 3 + 7
    [dead] = [each for each in told if each["event"] == "dead"]
    life = [each["event"] for each in jq.records("history", dead["job"])]
    assert life == ["dead", "failed", "started", "retried", "failed", "started", "enqueued"]
    assert (dead["reason"], dead["attempt"], "exit code 1" in dead["error"]) == ("retries", 2, True)
    assert {each["worker"] is None for each in told if each["event"] == "enqueued"} == {True}
    assert len({each["worker"] for each in told if each["event"] == "started"}) == 1
    assert jq("history", "a", "--event", "succeeded", "-q").split() == [
        each["job"] for each in told if each["event"] == "succeeded"
    ]


@pytest.mark.parametrize("jq", ["sqlite"], indirect=True)
def test_what_operators_do_is_told_by_their_commands(jq: Program) -> None:
    id = jq("enqueue", "a", "1", "--delay", "1h").strip()
    jq("promote", "a", "--id", id)
    jq("work", "a", "--until-empty", "--shell", "exit 65", "-q", code=7)
    jq("dlq", "requeue", "a", "--id", id)
    jq("work", "a", "--until-empty", "--shell", "exit 65", "-q", code=7)
    jq("dlq", "purge", "a", "--id", id, "--yes")
    assert [each["event"] for each in reversed(jq.records("history", id))] == [
        "enqueued", "promoted", "started", "failed", "dead", "requeued", "started", "failed", "dead", "removed",
    ]  # fmt: skip


@pytest.mark.parametrize("jq", ["sqlite"], indirect=True)
def test_history_filters_and_prints_as_every_listing_does(jq: Program) -> None:
    jq("enqueue", "a", "1")
    jq("enqueue", "b", "2")
    jq("work", "--until-empty", "--shell", "echo 'SMTP 550' >&2; exit 65", "-q", code=7)
    assert len(jq.records("history")) == 8
    assert [e["event"] for e in jq.records("history", "b", "--error", "*SMTP*", "--event", "dead")] == ["dead"]
    assert jq.records("history", "--error", "*LDAP*") == []
    assert len(jq.records("history", "--worker", "*:*:*")) == 6
    assert len(jq.records("history", "--since", "1h", "--until", "0s")) == 8
    assert jq.records("history", "--until", "1h") == []
    assert len(jq.records("history", "--reason", "permanent")) == 2
    assert len(json.loads(jq("history", "--json", "--limit", "3"))) == 3
    assert (
        jq("history", "a", "--event", "enqueued", "--plain", "--columns", "event,queue", "--no-headers")
        == "enqueued\ta\n"
    )
    assert jq("history", "nothing").split() == ["at", "event", "queue", "job", "attempt", "worker", "reason", "error"]
    jq("history", "--since", "nonsense", code=2)
    jq("history", "--event", "nonsense", code=2)
    jq("history", "--error", "[z-a]", code=2)


def test_the_statements_that_create_the_table_are_printed_for_those_who_apply_them(
    tmp_path: Path, postgres_server: PostgresServer, schema: str
) -> None:
    program = Program("memory://", "t", tmp_path)
    program.env["POSTGRES_DSN"] = "postgres://nobody@127.0.0.1:1/db"
    (tmp_path / "jq.yaml").write_text(f"hooks: {{history: {{schema: {schema}}}}}\n")
    postgres_server.sql(program("history", "--sql"))
    assert read(postgres_server.url, schema) == []
    assert postgres_server.sql("SELECT count(*) FROM pg_class WHERE relnamespace = %s::regnamespace", schema)[0][0] >= 3


def test_without_a_database_history_says_what_to_set(tmp_path: Path) -> None:
    done = Program("memory://", "t", tmp_path).run("history")
    assert (done.returncode, "POSTGRES_DSN" in done.stderr) == (2, True)


@pytest.mark.parametrize("dsn", [{}, {"POSTGRES_DSN": "postgres://nobody@127.0.0.1:1/db"}])
def test_without_the_driver_history_says_what_to_set_or_to_install(tmp_path: Path, dsn: dict[str, str]) -> None:
    hidden = tmp_path / "hidden" / "psycopg"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ModuleNotFoundError('no psycopg', name='psycopg')")
    program = Program("memory://", "t", tmp_path)
    program.env |= {"PYTHONPATH": str(hidden.parent), **dsn}
    done = program.run("history")
    assert done.returncode == 2
    assert ("pip install 'jq-cli[postgres]'" if dsn else "POSTGRES_DSN") in done.stderr


def test_a_history_that_does_not_answer_is_exit_5_and_fails_no_enqueue(tmp_path: Path, sqlite_url: str) -> None:
    program = Program(sqlite_url, "t", tmp_path)
    program.env["POSTGRES_DSN"] = "postgres://u:hidden@127.0.0.1:1/db"
    done = program.run("history")
    assert (done.returncode, "hidden" in done.stderr) == (5, False)
    done = program.run("enqueue", "a", "1")
    assert (done.returncode, len(done.stdout.strip())) == (0, 26)
    assert "hook history: 1 event was dropped" in done.stderr
    assert "hidden" not in done.stderr


# --- outages ---


def test_work_goes_on_without_postgres_and_history_goes_on_when_it_is_back(
    hooked: Hooked, own_postgres: PostgresServer
) -> None:
    spec = HookSpec("history", "history", options={"url": own_postgres.url})
    bench = hooked(spec)
    [first] = bench.put(1)
    eventually(lambda: bench.emitter.pump() or bench.emitter.counts()["history"].sent == 1, "the first is written")
    own_postgres.kill()
    ids = bench.put(*range(100))
    assert bench.work(call("double"), processes=2) == 0
    assert {bench.job(id).state for id in [first, *ids]} == {"succeeded"}
    eventually(lambda: bench.emitter.pump() or bench.emitter.counts()["history"].error, "the trouble is told")
    own_postgres.start()
    eventually(
        lambda: bench.emitter.pump() or bench.emitter.counts()["history"].sent == 303, "the rest is written", 60.0
    )
    emitter: Emitter = bench.emitter
    assert emitter.counts()["history"].dropped == 0
    assert len(read(own_postgres.url, "jq_history")) == 303


def test_a_batch_whose_answer_was_lost_is_there_once(hook: HistoryHook, postgres_url: str, schema: str) -> None:
    batch = [event(), event("started")]
    hook.deliver(batch)
    hook.deliver(batch)
    assert [each["event"] for each in read(postgres_url, schema)] == ["started", "enqueued"]


def test_a_connection_that_was_ended_is_made_again(
    hook: HistoryHook, postgres_server: PostgresServer, schema: str
) -> None:
    hook.deliver([event()])
    assert hook._table is not None
    pid = hook._table.connection.info.backend_pid
    postgres_server.sql("SELECT pg_terminate_backend(%s)", pid)
    with pytest.raises(psycopg.OperationalError):
        hook.deliver([event("started")])
    hook.deliver([event("started")])
    assert len(read(postgres_server.url, schema)) == 2


# --- the table ---


def test_months_get_partitions_and_go_as_a_whole_when_their_time_is_over(
    postgres_server: PostgresServer, schema: str
) -> None:
    now = [NOVEMBER / 1_000]
    hook = HistoryHook(postgres_server.url, schema=schema, retention=30 * 86_400, now=lambda: now[0])
    hook.deliver([event(at=NOVEMBER - n * 31 * DAY) for n in range(4)])
    months = postgres_server.sql(
        "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind = 'r'", schema
    )
    assert sorted(name for (name,) in months) == ["event_2026_10", "event_2026_11"]
    assert len(read(postgres_server.url, schema)) == 2
    now[0] += 60 * 86_400
    hook.deliver([event(at=round(now[0] * 1_000))])
    assert len(read(postgres_server.url, schema)) == 1
    hook.close()


def test_text_that_postgres_cannot_hold_is_written_escaped(postgres_url: str, schema: str) -> None:
    hook = HistoryHook(postgres_url, schema=schema, payload=True)
    now = round(datetime.now(UTC).timestamp() * 1_000)
    hook.deliver([event("failed", at=now, error="nul \0 and half \ud800", payload=b'\xff"\x00"')])
    hook.close()
    [told] = read(postgres_url, schema)
    assert (told["error"], told["payload"]) == ("nul \\x00 and half \\ud800", '\\xff"\\x00"')


def test_many_writers_may_begin_at_once(postgres_url: str, schema: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def write(n: int) -> None:
        hook = HistoryHook(postgres_url, schema=schema, retention=None)
        hook.deliver([event(at=NOVEMBER + n * 31 * DAY) for n in range(3)])
        hook.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(16)))
    assert len(read(postgres_url, schema)) == 48


def test_a_role_that_may_create_nothing_writes_to_a_table_that_is_there(
    postgres_server: PostgresServer, schema: str
) -> None:
    role = f"w_{schema}"
    for statement in (
        ddl(schema),
        f"CREATE TABLE {schema}.event_2026_11 PARTITION OF {schema}.event "
        "FOR VALUES FROM ('2026-11-01+00') TO ('2026-12-01+00')",
        f"CREATE ROLE {role} LOGIN PASSWORD 'x'",
        f"GRANT USAGE ON SCHEMA {schema} TO {role}",
        f"GRANT SELECT, INSERT ON {schema}.event TO {role}",
    ):
        postgres_server.sql(statement)
    url = postgres_server.url.replace("postgres:secret", f"{role}:x")
    hook = HistoryHook(url, schema=schema, retention=None)
    hook.deliver([event()])
    hook.close()
    assert len(read(url, schema)) == 1


def test_events_are_read_page_by_page_each_once(
    hook: HistoryHook, postgres_url: str, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jq_cli.hooks.history.reader.PAGE", 3)
    hook.deliver([event(at=NOVEMBER + n // 4) for n in range(10)])
    told = read(postgres_url, schema)
    assert [(e["at"], e["id"]) for e in told] == sorted(((e["at"], e["id"]) for e in told), reverse=True)
    assert len({e["id"] for e in told}) == 10
    with History(postgres_url, schema) as history:
        assert [e["id"] for e in history.events(Filters(namespace="t"), limit=4)] == [e["id"] for e in told[:4]]


def test_namespaces_do_not_see_each_other(hook: HistoryHook, postgres_url: str, schema: str) -> None:
    hook.deliver([event(), event(namespace="other")])
    assert len(read(postgres_url, schema)) == len(read(postgres_url, schema, namespace="other")) == 1


@pytest.mark.parametrize(
    ("glob", "matches", "differs"),
    [
        ("SMTP*", "SMTP 550\nmore", "an SMTP"),
        ("a.b", "a.b", "axb"),
        ("?(x)$", "1(x)$", "12(x)$"),
        ("[0-9]*", "5xx", "xx"),
        ("[!0-9]", "x", "5"),
        ("[", "[", "x"),
        ("a\\d", "a\\d", "a5"),
    ],
)
def test_patterns_match_as_those_of_the_shell_do(
    postgres_server: PostgresServer, glob: str, matches: str, differs: str
) -> None:
    assert postgres_server.sql("SELECT %s ~ %s, %s ~ %s", matches, pattern(glob), differs, pattern(glob)) == [
        (True, False)
    ]


def test_a_pattern_that_is_none_is_wrong_usage(hook: HistoryHook, postgres_url: str, schema: str) -> None:
    hook.deliver([event()])
    with pytest.raises(UsageError, match="pattern"):
        read(postgres_url, schema, error="[z-a]")


def test_a_history_that_was_never_written_is_empty(postgres_url: str, schema: str) -> None:
    assert read(postgres_url, schema) == []


def test_no_answer_is_unreachable() -> None:
    with pytest.raises(BackendUnreachable):
        read("postgres://u:p@127.0.0.1:1/db", "s")
