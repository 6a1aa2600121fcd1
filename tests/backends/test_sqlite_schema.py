"""Versions of the schema, and what the statements cost."""

import sqlite3
from pathlib import Path

import pytest
from msgspec import Raw

from jq_cli import lifecycle
from jq_cli.backends.base import Claim, Setting
from jq_cli.backends.sqlite import database as sqlite_database
from jq_cli.backends.sqlite import reads as sqlite_reads
from jq_cli.backends.sqlite.backend import SqliteBackend, open_sqlite
from jq_cli.backends.sqlite.database import APPLICATION, VERSION, migration
from jq_cli.errors import BackendError
from jq_cli.ids import nonce
from jq_cli.job import STATES, lease_of
from jq_cli.lifecycle import Keeping
from tests.backends.sqlite_jobs import check_file, claim, draft, path_of, succeed


def pragma(path: Path, name: str) -> int:
    raw = sqlite3.connect(path)
    (value,) = raw.execute(f"PRAGMA {name}").fetchone()
    raw.close()
    return int(value)


def plans(store: SqliteBackend, statement: str) -> list[str]:
    bound = [0] * statement.count("?")
    return [row[3] for row in store._space.cursor.execute("EXPLAIN QUERY PLAN " + statement, bound)]


@pytest.fixture
def next_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release whose schema has one more column."""
    later = "ALTER TABLE notes ADD COLUMN written_at INTEGER; UPDATE notes SET written_at = 5;"
    monkeypatch.setattr(sqlite_database, "VERSION", VERSION + 1)
    monkeypatch.setattr(sqlite_database, "migration", lambda n: later if n == VERSION + 1 else migration(n))


def test_a_new_file_gets_the_current_schema(sqlite_url: str) -> None:
    with open_sqlite(sqlite_url) as store:
        path = path_of(store)
    assert (pragma(path, "user_version"), pragma(path, "application_id")) == (VERSION, APPLICATION)


def test_an_empty_database_left_by_a_start_that_was_killed_gets_the_schema(sqlite_url: str, tmp_path: Path) -> None:
    raw = sqlite3.connect(tmp_path / "jq.db")
    raw.execute("PRAGMA journal_mode = WAL")
    raw.close()
    with open_sqlite(sqlite_url) as store:
        assert store.insert([draft()])[0].status == "created"


def test_opening_a_current_database_writes_nothing(sqlite_url: str) -> None:
    open_sqlite(sqlite_url).close()
    traced: list[str] = []
    connect = sqlite3.connect

    def watched(*args: object, **options: object) -> sqlite3.Connection:
        connection = connect(*args, **options)  # type: ignore[call-overload]
        connection.set_trace_callback(traced.append)
        return connection  # type: ignore[no-any-return]

    sqlite_database.sqlite3.connect = watched  # type: ignore[assignment]
    try:
        open_sqlite(sqlite_url).close()
    finally:
        sqlite_database.sqlite3.connect = connect
    assert traced
    assert [text for text in traced if not text.startswith(("PRAGMA", "SELECT"))] == []


@pytest.mark.usefixtures("next_version")
def test_an_older_database_is_migrated_and_keeps_its_jobs(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr(sqlite_database, "VERSION", VERSION)
        with open_sqlite(sqlite_url) as store:
            store.insert([draft(b'"kept"')])
            store.swap("n", None, b"1")
    with open_sqlite(sqlite_url) as store:
        assert [job.payload for job in claim(store)] == [b'"kept"']
    raw = sqlite3.connect(tmp_path / "jq.db")
    assert raw.execute("SELECT key, written_at FROM notes").fetchall() == [("n", 5)]
    raw.close()
    assert pragma(tmp_path / "jq.db", "user_version") == VERSION + 1


@pytest.mark.usefixtures("next_version")
def test_a_database_made_by_hand_at_version_zero_goes_through_all_versions(sqlite_url: str, tmp_path: Path) -> None:
    raw = sqlite3.connect(tmp_path / "jq.db")
    raw.execute(f"PRAGMA application_id = {APPLICATION}")
    raw.execute("CREATE TABLE older (n INTEGER)")
    raw.commit()
    raw.close()
    with open_sqlite(sqlite_url) as store:
        store.insert([draft()])
    assert pragma(tmp_path / "jq.db", "user_version") == VERSION + 1


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_sqlite(sqlite_url) as store:
        store.insert([draft()])
    monkeypatch.setattr(sqlite_database, "VERSION", VERSION + 1)
    monkeypatch.setattr(sqlite_database, "migration", lambda _: "DROP TABLE jobs; SELECT nonsense;")
    with pytest.raises(BackendError, match="nonsense"):
        open_sqlite(sqlite_url)
    monkeypatch.undo()
    assert pragma(tmp_path / "jq.db", "user_version") == VERSION
    with open_sqlite(sqlite_url) as store:
        assert len(claim(store)) == 1


@pytest.mark.usefixtures("next_version")
def test_a_newer_database_is_refused_with_advice(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    open_sqlite(sqlite_url).close()
    monkeypatch.undo()
    with pytest.raises(
        BackendError, match=rf"written by a newer jq \(schema {VERSION + 1}, .* {VERSION}\); upgrade jq"
    ):
        open_sqlite(sqlite_url)


def test_an_sqlite_library_that_is_too_old_is_refused(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 33, 0))
    monkeypatch.setattr("sqlite3.sqlite_version", "3.33.0")
    with pytest.raises(BackendError, match=r"SQLite is 3\.33\.0; the store needs 3\.34\.0 or newer"):
        open_sqlite(sqlite_url)


def test_the_view_for_people_shows_every_job(sqlite_url: str) -> None:
    with open_sqlite(sqlite_url) as store:
        store.insert([draft(b'{"n": 1}'), draft(b'"%s"' % (b"x" * 5_000)), draft(delay=60_000)])
        succeed(store, claim(store))
        raw = sqlite3.connect(path_of(store))
        rows = raw.execute("SELECT namespace, queue, state, length(payload) FROM readable_jobs ORDER BY id").fetchall()
        raw.close()
    assert rows == [("jq", "q", "succeeded", 8), ("jq", "q", "ready", 5_002), ("jq", "q", "scheduled", 1)]


# --- costs ---


def steps(store: SqliteBackend, limit: int) -> int:
    """How many steps SQLite's machine takes for a claim."""
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    store._database.connection.set_progress_handler(count, 1)
    jobs = claim(store, limit)
    store._database.connection.set_progress_handler(None, 1)
    assert len(jobs) == limit
    return taken


def test_a_claim_costs_the_same_beside_thousands_of_delayed_jobs_of_higher_priority(sqlite_url: str) -> None:
    with open_sqlite(sqlite_url) as store:
        assert isinstance(store, SqliteBackend)
        store.insert([draft() for _ in range(40)])
        alone = steps(store, 10)
        store.insert([draft(delay=3_600_000, priority=1_000) for _ in range(3_000)])
        assert steps(store, 10) < 1.2 * alone + 100


def test_a_claim_costs_the_same_beside_thousands_of_finished_jobs(sqlite_url: str) -> None:
    with open_sqlite(sqlite_url) as store:
        assert isinstance(store, SqliteBackend)
        store.insert([draft() for _ in range(40)])
        alone = steps(store, 10)
        store.insert([draft(retention=3_600.0, priority=1) for _ in range(3_000)])
        for _ in range(3):
            succeed(store, claim(store, 1_000))
        assert steps(store, 10) < 1.2 * alone + 100


def test_every_statement_finds_its_rows_by_an_index_and_in_order(sqlite_url: str) -> None:
    with open_sqlite(sqlite_url) as store:
        assert isinstance(store, SqliteBackend)
        statements: set[str] = set()
        store._database.connection.set_trace_callback(statements.add)
        _do_everything(store)
        store._database.connection.set_trace_callback(None)
        asked = [text for text in statements if text.startswith(("SELECT", "UPDATE", "DELETE"))]
        assert len(asked) > 25
        for statement in asked:
            for plan in plans(store, statement):
                assert not plan.startswith(("SCAN jobs", "SCAN keys", "SCAN queues")), f"{statement}\n{plan}"
                # Which jobs a queue drops first is asked of two phases, each cut to what is too much.
                assert "TEMP B-TREE" not in plan or "UNION ALL" in statement, f"{statement}\n{plan}"
    check_file(path_of(store))


def _do_everything(store: SqliteBackend) -> None:
    store.insert([draft(dedup_key="k", idempotency_key="k", queue=queue) for queue in ("q", "r")])
    store.insert([draft(delay=1, priority=5), draft(delay=3_600_000), *[draft() for _ in range(5)]])
    (job, *others) = store.turn([], Claim(("q", "r"), 6, "w", 1, nonce())).jobs
    for state in STATES:
        for reverse in (False, True):
            store.page("q", state, reverse=reverse)
    store.extend([lease_of(job)], lease=1, live={job.id: b"1"})
    store.due(10)
    store.held("w")
    store.counts()
    store.find(job.id)
    store.get("q", [job.id])
    store.outputs("q", [job.id])
    changes = [lifecycle.succeed(other, Raw(b"1"), Keeping(count=1)) for other in others]
    store.turn(changes, Claim(("q",), 1, "w", 1, nonce()))
    store.replace([lifecycle.cancel(left, "m") for left in store.page("q", "scheduled").jobs])
    store.control("q", Setting(max_running=1))
    store.read("")
    store.swap("n", None, b"1")


@pytest.mark.parametrize("select", [sqlite_reads._FORWARD, sqlite_reads._BACKWARD])
def test_a_page_begins_where_the_last_one_ended_however_deep(sqlite_url: str, select: str) -> None:
    with open_sqlite(sqlite_url) as store:
        assert isinstance(store, SqliteBackend)
        assert "job_by_place (queue=? AND phase=? AND (rank,id)" in plans(store, select)[0]
