"""Short words for tests of the Postgres backend: jobs, claims, outcomes, and what only its superuser sees."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import psycopg
from msgspec import Raw

from jq_cli import lifecycle
from jq_cli.backends.base import Backend, Claim
from jq_cli.backends.postgres.backend import PostgresBackend, open_postgres
from jq_cli.change import Change
from jq_cli.draft import Draft, make_draft
from jq_cli.ids import new_id, nonce
from jq_cli.job import Job
from tests.postgres_server import PostgresServer

DEADLINE = 30.0


@contextmanager
def opened(url: str, **options: object) -> Iterator[PostgresBackend]:
    """The store at a URL."""
    with open_postgres(url, **options) as backend:
        yield cast(PostgresBackend, backend)


def draft(payload: bytes = b"{}", **fields: object) -> Draft:
    """A draft for the queue `q`."""
    return make_draft(Job(id=new_id(), queue="q", payload=payload, **fields))  # type: ignore[arg-type]


def put(store: Backend, count: int = 1, **fields: object) -> list[str]:
    """Ids of new jobs."""
    answers = store.insert([draft(**fields) for _ in range(count)])  # type: ignore[arg-type]
    assert {answer.status for answer in answers} <= {"created"}
    return [answer.id for answer in answers]


def asking(limit: int = 1, worker: str = "w") -> Claim:
    """A claim of `q`."""
    return Claim(("q",), limit, worker, 10_000, nonce())


def claim(store: Backend, limit: int = 1) -> list[Job]:
    """Jobs claimed."""
    return store.claim(asking(limit)).jobs


def succeed(*jobs: Job) -> list[Change]:
    """The changes that their success makes."""
    return [lifecycle.succeed(job, Raw(b"null")) for job in jobs]


def counted(store: Backend) -> dict[str, int]:
    """How many jobs of `q` there are in each state that has any."""
    [counts] = store.counts(["q"])
    return {state: count for state, count in counts.states.items() if count}


def backends_of(server: PostgresServer) -> list[int]:
    """The pids of the server's processes that serve our connections."""
    return [pid for (pid,) in server.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'jq'")]


@contextmanager
def held_up(server: PostgresServer, table: str) -> Iterator[None]:
    """Every writer of a table of namespace `jq` waits until the block ends."""
    other = psycopg.connect(server.unix_url)
    try:
        other.execute(f"LOCK TABLE jq.{table} IN EXCLUSIVE MODE")
        yield
    finally:
        other.close()


def waiting(server: PostgresServer) -> list[int]:
    """The pids of our connections that wait for a lock."""
    sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'jq' AND wait_event_type = 'Lock'"
    return [pid for (pid,) in server.sql(sql)]


def eventually(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
