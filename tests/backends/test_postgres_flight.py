"""A turn in two halves: the server works while the caller does something else, and nothing is lost between the halves."""

from collections.abc import Callable

import pytest

from jq_cli.backends.base import Backend, Turned
from jq_cli.errors import BackendUnreachable
from tests.backends.postgres_jobs import asking, claim, counted, eventually, held_up, opened, put, succeed, waiting
from tests.postgres_server import PostgresServer


def begun(store: Backend, limit: int = 1) -> Callable[[], Turned]:
    """A claim that was sent and not waited for."""
    answer = store.begin([], asking(limit))
    assert callable(answer)
    return answer


def test_the_server_does_a_turn_that_nobody_asks_after_yet(postgres_server: PostgresServer, namespace: str) -> None:
    with (
        opened(postgres_server.url, namespace=namespace) as store,
        opened(postgres_server.url, namespace=namespace) as other,
    ):
        [id] = put(store, 1)
        answer = begun(store)
        eventually(lambda: counted(other) == {"running": 1}, "committed, though its answer is not read")
        assert [job.id for job in answer().jobs] == [id]


def test_what_is_asked_meanwhile_waits_for_the_turn(postgres_server: PostgresServer, namespace: str) -> None:
    with opened(postgres_server.url, namespace=namespace) as store:
        ids = put(store, 3)
        first = store.claim(asking(1)).jobs
        answer = store.begin(succeed(*first), asking(1))
        assert callable(answer)
        assert [job and job.state for job in store.get("q", ids)] == ["succeeded", "running", "ready"]
        second = begun(store)
        turned = answer()
        assert (turned.verdicts, [job.id for job in turned.jobs]) == (["applied"], [ids[1]])
        assert [job.id for job in second().jobs] == [ids[2]]


def test_a_turn_struck_between_its_halves_is_not_made_again(own_postgres: PostgresServer) -> None:
    with opened(own_postgres.url) as store:
        put(store, 2)
        changes = succeed(*claim(store))
        with held_up(own_postgres, "jobs"):
            answer = store.begin(changes, asking(1))
            assert callable(answer)
            eventually(lambda: waiting(own_postgres), "the server is at it")
            own_postgres.kill()
        own_postgres.start()
        with pytest.raises(BackendUnreachable):
            answer()
        assert counted(store) == {"running": 1, "ready": 1}
        assert store.replace(changes) == ["applied"]
        assert counted(store) == {"succeeded": 1, "ready": 1}


def test_a_turn_cut_off_while_something_else_is_asked_tells_its_own_caller(own_postgres: PostgresServer) -> None:
    with opened(own_postgres.url) as store:
        [id] = put(store, 1)
        with held_up(own_postgres, "jobs"):
            answer = begun(store)
            eventually(lambda: waiting(own_postgres), "the server is at it")
            own_postgres.kill()
        own_postgres.start()
        assert store.get("q", [id])[0] is not None, "another call goes on with a new connection"
        with pytest.raises(BackendUnreachable):
            answer()


def test_a_turn_begun_after_one_that_was_cut_off_is_not_sent_and_says_so(own_postgres: PostgresServer) -> None:
    with opened(own_postgres.url) as store:
        put(store, 2)
        with held_up(own_postgres, "jobs"):
            answer = begun(store)
            eventually(lambda: waiting(own_postgres), "the server is at it")
            own_postgres.kill()
        own_postgres.start()
        with pytest.raises(BackendUnreachable):
            begun(store)
        with pytest.raises(BackendUnreachable):
            answer()
        assert counted(store) == {"ready": 2}
        assert len(begun(store)().jobs) == 1, "what failed is over"
