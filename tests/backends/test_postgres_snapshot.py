"""A snapshot that somebody else holds keeps dead rows alive. Claims then begin where the ready jobs begin, and hand out every job in
its place all the same."""

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
from jq_cli.testing.concurrency import ConcurrencyTests
from jq_cli.testing.controls import ControlsTests
from jq_cli.testing.failing import FailingTests
from jq_cli.testing.leases import LeasesTests
from jq_cli.testing.order import OrderTests
from jq_cli.testing.random_runs import RandomRunsTests
from jq_cli.testing.recovery import RecoveryTests
from jq_cli.testing.states import StatesTests
from jq_cli.testing.subject import Subject
from tests.backends.postgres_jobs import asking, claim, draft, eventually, opened, put, succeed
from tests.conformance.planting import planted
from tests.postgres_server import PostgresServer

WALKED = 2_200
"""Dead entries that a claim of one queue passes before it does something about it."""

WAITING = 300

NOTHING_READY = (1 << 63) - 1

ALWAYS = (
    ("sql/1-d-claim.sql", "dead > 2000 + 200 * cardinality(queue_names)", "true"),
    ("sql/1-d-claim.sql", "before > 200", "before >= 0"),
)
"""A copy that always remembers where the ready jobs begin, not only where it pays."""

NEVER = (("sql/1-d-claim.sql", "dead > 2000 + 200 * cardinality(queue_names)", "false"),)


@contextmanager
def snapshot(server: PostgresServer) -> Iterator[None]:
    """Another session's transaction, which sees everything as it is now until the block ends."""
    with psycopg.connect(server.url) as other:
        other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        other.execute("SELECT 1")
        yield


def live(store: PostgresBackend, jobs: int) -> None:
    """So many life cycles, while others wait."""
    for _ in range(0, jobs, 100):
        put(store, 100)
        assert store.replace(succeed(*claim(store, 100))) == ["applied"] * 100


def walked(store: PostgresBackend) -> int:
    """Entries of indexes that a claim of 100 walks over."""
    tables = ", ".join(f"'{store._in}.{table}'::regclass" for table in ("jobs", "deltas"))
    count = Statement(
        f"SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid))::bigint FROM pg_index WHERE indrelid IN ({tables})"
    )
    [[before], [_head, *leased], [after]] = store._link.step([count, store._claim(asking(100)), count])
    assert len(leased) == 100
    return int(after[0] - before[0])


def remembered(store: PostgresBackend) -> int | None:
    """From where on claims look."""
    [(place,)] = store._link.rows(f"SELECT ready_from FROM {store._in}.queues WHERE name = 'q'")
    return place


def planted_store(server: PostgresServer, namespace: str, folder: Path, *edits: tuple[str, str, str]) -> Any:
    return planted("postgres", edits, folder)(server.url, namespace=namespace)


def test_claims_walk_past_no_more_dead_rows_however_many_there_are(
    own_postgres: PostgresServer, namespace: str, tmp_path: Path
) -> None:
    with opened(own_postgres.url, namespace=namespace) as store, snapshot(own_postgres):
        put(store, WAITING)
        live(store, 4_000)
        assert remembered(store) is not None
        few = walked(store)
        live(store, 4_000)
        assert max(few, walked(store)) < 2 * WALKED + 2_000
    with planted_store(own_postgres, f"{namespace}-bad", tmp_path, *NEVER) as store, snapshot(own_postgres):
        put(store, WAITING)
        live(store, 8_000)
        assert walked(store) > 8_000


def test_where_vacuum_can_clear_up_claims_begin_at_the_beginning(own_postgres: PostgresServer, namespace: str) -> None:
    with opened(own_postgres.url, namespace=namespace) as store:
        put(store, WAITING)
        live(store, 4_000)
        assert remembered(store) is None


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
    (more_urgent, ("sql/1-b-insert.sql", "min(rank) FILTER (WHERE phase = 2)", "NULL")),
    (due, ("sql/1-d-claim.sql", "min(made.rank) INTO", "NULL INTO")),
    (given_back, ("sql/1-c-change.sql", "min(rank) FILTER (WHERE phase = 2)", "NULL")),
    (lifted, ("sql/1-c-change.sql", ":schema.moment(NULL), min(made_ready),", ":schema.moment(NULL), NULL,")),
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


def test_each_minute_claims_begin_at_the_beginning_once(
    postgres_server: PostgresServer, namespace: str, tmp_path: Path
) -> None:
    with planted_store(postgres_server, namespace, tmp_path, *ALWAYS) as store:
        ids = put(store, 3)
        assert [job.id for job in claim(store)] == ids[:1]
        assert remembered(store) is not None
        more = put(store)
        store.due(1)
        assert remembered(store) is None
        assert [job.id for job in claim(store, 9)] == [*ids[1:], *more]


class TestAlwaysRemembered(
    Subject,
    StatesTests,
    OrderTests,
    LeasesTests,
    RecoveryTests,
    FailingTests,
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
