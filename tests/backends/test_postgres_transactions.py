"""Jobs in the caller's own transaction: there when it commits, and never were when it rolls back."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy
from msgspec.structs import replace
from sqlalchemy.orm import Session

from jq_cli import connect
from jq_cli.backends.postgres.backend import PostgresBackend
from jq_cli.backends.registry import open_backend
from jq_cli.client import Client
from jq_cli.errors import BackendError, UsageError
from tests.backends.postgres_jobs import claim, counted, draft, opened, put
from tests.postgres_server import PostgresServer


@pytest.fixture
def store(postgres_url: str, namespace: str) -> Iterator[PostgresBackend]:
    with opened(postgres_url, namespace=namespace) as backend:
        yield backend


@pytest.fixture
def client(store: PostgresBackend) -> Client:
    return Client(store)


@pytest.fixture
def engine(postgres_url: str) -> Iterator[sqlalchemy.Engine]:
    engine = sqlalchemy.create_engine(postgres_url.replace("postgres://", "postgresql+psycopg://", 1))
    yield engine
    engine.dispose()


def test_a_job_is_there_when_the_transaction_commits(client: Client, store: PostgresBackend, postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        assert client.enqueue([draft()], connection=connection)[0].status == "created"
        assert counted(store) == {}
        assert claim(store) == []
    assert counted(store) == {"ready": 1}
    assert len(claim(store)) == 1


def test_a_job_never_was_when_the_transaction_rolls_back(
    client: Client, store: PostgresBackend, postgres_url: str
) -> None:
    one = draft(dedup_key="k", idempotency_key="i")
    with psycopg.connect(postgres_url) as connection:
        client.enqueue([one], connection=connection)
        connection.rollback()
    assert counted(store) == {}
    assert store.find(one.job.id) is None
    assert client.enqueue([draft(dedup_key="k", idempotency_key="i")])[0].status == "created"


def test_a_savepoint_takes_its_jobs_with_it(client: Client, store: PostgresBackend, postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        client.enqueue([draft()], connection=connection)
        with connection.transaction(force_rollback=True):
            client.enqueue([draft(), draft()], connection=connection)
    assert counted(store) == {"ready": 1}


def test_the_callers_connection_is_left_as_it_was(client: Client, postgres_url: str) -> None:
    with psycopg.connect(postgres_url, row_factory=psycopg.rows.dict_row) as connection:
        client.enqueue([draft(), draft(dedup_key="k")], connection=connection)
        assert connection.execute("SELECT 1 AS one").fetchall() == [{"one": 1}]
        assert connection.execute("SELECT %s::text[] AS l", [["a"]]).fetchall() == [{"l": ["a"]}]


def test_sqlalchemy_connections_take_jobs_along(
    client: Client, store: PostgresBackend, engine: sqlalchemy.Engine
) -> None:
    with engine.begin() as connection:
        client.enqueue([draft()], connection=connection)
    assert counted(store) == {"ready": 1}
    with engine.connect() as connection:
        client.enqueue([draft()], connection=connection)
        connection.commit()
    assert counted(store) == {"ready": 2}
    with engine.connect() as connection:
        client.enqueue([draft()], connection=connection)
    assert counted(store) == {"ready": 2}
    with Session(engine) as session:
        client.enqueue([draft()], connection=session)
        session.commit()
    assert counted(store) == {"ready": 3}


DJANGO = """
import sys
from urllib.parse import urlsplit
from django.conf import settings
from jq_cli import connect

url, namespace = sys.argv[1:]
at = urlsplit(url)
settings.configure(DATABASES={"default": {
    "ENGINE": "django.db.backends.postgresql", "NAME": at.path[1:], "USER": at.username, "PASSWORD": at.password or "",
    "HOST": at.hostname, "PORT": at.port,
}})
from django.db import connection, transaction

queue = connect(url, namespace=namespace).queue("q")
with transaction.atomic():
    queue.enqueue("kept", connection=connection)
try:
    with transaction.atomic():
        queue.enqueue("undone", connection=connection)
        raise LookupError
except LookupError:
    pass
with transaction.atomic():
    queue.enqueue("kept", connection=connection)
    sid = transaction.savepoint()
    queue.enqueue("undone", connection=connection)
    transaction.savepoint_rollback(sid)
"""


def test_django_connections_take_jobs_along(store: PostgresBackend, postgres_url: str, namespace: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DJANGO, postgres_url, namespace], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert [job.data for job in store.page("q", "ready").jobs] == ["kept", "kept"]


def test_a_row_of_the_caller_and_its_job_are_both_there_or_neither(
    client: Client, store: PostgresBackend, engine: sqlalchemy.Engine, namespace: str
) -> None:
    orders = f"orders_{namespace}"
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(f"CREATE TABLE {orders} (n int PRIMARY KEY)"))
    for number in (1, 1, 2):
        try:
            with engine.begin() as connection:
                client.enqueue([draft()], connection=connection)
                connection.execute(sqlalchemy.text(f"INSERT INTO {orders} VALUES ({number})"))
        except sqlalchemy.exc.IntegrityError:
            assert number == 1
    assert counted(store) == {"ready": 2}


@pytest.mark.parametrize("commits", [True, False])
@pytest.mark.parametrize("shared", ["key", "id"])
def test_a_producer_with_the_same_key_or_id_waits_for_the_transaction(
    client: Client, postgres_url: str, namespace: str, shared: str, commits: bool, postgres_server: PostgresServer
) -> None:
    put(client.backend)  # the queue is known: what is waited for is the key
    first, second = draft(dedup_key="k"), draft(dedup_key="k")
    if shared == "id":
        first = replace(first, job=replace(first.job, id=second.job.id, dedup_key=None))
    answers: list[tuple[str, str]] = []

    def produce() -> None:
        with opened(postgres_url + "?timeout=20s", namespace=namespace) as other:
            answers.extend((answer.status, answer.id) for answer in other.insert([second]))

    with psycopg.connect(postgres_url) as connection:
        client.enqueue([first], connection=connection)
        thread = threading.Thread(target=produce)
        thread.start()
        blocked = "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"
        deadline = time.monotonic() + 30
        while postgres_server.sql(blocked, connection.info.backend_pid) == [(0,)]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        connection.commit() if commits else connection.rollback()
        thread.join(30)
    assert answers == [("duplicate", first.job.id) if commits else ("created", second.job.id)]
    if shared == "id" and commits:  # and the key is nobody's
        assert client.enqueue([draft(dedup_key="k")])[0].status == "created"


def test_an_error_is_ours_and_spoils_the_transaction(
    client: Client, postgres_server: PostgresServer, namespace: str
) -> None:
    postgres_server.sql(f'CREATE DATABASE "{namespace}"')
    url = postgres_server.url.rpartition("/")[0] + "/" + namespace
    with psycopg.connect(url) as elsewhere, pytest.raises(BackendError, match="does not exist"):
        client.enqueue([draft()], connection=elsewhere)


@pytest.mark.parametrize("thing", [object(), "postgres://localhost", 7])
def test_what_is_no_connection_is_refused(client: Client, thing: object) -> None:
    with pytest.raises(UsageError, match="psycopg"):
        client.enqueue([draft()], connection=thing)


def test_other_stores_cannot_take_part(sqlite_url: str, postgres_url: str) -> None:
    with (
        Client(open_backend(sqlite_url)) as client,
        psycopg.connect(postgres_url) as connection,
        pytest.raises(UsageError, match="only Postgres"),
    ):
        client.enqueue([draft()], connection=connection)


def test_a_queue_of_the_python_api_takes_part(postgres_url: str, namespace: str) -> None:
    with connect(postgres_url, namespace=namespace) as opened_store, psycopg.connect(postgres_url) as connection:
        queue = opened_store.queue("q")
        assert queue.enqueue({"order": 1}, connection=connection).created
        connection.rollback()
        assert queue.length("all") == 0
        queue.enqueue({"order": 2}, connection=connection)
        connection.commit()
        assert [job.payload for job in queue.jobs()] == [b'{"order":2}']
