"""A turn in two halves on Redis: the server works while the caller does something else, and nothing is lost between them."""

from collections.abc import Callable, Iterator

import pytest

from jq_cli.backends.base import Claim, Turned
from jq_cli.backends.redis.backend import RedisBackend
from jq_cli.consumer import Consumer
from jq_cli.errors import BackendUnreachable
from jq_cli.ids import nonce
from jq_cli.job import Job
from tests.backends.redis_jobs import add, change, eventually, opened, states, take, total
from tests.backends.redis_proxy import Proxy
from tests.servers import RedisServer


@pytest.fixture
def store(redis_server: RedisServer, namespace: str) -> Iterator[RedisBackend]:
    with opened(redis_server.url, namespace) as store:
        yield store


def begun(store: RedisBackend, *ended: Job, limit: int = 1) -> Callable[[], Turned]:
    """A turn that was sent and not waited for."""
    return store.begin([change(job) for job in ended], Claim(("q",), limit, "w", 60_000, nonce()))


def test_the_server_does_a_turn_that_nobody_asks_after_yet(
    redis_server: RedisServer, store: RedisBackend, namespace: str
) -> None:
    [id_] = add(store)
    store.claim(Claim(("other",), 1, "w", 60_000, nonce()))  # so that the server knows the script
    answer = begun(store)
    with opened(redis_server.url, namespace) as other:
        eventually(lambda: states(other) == {"running": 1})
    assert [job.id for job in answer().jobs] == [id_]


def test_what_is_asked_meanwhile_waits_for_the_turn(store: RedisBackend) -> None:
    ids = add(store, 3)
    answer = begun(store, *take(store))
    assert [job and job.state for job in store.get("q", ids)] == ["succeeded", "running", "ready"]
    second = begun(store)
    turned = answer()
    assert (turned.verdicts, [job.id for job in turned.jobs]) == (["applied"], [ids[1]])
    assert [job.id for job in second().jobs] == [ids[2]]


def test_a_turn_of_more_changes_than_one_call_takes_is_made_whole(store: RedisBackend) -> None:
    add(store, 1_002)
    jobs = take(store, 600) + take(store, 401)
    turned = begun(store, *jobs, limit=5)()
    assert turned.verdicts == ["applied"] * 1_001
    assert len(turned.jobs) == 1
    assert states(store) == {"running": 1, "succeeded": 1_000}, "a queue keeps the last 1,000"
    assert total(store, "succeeded") == 1_001


def test_forgotten_scripts_are_loaded_when_the_answer_is_taken(own_redis: RedisServer) -> None:
    with opened(own_redis.url) as store:
        [id_] = add(store)
        own_redis.command("SCRIPT", "FLUSH")
        assert [job.id for job in begun(store)().jobs] == [id_]


def test_a_turn_whose_answer_is_lost_is_not_sent_again_and_is_made_good_by_its_caller(
    redis_server: RedisServer, namespace: str
) -> None:
    with Proxy(redis_server.port) as proxy, opened(f"redis://127.0.0.1:{proxy.port}", namespace) as store:
        add(store, 3)
        consumer = Consumer(store, worker="w")
        (job,) = consumer.claim(["q"])
        proxy.lose_next_answer()
        answer = consumer.begin([change(job)], ["q"], 1, 1)
        assert callable(answer)
        assert states(store) == {"running": 1, "ready": 1, "succeeded": 1}, "another call goes on with a new connection"
        with pytest.raises(BackendUnreachable):
            answer()
        assert proxy.lost == 1
        assert consumer.write([change(job)]) == ["already"]
        assert consumer.release_unknown({}) == 1
        assert states(store) == {"ready": 2, "succeeded": 1}


def test_a_store_that_is_closed_between_the_halves_says_so(store: RedisBackend) -> None:
    add(store)
    answer = begun(store)
    store.close()
    with pytest.raises(BackendUnreachable):
        answer()


def test_a_turn_begun_after_one_whose_answer_is_lost_is_not_sent_and_says_so(
    redis_server: RedisServer, namespace: str
) -> None:
    with Proxy(redis_server.port) as proxy, opened(f"redis://127.0.0.1:{proxy.port}", namespace) as store:
        add(store, 3)
        proxy.lose_next_answer()
        answer = begun(store)
        with pytest.raises(BackendUnreachable):
            begun(store)
        with pytest.raises(BackendUnreachable):
            answer()
        assert states(store) == {"running": 1, "ready": 2}
        assert len(begun(store)().jobs) == 1, "what failed is over"
