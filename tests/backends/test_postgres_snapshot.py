"""A snapshot that somebody else holds keeps dead rows alive. Claims then begin where the ready jobs begin, and hand out every job in
its place all the same."""

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from jq_cli import lifecycle
from jq_cli.backends.base import Backend
from jq_cli.backends.postgres.backend import PostgresBackend
from jq_cli.backends.postgres.statement import Statement
from jq_cli.draft import make_draft
from jq_cli.testing import ManualClock
from jq_cli.testing.clock import START
from jq_cli.testing.concurrency import ConcurrencyTests
from jq_cli.testing.controls import ControlsTests
from jq_cli.testing.failing import FailingTests
from jq_cli.testing.keeping import KeepingTests
from jq_cli.testing.leases import LeasesTests
from jq_cli.testing.order import OrderTests
from jq_cli.testing.random_runs import RandomRunsTests
from jq_cli.testing.recovery import RecoveryTests
from jq_cli.testing.states import StatesTests
from jq_cli.testing.subject import Subject
from tests.backends.postgres_jobs import asking, claim, draft, eventually, opened, put, succeed
from tests.conformance.planting import planted
from tests.postgres_server import PostgresServer

MOST = 6_500
"""Entries of indexes: three walks past the 2,200 dead ones that a claim bears before it does something about them."""

WAITING = 300

NOTHING_READY = (1 << 63) - 1

ALWAYS = (
    ("sql/1-d-claim.sql", "dead > 2000 + 200 * cardinality(queue_names)", "true"),
    ("sql/1-d-claim.sql", "before > 200", "before >= 0"),
    (
        "sql/1-e-read.sql",
        "by_place := :schema.walked() - before > 1000;\n  END IF;\n  IF everything OR",
        "by_place := true;\n  END IF;\n  IF everything OR",
    ),
    ("sql/1-e-read.sql", "finished_by_place := :schema.walked() - before > 1000", "finished_by_place := true"),
)
"""A copy that always remembers where ready and finished jobs begin, not only where it pays."""

NEVER_READY = ("sql/1-d-claim.sql", "dead > 2000 + 200 * cardinality(queue_names)", "false")
NEVER_FINISHED = (
    "sql/1-e-read.sql",
    "finished_by_place := :schema.walked() - before > 1000",
    "finished_by_place := false",
)


@contextmanager
def snapshot(server: PostgresServer) -> Iterator[None]:
    """Another session's transaction, which sees everything as it is now until the block ends."""
    with psycopg.connect(server.url) as other:
        other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        other.execute("SELECT 1")
        yield


def live(store: PostgresBackend, jobs: int) -> None:
    """So many life cycles, while others wait; the tick comes now and then."""
    store._fold_all_at = math.inf
    for done in range(0, jobs, 100):
        put(store, 100)
        assert store.replace(succeed(*claim(store, 100))) == ["applied"] * 100
        if done % 1_000 == 0:
            store.due(1)


def walked(store: PostgresBackend, *statements: Statement) -> int:
    """Entries of indexes that a step walks over."""
    tables = ", ".join(f"'{store._in}.{table}'::regclass" for table in ("jobs", "deltas"))
    count = Statement(
        f"SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid))::bigint FROM pg_index WHERE indrelid IN ({tables})"
    )
    [[before], *_, [after]] = store._link.step([count, *statements, count])
    return int(after[0] - before[0])


def claiming(store: PostgresBackend) -> int:
    """The same of a claim of 100."""
    return walked(store, store._claim(asking(100)))


def settling(store: PostgresBackend) -> int:
    """The same of the end of 100 jobs."""
    changes = sys.modules[type(store).__module__].Changes  # a planted store has its own
    return walked(store, *changes(store._in, None, succeed(*claim(store, 100))).statements)


def remembered(store: PostgresBackend, kind: str = "ready_from") -> int | None:
    """From where on claims look."""
    [(place,)] = store._link.rows(f"SELECT {kind} FROM {store._in}.queues WHERE name = 'q'")
    return place


def planted_store(server: PostgresServer, namespace: str, folder: Path, *edits: tuple[str, str, str]) -> Any:
    return planted("postgres", edits, folder)(server.url, namespace=namespace)


@pytest.mark.parametrize(("step", "bug"), [(claiming, NEVER_READY), (settling, NEVER_FINISHED)])
def test_steps_walk_past_no_more_dead_rows_however_many_there_are(
    step: Callable[[Any], int],
    bug: tuple[str, str, str],
    own_postgres: PostgresServer,
    namespace: str,
    tmp_path: Path,
) -> None:
    with opened(own_postgres.url, namespace=namespace) as store, snapshot(own_postgres):
        put(store, WAITING)
        live(store, 4_000)
        few = step(store)
        live(store, 4_000)
        assert max(few, step(store)) < MOST
    with planted_store(own_postgres, f"{namespace}-bad", tmp_path, bug) as bad, snapshot(own_postgres):
        put(bad, WAITING)
        live(bad, 8_000)
        assert step(bad) > MOST


def test_where_vacuum_can_clear_up_claims_begin_at_the_beginning(own_postgres: PostgresServer, namespace: str) -> None:
    with opened(own_postgres.url, namespace=namespace) as store:
        put(store, WAITING)
        live(store, 4_000)
        assert remembered(store) is None
        assert remembered(store, "finished_from") is None


def more_urgent(store: Any) -> str:
    return put(store, priority=5)[0]


def due(store: Any) -> str:
    answer = store.insert([make_draft(draft(priority=5).job, delay=1)])[0]
    eventually(lambda: store.now() > store.find(answer.id).ready_at, "it is due")
    return str(answer.id)


def given_back(store: Any) -> str:
    [id] = put(store, priority=5)
    [job] = claim(store)
    claim(store)
    assert store.replace([lifecycle.release(job)]) == ["applied"]
    return id


def lifted(store: Any) -> str:
    [id] = put(store, priority=-5)
    claim(store)
    job = store.find(id)
    assert store.replace([lifecycle.edit(job, msgspec.structs.replace(job, priority=5), "m")]) == ["applied"]
    return id


FIRST = [
    (more_urgent, ("sql/1-b-insert.sql", "SELECT min(told.rank) FROM", "SELECT max(NULL::bigint) FROM")),
    (due, ("sql/1-d-claim.sql", "min(made.rank) INTO", "NULL INTO")),
    (
        given_back,
        (
            "sql/1-c-change.sql",
            "min(rank) FILTER (WHERE phase = 2), min(rank) FILTER (WHERE phase",
            "NULL, min(rank) FILTER (WHERE phase",
        ),
    ),
    (
        lifted,
        (
            "sql/1-c-change.sql",
            "min(rank) FILTER (WHERE phase = 2), min(rank) FILTER (WHERE by",
            "NULL, min(rank) FILTER (WHERE by",
        ),
    ),
]
"""What makes a job ready before all others, and what it would be without telling claims of it."""


@pytest.mark.parametrize(("way", "silence"), FIRST, ids=[way.__name__ for way, _ in FIRST])
def test_a_job_that_becomes_ready_before_the_remembered_place_is_the_next(
    way: Callable[[Any], str],
    silence: tuple[str, str, str],
    postgres_server: PostgresServer,
    namespace: str,
    tmp_path: Path,
) -> None:
    def is_next(folder: str, *edits: tuple[str, str, str]) -> bool:
        with planted_store(postgres_server, f"{namespace}{folder}", tmp_path / folder, *ALWAYS, *edits) as store:
            put(store, 9)
            claim(store)
            assert remembered(store) is not None
            id = way(store)
            return [job.id for job in claim(store)] == [id]

    assert is_next("whole")
    assert not is_next("bad", silence)


def test_a_job_of_a_transaction_that_was_open_for_long_is_found_at_its_commit(
    postgres_server: PostgresServer, namespace: str, tmp_path: Path
) -> None:
    early = ("sql/1-a-tables.sql", "NEW.at + 2000", "NEW.at + 50")

    def is_next(folder: str, *edits: tuple[str, str, str]) -> bool:
        with planted_store(postgres_server, f"{namespace}{folder}", tmp_path / folder, *ALWAYS, *edits) as store:
            put(store, 9)
            with psycopg.connect(postgres_server.url) as connection:
                [late] = store.insert_within(connection, [draft()])
                began = store.now()
                connection.execute(
                    f"UPDATE {store._in}.deltas SET at = 0 WHERE total_enqueued = 1"
                )  # as if it had been an hour ago
                eventually(lambda: store.now() > began + 50, "it has been open for long")
                assert len(claim(store, 9)) == 9
                assert remembered(store) == NOTHING_READY
            return [job.id for job in claim(store)] == [late.id]

    assert is_next("whole", early)
    assert not is_next("bad")


def test_each_minute_it_is_looked_from_the_beginning(
    postgres_server: PostgresServer, namespace: str, tmp_path: Path
) -> None:
    silent = ("sql/1-b-insert.sql", "SELECT min(told.rank) FROM", "SELECT max(NULL::bigint) FROM")
    with planted_store(postgres_server, namespace, tmp_path, *ALWAYS, silent) as store:
        put(store, 3)
        store.due(1)
        assert len(claim(store)) == 1
        [unheard_of] = put(store, priority=5)
        store.due(1)
        assert unheard_of not in [job.id for job in claim(store)]
        put(store)
        store._fold_all_at = 0.0
        store.due(1)
        assert [job.id for job in claim(store)] == [unheard_of]


def test_where_it_pays_no_longer_claims_begin_at_the_beginning(
    postgres_server: PostgresServer, namespace: str, tmp_path: Path
) -> None:
    with planted_store(postgres_server, namespace, tmp_path, *ALWAYS[:2]) as store:
        put(store, 3)
        claim(store)
        assert remembered(store) is not None
        put(store)
        store.due(1)
        assert remembered(store) is None


def test_of_finished_jobs_the_oldest_goes_also_when_it_is_older_than_those_that_went(
    postgres_server: PostgresServer, namespace: str, tmp_path: Path
) -> None:
    silence = ("sql/1-c-change.sql", "min(rank) FILTER (WHERE phase IN (4, 5))", "NULL")

    def goes(folder: str, *edits: tuple[str, str, str]) -> bool:
        clock = ManualClock()
        opener = planted("postgres", (*ALWAYS, *edits), tmp_path / folder)
        with opener(postgres_server.url, namespace=f"{namespace}{folder}", clock=clock) as store:

            def end(moment: int) -> str:
                put(store)
                [job] = claim(store)
                clock.now = START + moment
                store.replace([lifecycle.succeed(job, msgspec.Raw(b"1"), lifecycle.Keeping(count=2))])
                return job.id

            for moment in (10_000, 11_000, 12_000):
                end(moment)
            store.due(1)
            end(12_500)
            older = end(10_500)
            assert remembered(store, "finished_from") == START + 12_000
            end(13_000)
            return store.find(older) is None

    assert goes("whole")
    assert not goes("bad", silence)


class TestAlwaysRemembered(
    Subject,
    StatesTests,
    OrderTests,
    LeasesTests,
    RecoveryTests,
    FailingTests,
    KeepingTests,
    ControlsTests,
    ConcurrencyTests,
    RandomRunsTests,
):
    """The chapters of the kit that are about who is handed out when, for a store whose claims always begin at a remembered place."""

    runs = 25
    steps = 50

    @pytest.fixture(autouse=True)
    def server(self, postgres_server: PostgresServer, tmp_path: Path) -> None:
        self.url = f"{postgres_server.url}?timeout=60s"
        self.opener = planted("postgres", ALWAYS, tmp_path)

    def open(self, clock: ManualClock, namespace: str) -> Backend:
        opened: Backend = self.opener(self.url, clock=clock, namespace=namespace)
        return opened
