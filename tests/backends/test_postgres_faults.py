"""What the backend does when the server, the network or the disk fails: nothing lost, nothing twice, and an error that says what."""

import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from jq_cli.backends.base import Backend, Setting
from jq_cli.backends.postgres.errors import translated
from jq_cli.client import Client
from jq_cli.consumer import Consumer
from jq_cli.errors import BackendError, BackendFull, BackendUnreachable, NotAuthorised
from jq_cli.job import lease_of
from tests.backends.postgres_jobs import (
    DEADLINE,
    asking,
    backends_of,
    claim,
    counted,
    draft,
    eventually,
    held_up,
    opened,
    put,
    succeed,
    waiting,
)  # fmt: skip
from tests.backends.redis_proxy import Proxy
from tests.postgres_server import PostgresServer, give_away


def through(proxy: Proxy, server: PostgresServer) -> str:
    """The URL of a server behind a proxy."""
    return server.url.replace(f":{server.port}/", f":{proxy.port}/") + "?sslmode=disable&gssencmode=disable"


def in_the_middle(
    server: PostgresServer, call: Callable[[], object], strike: Callable[[], object]
) -> BaseException | None:
    """What a call raises when something happens to the server while it is at work."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    with held_up(server, "jobs"):
        thread.start()
        eventually(lambda: waiting(server), "the call waits for the table")
        strike()
    thread.join(DEADLINE)
    assert not thread.is_alive()
    return raised[0] if raised else None


def terminate(server: PostgresServer) -> None:
    for pid in waiting(server):
        server.sql("SELECT pg_terminate_backend(%s)", pid)


STRIKES = {"a restart": PostgresServer.restart, "pg_terminate_backend": terminate}


@pytest.mark.parametrize("strike", STRIKES)
def test_a_claim_struck_in_the_middle_leases_nothing_unheard(strike: str, own_postgres: PostgresServer) -> None:
    with opened(own_postgres.url + "?timeout=20s") as store:
        put(store, 10)
        error = in_the_middle(own_postgres, lambda: claim(store, 5), lambda: STRIKES[strike](own_postgres))
        assert isinstance(error, BackendUnreachable)
        assert counted(store) == {"ready": 10}
        assert store.held("w") == []
        assert len(claim(store, 10)) == 10


@pytest.mark.parametrize("strike", STRIKES)
def test_a_settle_struck_in_the_middle_is_made_once(strike: str, own_postgres: PostgresServer) -> None:
    with opened(own_postgres.url + "?timeout=20s") as store:
        put(store, 10)
        changes = succeed(*claim(store, 10))
        verdicts: list[str] = []
        error = in_the_middle(
            own_postgres, lambda: verdicts.extend(store.replace(changes)), lambda: STRIKES[strike](own_postgres)
        )
        assert error is None
        assert verdicts == ["applied"] * 10
        assert counted(store) == {"succeeded": 10}
        assert store.counts(["q"])[0].totals["succeeded"] == 10


def test_what_was_answered_outlives_a_crash_of_the_server(own_postgres: PostgresServer) -> None:
    with opened(own_postgres.url + "?timeout=20s") as store:
        ids = put(store, 20)
        store.replace(succeed(*claim(store, 5)))
        held = claim(store, 5)
        own_postgres.restart()
        assert counted(store) == {"succeeded": 5, "running": 5, "ready": 10}
        assert store.extend([lease_of(job) for job in held], lease=10_000).holds == ["held"] * 5
        assert [job.id for job in claim(store, 20)] == ids[10:]


def test_an_orderly_shutdown_does_not_disturb_an_idle_client(own_postgres: PostgresServer) -> None:
    with opened(own_postgres.url + "?timeout=20s") as store:
        put(store)
        own_postgres.shut_down()
        own_postgres.start()
        put(store)  # an insert is never sent twice, so this one must have noticed before
        assert counted(store) == {"ready": 2}


def test_a_server_that_is_gone_is_unreachable(own_postgres: PostgresServer) -> None:
    with opened(own_postgres.url + "?timeout=20s") as store, opened(own_postgres.url + "?timeout=1s") as hasty:
        put(store)
        own_postgres.kill()
        with pytest.raises(BackendUnreachable):
            hasty.counts()
        own_postgres.start()
        assert counted(store) == {"ready": 1}


def test_a_frozen_server_is_given_up_at_the_deadline(own_postgres: PostgresServer) -> None:
    with opened(own_postgres.url + "?timeout=20s") as store, opened(own_postgres.url + "?timeout=3s") as hasty:
        put(store)
        hasty.counts()
        own_postgres.pause()
        with pytest.raises(BackendUnreachable, match="in time"):
            hasty.counts()
        own_postgres.resume()
        assert counted(store) == {"ready": 1}


def test_a_statement_that_waits_too_long_ends_on_the_server_too(own_postgres: PostgresServer) -> None:
    with opened(own_postgres.url + "?timeout=20s") as store, opened(own_postgres.url + "?timeout=2s") as hasty:
        put(store)
        hasty.counts()
        with held_up(own_postgres, "jobs"):
            with pytest.raises(BackendUnreachable, match="in time"):
                put(hasty)
            eventually(lambda: not waiting(own_postgres), "nobody waits any more")
        assert counted(store) == {"ready": 1}


def test_a_settle_whose_answer_was_lost_is_answered_already_and_counts_once(
    postgres_server: PostgresServer, namespace: str
) -> None:
    with Proxy(postgres_server.port) as proxy, opened(through(proxy, postgres_server), namespace=namespace) as store:
        put(store, 3)
        changes = succeed(*claim(store, 3))
        proxy.lose_next_answer()
        assert store.replace(changes) == ["already"] * 3
        assert proxy.lost == 1
        [counts] = store.counts(["q"])
        assert (counts.states["succeeded"], counts.totals["succeeded"]) == (3, 3)


def test_a_claim_whose_answer_was_lost_is_not_made_again_and_its_jobs_are_given_back(
    postgres_server: PostgresServer, namespace: str
) -> None:
    with Proxy(postgres_server.port) as proxy, opened(through(proxy, postgres_server), namespace=namespace) as store:
        put(store, 4)
        consumer = Consumer(store)
        proxy.lose_next_answer()
        with pytest.raises(BackendUnreachable):
            consumer.claim(["q"], 2)
        assert counted(store) == {"ready": 2, "running": 2}
        assert consumer.release_unknown({}) == 2
        assert counted(store) == {"ready": 4}


def test_an_enqueue_whose_answer_was_lost_is_sent_again_and_makes_no_second_job(
    postgres_server: PostgresServer, namespace: str
) -> None:
    with Proxy(postgres_server.port) as proxy, opened(through(proxy, postgres_server), namespace=namespace) as store:
        put(store)
        proxy.lose_next_answer()
        client = Client(store, wait=lambda _seconds: None)
        assert [answer.status for answer in client.enqueue([draft(), draft(dedup_key="k")])] == ["created", "created"]
        assert proxy.lost == 1
        assert counted(store) == {"ready": 3}


def test_a_wrong_password_is_said_and_not_shown() -> None:
    with PostgresServer(password_needed=True) as server:
        with opened(server.url) as store:
            put(store)
        with opened(server.url.replace(":secret@", ":wr0ng@")) as store, pytest.raises(NotAuthorised) as refused:
            store.queues()
        assert "password" in str(refused.value)
        assert "wr0ng" not in str(refused.value)
        assert refused.value.exit_code == 6


def test_a_standby_is_read_from_and_refuses_writes_clearly(own_postgres: PostgresServer) -> None:
    with opened(own_postgres.url) as store:
        put(store, 2)
    with PostgresServer(standby_of=own_postgres) as standby, opened(standby.url) as store:
        assert counted(store) == {"ready": 2}
        for call in (lambda: put(store), lambda: claim(store), lambda: store.swap("k", None, b"v")):
            with pytest.raises(BackendError, match="takes no writes"):
                call()


def test_a_database_that_is_read_only_by_default_refuses_writes_clearly(own_postgres: PostgresServer) -> None:
    own_postgres.restart(default_transaction_read_only="on")
    with opened(own_postgres.url) as store, pytest.raises(BackendError, match="takes no writes"):
        put(store)


GATE = """
    CREATE FUNCTION jq.pass() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NEW; END $$;
    CREATE TRIGGER gate BEFORE UPDATE ON jq.jobs FOR EACH ROW EXECUTE FUNCTION jq.pass()
"""
"""Who changes a row holds it and waits for whoever holds the lock."""


def test_steps_that_deadlock_with_a_stranger_are_made_again(own_postgres: PostgresServer) -> None:
    own_postgres.restart(deadlock_timeout="50ms")
    with opened(own_postgres.url + "?timeout=20s") as store:
        put(store, 2)
        first, second = sorted(claim(store, 2), key=lambda job: job.id)
        own_postgres.sql(GATE)
        lock = "SELECT 1 FROM jq.jobs WHERE id = %s FOR UPDATE"
        with psycopg.connect(own_postgres.unix_url) as stranger, psycopg.connect(own_postgres.unix_url) as gate:
            gate.execute("SELECT pg_advisory_lock(7)")
            stranger.execute("SET deadlock_timeout = '1h'")  # so that it is ours that is undone
            stranger.execute(lock, [second.id])
            verdicts: list[str] = []
            ours = threading.Thread(target=lambda: verdicts.extend(store.replace(succeed(first, second))))
            ours.start()
            eventually(lambda: waiting(own_postgres), "our step holds the first row and waits at the gate")
            theirs = threading.Thread(target=lambda: stranger.execute(lock, [first.id]))
            theirs.start()
            eventually(lambda: waits(own_postgres, stranger), "the stranger waits for the first row")
            # The server looks for a deadlock once in each wait, so that of ours for the second row begins last.
            gate.execute("SELECT pg_advisory_unlock(7)")
            theirs.join(DEADLINE)
            stranger.rollback()
            ours.join(DEADLINE)
        assert verdicts == ["applied", "applied"]
        deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'"
        eventually(lambda: own_postgres.sql(deadlocks) >= [(1,)], "there was a deadlock")


def waits(server: PostgresServer, connection: psycopg.Connection) -> bool:
    """Whether a connection waits for a lock."""
    sql = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s"
    return server.sql(sql, connection.info.backend_pid) == [(True,)]


def test_a_database_that_is_serializable_by_default_works_as_any_other(own_postgres: PostgresServer) -> None:
    own_postgres.restart(default_transaction_isolation="serializable")
    with opened(own_postgres.url + "?timeout=20s") as store:
        put(store, 200)
        got: list[str] = []

        def work() -> None:
            with opened(own_postgres.url + "?timeout=20s") as own:
                while jobs := claim(own, 7):
                    assert own.replace(succeed(*jobs)) == ["applied"] * len(jobs)
                    got.extend(job.id for job in jobs)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE)
        assert (len(got), len(set(got))) == (200, 200)
        assert counted(store) == {"succeeded": 200}


FAILING = """
    CREATE SEQUENCE jq.strikes;
    CREATE FUNCTION jq.strike() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF nextval('jq.strikes') <= 2 THEN RAISE 'could not serialize' USING ERRCODE = 'serialization_failure'; END IF;
      RETURN NEW;
    END $$;
"""
AT_ONCE = "CREATE TRIGGER struck BEFORE UPDATE ON jq.jobs FOR EACH ROW EXECUTE FUNCTION jq.strike()"
AT_COMMIT = """CREATE CONSTRAINT TRIGGER struck AFTER UPDATE ON jq.jobs DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION jq.strike()"""


@pytest.mark.parametrize("step", ["claim", "settle"])
def test_a_step_that_cannot_be_serialized_is_made_again(step: str, own_postgres: PostgresServer) -> None:
    with opened(own_postgres.url + "?timeout=20s") as store:
        put(store)
        jobs = claim(store) if step == "settle" else []
        own_postgres.sql(FAILING + AT_ONCE)
        if step == "claim":
            assert len(claim(store)) == 1
        else:
            assert store.replace(succeed(*jobs)) == ["applied"]
        assert own_postgres.sql("SELECT nextval('jq.strikes')") == [(4,)]


def test_a_settle_that_fails_as_it_is_committed_is_made_once(own_postgres: PostgresServer) -> None:
    with opened(own_postgres.url + "?timeout=20s") as store:
        put(store)
        jobs = claim(store)
        own_postgres.sql(FAILING + "SELECT nextval('jq.strikes'); " + AT_COMMIT)
        assert store.replace(succeed(*jobs)) == ["applied"]
        assert counted(store) == {"succeeded": 1}


def fill(store: Backend, payload: bytes, most: int) -> int:
    """Store jobs until the store is full; how many it took."""
    for stored in range(most):
        try:
            put(store, payload=payload)
        except BackendFull:
            return stored
    raise AssertionError("the disk never became full")


def test_a_full_disk_is_said_and_nothing_is_half_stored(own_postgres: PostgresServer, small_disk: Path) -> None:
    own_postgres.sql(f"CREATE TABLESPACE small LOCATION '{small_disk}'")
    with opened(own_postgres.url + "?timeout=20s") as store:
        put(store, 3)
        own_postgres.sql("ALTER TABLE jq.jobs SET TABLESPACE small")
        payload = b'"' + os.urandom(200_000).hex().encode() + b'"'
        stored = 3 + fill(store, payload, most=100)
        assert counted(store) == {"ready": stored}
        jobs = claim(store, 3)  # small ones: there is room for them
        own_postgres.sql("ALTER TABLE jq.jobs SET TABLESPACE pg_default")
        assert store.replace(succeed(*jobs)) == ["applied"] * 3
        put(store, payload=payload)
        assert len(claim(store, 1_000)) == stored - 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of 8 MiB, for the user of the server. Needs root."""
    folder = Path(tempfile.mkdtemp(prefix="jq-small-"))
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=0777", "jq-small", folder], capture_output=True)
    if made.returncode != 0:
        folder.rmdir()
        pytest.skip("no rights to mount a file system; what a full disk is called is tested without one")
    try:
        place = folder / "space"
        place.mkdir()
        give_away(place)
        yield place
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        folder.rmdir()


def test_errors_of_a_full_store_are_told_from_others() -> None:
    kinds = {
        "53100": BackendFull,
        "53200": BackendFull,
        "25006": BackendError,
        "42501": NotAuthorised,
        "40P01": BackendUnreachable,
    }
    for state, kind in kinds.items():
        assert type(translated(psycopg.errors.lookup(state)("x"), "pg")) is kind


def test_a_hint_that_cannot_be_sent_at_once_is_sent_by_another(postgres_server: PostgresServer, namespace: str) -> None:
    with opened(postgres_server.url, namespace=namespace) as store:
        watch = store.watch(["ready:q"])
        assert watch is not None
        topic = store._link.topic("ready:q")
        with psycopg.connect(postgres_server.unix_url) as busy:
            busy.execute("SELECT pg_advisory_xact_lock(%s)", [topic.key ^ 1])
            put(store, 3)
        assert counted(store) == {"ready": 3}
        watch.close()


def test_a_watch_comes_back_after_a_restart(own_postgres: PostgresServer) -> None:
    import select

    with opened(own_postgres.url + "?timeout=20s") as store:
        put(store)
        watch = store.watch(["ready:q"])
        assert watch is not None
        own_postgres.restart()
        assert select.select([watch], [], [], DEADLINE)[0], "the end of the connection is a hint"
        watch.drain()
        put(store)
        assert select.select([watch], [], [], DEADLINE)[0]
        watch.close()


def test_nothing_is_notified_where_nobody_listens(own_postgres: PostgresServer) -> None:
    own_postgres.restart(log_min_messages="warning")
    with opened(own_postgres.url) as store:
        put(store)
        with psycopg.connect(own_postgres.unix_url, autocommit=True) as other:
            topic = store._link.topic("ready:q")
            other.execute(f"LISTEN {topic.channel}")  # without the lock that a watch holds
            put(store)
            assert list(other.notifies(timeout=0.2)) == []
            other.execute("SELECT pg_advisory_lock_shared(%s)", [topic.key])
            put(store)
            assert len(list(other.notifies(timeout=DEADLINE, stop_after=1))) == 1


def test_a_store_opened_before_a_fork_is_refused_in_the_child_and_goes_on_in_the_parent(
    postgres_server: PostgresServer, namespace: str
) -> None:
    with opened(postgres_server.url, namespace=namespace) as store:
        put(store)
        pid = os.fork()
        if pid == 0:
            try:
                store.queues()
            except BackendError as error:
                os._exit(0 if "fork" in str(error) else 2)
            finally:
                os._exit(3)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        put(store)
        assert counted(store) == {"ready": 2}


def test_an_operator_waits_for_claims_that_do_not_know_of_the_pause(
    postgres_server: PostgresServer, namespace: str
) -> None:
    with (
        opened(postgres_server.url, namespace=namespace) as store,
        opened(postgres_server.url, namespace=namespace) as operator,
    ):
        put(store)
        with psycopg.connect(postgres_server.unix_url) as claiming:
            claiming.execute(
                f"SELECT * FROM \"jq_{namespace}\".claim_jobs(NULL, ARRAY['q'], 1, 'w', 10000, 'n', 1000)"
            ).fetchall()
            done = threading.Event()

            def pause() -> None:
                operator.control("q", Setting(paused=True))
                done.set()

            thread = threading.Thread(target=pause)
            thread.start()
            pids = lambda: [pid for pid in waiting(postgres_server) if pid in backends_of(postgres_server)]  # noqa: E731
            eventually(pids, "the operator waits")
            assert not done.is_set()
            claiming.commit()
            thread.join(DEADLINE)
        assert done.is_set()
        assert claim(store) == []


def test_turns_of_one_batch_are_one_transaction(postgres_server: PostgresServer, namespace: str) -> None:
    with opened(postgres_server.url, namespace=namespace) as store:
        put(store, 4)
        changes = succeed(*claim(store, 2))
        before = transactions(postgres_server, namespace)
        turned = store.turn(changes, asking(2))
        assert (turned.verdicts, len(turned.jobs)) == (["applied"] * 2, 2)
        assert transactions(postgres_server, namespace) == before + 1


def transactions(server: PostgresServer, namespace: str) -> int:
    """How many transactions wrote rows of deltas."""
    [(count,)] = server.sql(f'SELECT count(DISTINCT xmin::text) FROM "jq_{namespace}".deltas')
    return int(count)
