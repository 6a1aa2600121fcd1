"""Versions of the schema, who may make it, and `jq db`."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jq_cli.backends.postgres import schema as postgres_schema
from jq_cli.backends.postgres.address import schema_of
from jq_cli.backends.postgres.schema import VERSION, migration
from jq_cli.errors import BackendError, InvalidField, NotAuthorised, UsageError
from tests.backends.postgres_jobs import claim, counted, draft, opened, put, succeed
from tests.cli.program import Program
from tests.postgres_server import PostgresServer


@pytest.fixture
def jq(tmp_path: Path, postgres_url: str, namespace: str) -> Program:
    return Program(tmp_path, postgres_url, namespace)


@pytest.fixture
def next_version(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A release whose schema has one more column, and which programs of the version before can use."""
    later = "ALTER TABLE :schema.notes ADD COLUMN written_at bigint NOT NULL DEFAULT 5;\n"
    monkeypatch.setattr(postgres_schema, "VERSION", VERSION + 1)
    monkeypatch.setattr(postgres_schema, "migration", lambda n: later if n == VERSION + 1 else migration(n))
    return monkeypatch


def role(server: PostgresServer, name: str) -> str:
    """The URL for a new role that may nothing."""
    server.sql(f"CREATE ROLE \"{name}\" LOGIN PASSWORD 'secret'")
    return server.url.replace("postgres:secret@", f"{name}:secret@")


def test_the_first_use_makes_the_schema(postgres_url: str, namespace: str) -> None:
    with opened(postgres_url, namespace=namespace) as store:
        put(store)
        assert store.schema.status().usable
        assert store.schema.status().name == f"jq_{namespace}"


def test_of_many_first_uses_at_once_one_makes_the_schema(postgres_server: PostgresServer, namespace: str) -> None:
    def use(_number: int) -> int:
        with opened(postgres_server.url, namespace=namespace) as store:
            return len(put(store))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(use, range(8))) == [1] * 8
    assert postgres_server.sql(f'SELECT count(*) FROM "jq_{namespace}".meta') == [(1,)]


def test_a_role_that_may_not_make_a_schema_is_told_what_to_do(postgres_server: PostgresServer, namespace: str) -> None:
    with (
        opened(role(postgres_server, namespace), namespace=namespace) as store,
        pytest.raises(NotAuthorised) as refused,
    ):
        put(store)
    assert "jq db init" in str(refused.value)
    assert "jq db sql" in str(refused.value)
    assert ":secret" not in str(refused.value)


def test_a_role_with_the_documented_rights_can_do_everything(postgres_server: PostgresServer, namespace: str) -> None:
    with opened(postgres_server.url, namespace=namespace) as owner:
        owner.schema.init()
    postgres_server.sql(f'REVOKE ALL ON ALL ROUTINES IN SCHEMA "jq_{namespace}" FROM PUBLIC')
    url = role(postgres_server, namespace)
    for grant in (
        "USAGE ON SCHEMA {}",
        "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {}",
        "EXECUTE ON ALL ROUTINES IN SCHEMA {}",
    ):
        postgres_server.sql(f'GRANT {grant} TO "{namespace}"'.format(f'"jq_{namespace}"'))
    with opened(url, namespace=namespace) as store:
        put(store, 3)
        store.insert([draft(dedup_key="k"), draft(idempotency_key="k")])
        store.replace(succeed(*claim(store, 2)))
        store.due(100)
        assert counted(store) == {"ready": 3, "succeeded": 2}


def test_an_older_schema_is_refused_until_it_is_upgraded_and_keeps_its_jobs(
    postgres_url: str, namespace: str, next_version: pytest.MonkeyPatch
) -> None:
    with next_version.context() as older:
        older.setattr(postgres_schema, "VERSION", VERSION)
        with opened(postgres_url, namespace=namespace) as store:
            put(store)
    with opened(postgres_url, namespace=namespace) as store:
        with pytest.raises(BackendError, match="jq db upgrade"):
            put(store)
        assert not store.schema.status().usable
        assert store.schema.upgrade() == [f"schema jq_{namespace}: version {VERSION + 1} applied"]
        assert store.schema.upgrade() == []
        assert counted(store) == {"ready": 1}


def test_workers_of_the_version_before_go_on_beside_an_upgraded_schema(
    postgres_url: str, namespace: str, next_version: pytest.MonkeyPatch
) -> None:
    with next_version.context() as older:
        older.setattr(postgres_schema, "VERSION", VERSION)
        worker = opened(postgres_url, namespace=namespace)
        store = worker.__enter__()
        put(store, 2)
        [job] = claim(store)
    with opened(postgres_url, namespace=namespace) as newer:
        newer.schema.upgrade()
    with next_version.context() as older:
        older.setattr(postgres_schema, "VERSION", VERSION)
        assert store.replace(succeed(job)) == ["applied"]
        with opened(postgres_url, namespace=namespace) as restarted:
            assert len(claim(restarted)) == 1
    worker.__exit__(None, None, None)


def test_a_schema_that_is_too_new_is_refused(postgres_server: PostgresServer, namespace: str) -> None:
    with opened(postgres_server.url, namespace=namespace) as store:
        put(store)
    postgres_server.sql(f'INSERT INTO "jq_{namespace}".meta (version, compatible) VALUES (99, 98)')
    with opened(postgres_server.url, namespace=namespace) as store, pytest.raises(BackendError, match="newer jq"):
        put(store)


def test_an_upgrade_that_fails_leaves_what_there_was(
    postgres_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(postgres_url, namespace=namespace) as store:
        put(store)
    broken = "CREATE TABLE :schema.half (n int); SELECT 1 / 0;"
    monkeypatch.setattr(postgres_schema, "VERSION", VERSION + 1)
    monkeypatch.setattr(postgres_schema, "migration", lambda _version: broken)
    with opened(postgres_url, namespace=namespace) as store:
        with pytest.raises(BackendError, match="division by zero"):
            store.schema.upgrade()
        assert store.schema.status().version == VERSION


def test_long_namespaces_get_a_schema_of_their_own() -> None:
    first, second = schema_of("n" * 127 + "a"), schema_of("n" * 127 + "b")
    assert first != second
    assert len(first) == len(second) == 63


@pytest.mark.parametrize(
    ("query", "message"),
    [("schema=pg_catalog", "schema"), ("timeout=0", "timeout"), ("vacuum=perhaps", "vacuum"), ("colour=red", "colour")],
)
def test_an_option_that_cannot_be_used_is_named(query: str, message: str) -> None:
    with pytest.raises(UsageError, match=message), opened(f"postgres://u:hush@h/d?{query}"):
        pass


def test_a_password_is_never_shown() -> None:
    with opened("postgres://u:hush@h/d?sslpassword=hush&timeout=1s") as store:
        assert "hush" not in store.url
    with pytest.raises(UsageError) as refused, opened("postgres://u:hush@[h/d"):
        pass
    assert "hush" not in str(refused.value)


def test_a_schema_may_be_named(postgres_server: PostgresServer, namespace: str) -> None:
    with opened(f"{postgres_server.url}?schema={namespace}") as store:
        put(store)
    assert postgres_server.sql(f'SELECT count(*) FROM "{namespace}".jobs') == [(1,)]
    with pytest.raises(InvalidField), opened(f"{postgres_server.url}?schema={'x' * 64}"):
        pass


def test_db_init_status_and_upgrade_say_what_there_is(jq: Program) -> None:
    before = jq("db", "status", "--json")
    assert (before.code, json.loads(before.out)[0]["version"]) == (1, None)
    assert "jq db init" in before.err
    assert f"version {VERSION} applied" in jq.ok("db", "init").err
    assert "nothing to do" in jq.ok("db", "init").err
    assert "nothing to do" in jq.ok("db", "upgrade").err
    [state] = json.loads(jq.ok("db", "status", "--json").out)
    assert (state["version"], state["usable"], state["notes"]) == (VERSION, True, [])
    assert "secret" not in state["store"]


def test_db_upgrade_needs_something_to_upgrade(jq: Program) -> None:
    result = jq("db", "upgrade")
    assert (result.code, "jq db init" in result.err) == (1, True)


def test_what_db_sql_prints_makes_the_schema(jq: Program, postgres_server: PostgresServer) -> None:
    postgres_server.sql(jq.ok("db", "sql").out)
    assert json.loads(jq.ok("db", "status", "--json").out)[0]["usable"]
    assert jq.ok("db", "sql", "--since", str(VERSION)).out == "BEGIN;\nCOMMIT;\n"
    jq.ok("enqueue", "q", "{}")


def test_other_stores_need_no_tables_made(tmp_path: Path, sqlite_url: str) -> None:
    jq = Program(tmp_path, sqlite_url)
    for command in ("init", "status", "upgrade", "sql"):
        result = jq.ok("db", command)
        assert (result.out, "nothing to" in result.err) == ("", True)


def test_a_long_transaction_is_named(
    postgres_server: PostgresServer, postgres_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    from jq_cli.backends.postgres import health

    monkeypatch.setattr(health, "_HOLDERS", health._HOLDERS.replace(f"{health.OLD} s", "0 s"))
    with opened(postgres_url, namespace=namespace) as store, psycopg.connect(postgres_url) as other:
        put(store)
        other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        other.execute("SELECT 1")
        notes = store.schema.status().notes
        assert any(f"session {other.info.backend_pid} of postgres" in note for note in notes), notes
