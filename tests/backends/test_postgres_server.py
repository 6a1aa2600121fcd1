"""The Postgres that tests start can be started, killed, restarted, frozen and copied."""

import psycopg
import pytest

from tests.postgres_server import PostgresServer


def test_what_was_committed_outlives_a_kill(own_postgres: PostgresServer) -> None:
    own_postgres.sql("CREATE TABLE kept (n int)")
    own_postgres.sql("INSERT INTO kept VALUES (%s)", 7)
    own_postgres.restart()
    assert own_postgres.sql("SELECT n FROM kept") == [(7,)]


def test_it_answers_by_tcp_and_by_unix_socket(postgres_server: PostgresServer) -> None:
    for url in (postgres_server.url, postgres_server.unix_url):
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT 1").fetchall() == [(1,)]


def test_a_standby_has_the_data_and_takes_no_writes(own_postgres: PostgresServer) -> None:
    own_postgres.sql("CREATE TABLE kept (n int)")
    with PostgresServer(standby_of=own_postgres) as standby:
        assert standby.sql("SELECT count(*) FROM kept") == [(0,)]
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            standby.sql("INSERT INTO kept VALUES (1)")


def test_a_server_that_asks_for_a_password_gets_the_right_one() -> None:
    with PostgresServer(password_needed=True) as server:
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT 1").fetchall() == [(1,)]
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.url.replace(":secret@", ":wrong@"))
