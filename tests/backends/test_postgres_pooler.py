"""Behind a pooler in transaction mode: everything works but what needs a session of one's own."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from jq_cli.backends.base import Setting
from jq_cli.job import lease_of
from tests.backends.pgbouncer import PROGRAM, PgBouncer
from tests.backends.postgres_jobs import asking, claim, counted, draft, opened, put, succeed
from tests.backends.postgres_pooler import Pooler
from tests.postgres_server import PostgresServer


@pytest.fixture(params=["stand-in", "pgbouncer"] if PROGRAM else ["stand-in"])
def pooler(postgres_server: PostgresServer, request: pytest.FixtureRequest) -> Iterator[Pooler | PgBouncer]:
    with (Pooler if request.param == "stand-in" else PgBouncer)(postgres_server) as pooler:
        yield pooler


def test_more_clients_than_connections_do_all_they_can_do(pooler: Pooler | PgBouncer, namespace: str) -> None:
    with ExitStack() as stack:
        stores = [stack.enter_context(opened(pooler.url + "?timeout=20s", namespace=namespace)) for _ in range(5)]
        for store in stores:
            put(store, 4)
            assert store.insert([draft(dedup_key="k")])[0].status == ("created" if store is stores[0] else "duplicate")
        held = [store.claim(asking(3, worker=f"w{n}")).jobs for n, store in enumerate(stores)]
        assert len({job.id for jobs in held for job in jobs}) == 15
        for store, jobs in zip(stores, held, strict=True):
            assert store.extend([lease_of(job) for job in jobs], lease=10_000).holds == ["held"] * 3
            turned = store.turn(succeed(*jobs), asking(1))
            assert (turned.verdicts, len(turned.jobs)) == (["applied"] * 3, 1)
        stores[0].control("q", Setting(max_running=5))
        assert claim(stores[1]) == []
        stores[2].due(100)
        assert counted(stores[3]) == {"succeeded": 15, "running": 5, "ready": 1}
        assert pooler.transactions > 30


def test_there_are_no_hints_to_be_had_and_polling_must_do(pooler: Pooler | PgBouncer, namespace: str) -> None:
    with opened(pooler.url, namespace=namespace) as store:
        assert store.watch(["ready:q"]) is None


def test_the_sessions_of_others_are_left_as_they_were(
    pooler: Pooler | PgBouncer, postgres_server: PostgresServer, namespace: str
) -> None:
    with opened(pooler.url, namespace=namespace) as store:
        put(store)
        for name in ("statement_timeout", "lock_timeout", "default_transaction_isolation", "enable_seqscan", "jit"):
            [(direct,)] = postgres_server.sql(f"SHOW {name}")
            assert {store._link.rows(f"SHOW {name}")[0][0] for _ in range(4)} == {direct}
        locks = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND application_name = 'pooler'"
        assert postgres_server.sql(locks) == [(0,)]


def test_nobody_behind_a_pooler_vacuums(pooler: Pooler | PgBouncer, namespace: str) -> None:
    with opened(pooler.url, namespace=namespace) as store:
        put(store)
        store._vacuum._next = 0.0
        store._vacuum.tick()
        assert store._vacuum._connection is None
