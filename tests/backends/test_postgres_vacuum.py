"""A worker vacuums what it fills: one of them, where it is worth it, and never at anybody's cost."""

import time
from collections.abc import Callable

from jq_cli.backends.postgres.backend import PostgresBackend
from tests.backends.postgres_jobs import claim, opened, put, succeed
from tests.backends.test_postgres_schema import role
from tests.postgres_server import PostgresServer

DEADLINE = 30.0


def eventually(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def ticking(store: PostgresBackend) -> None:
    """One look, as if it were time for one."""
    store._vacuum._next = 0.0
    store._vacuum.tick()


def fill_with_dead_rows(store: PostgresBackend) -> None:
    for _ in range(3):
        put(store, 500)
        store.replace(succeed(*claim(store, 500)))


def vacuumed(server: PostgresServer, namespace: str) -> bool:
    counted = "SELECT vacuum_count FROM pg_stat_user_tables WHERE schemaname = %s AND relname = 'jobs'"
    return server.sql(counted, f"jq_{namespace}") != [(0,)]


def test_dead_rows_are_vacuumed_by_one_of_two_workers(postgres_server: PostgresServer, namespace: str) -> None:
    with (
        opened(postgres_server.url, namespace=namespace) as first,
        opened(postgres_server.url, namespace=namespace) as second,
    ):
        fill_with_dead_rows(first)
        ticking(first)
        ticking(second)
        assert first._vacuum._connection is not None
        assert second._vacuum._connection is None
        eventually(lambda: ticking(first) or vacuumed(postgres_server, namespace), "the tables are vacuumed")
        first.close()
        eventually(lambda: ticking(second) or second._vacuum._connection, "the other one takes over")


def test_a_role_that_does_not_own_the_tables_leaves_them_alone(postgres_server: PostgresServer, namespace: str) -> None:
    with opened(postgres_server.url, namespace=namespace) as owner:
        put(owner)
    url = role(postgres_server, namespace)
    postgres_server.sql(f'GRANT USAGE ON SCHEMA "jq_{namespace}" TO "{namespace}"')
    postgres_server.sql(f'GRANT SELECT ON ALL TABLES IN SCHEMA "jq_{namespace}" TO "{namespace}"')
    with opened(url, namespace=namespace) as store:
        ticking(store)
        assert store._vacuum._connection is None


def test_trouble_with_a_vacuum_is_nobodys_trouble(own_postgres: PostgresServer) -> None:
    with opened(own_postgres.url + "?timeout=20s") as store:
        put(store)
        ticking(store)
        assert store._vacuum._connection is not None
        own_postgres.restart()
        ticking(store)
        assert store._vacuum._connection is None
        put(store)


def test_it_can_be_switched_off(postgres_server: PostgresServer, namespace: str) -> None:
    with opened(postgres_server.url + "?vacuum=no", namespace=namespace) as store:
        fill_with_dead_rows(store)
        ticking(store)
        assert store._vacuum._connection is None
