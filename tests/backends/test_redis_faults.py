"""The Redis backend when the server, the network or the login fails."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from jq_cli.backends.base import Setting
from jq_cli.backends.redis.backend import RedisBackend
from jq_cli.consumer import Consumer
from jq_cli.errors import BackendFull, BackendUnreachable, NotAuthorised
from jq_cli.job import lease_of
from tests.backends.redis_jobs import add, change, draft, opened, settle, states, statuses, take, total
from tests.backends.redis_proxy import Proxy
from tests.servers import RedisServer


@pytest.fixture
def backend(own_redis: RedisServer) -> Iterator[RedisBackend]:
    with opened(own_redis.url) as backend:
        yield backend


@pytest.fixture
def proxy(redis_server: RedisServer) -> Iterator[Proxy]:
    with Proxy(redis_server.port) as proxy:
        yield proxy


@pytest.fixture
def proxied(proxy: Proxy, namespace: str) -> Iterator[RedisBackend]:
    with opened(f"redis://127.0.0.1:{proxy.port}", namespace) as backend:
        yield backend


# --- the server forgets, dies, starts ---


def test_scripts_that_the_server_forgot_are_loaded_again(own_redis: RedisServer, backend: RedisBackend) -> None:
    def forgetting() -> RedisBackend:
        own_redis.command("SCRIPT", "FLUSH")
        return backend

    (id_,) = add(forgetting())
    (job,) = take(forgetting())
    assert forgetting().extend([lease_of(job)], lease=60_000).holds == ["held"]
    assert [found and found.id for found in forgetting().get("q", [id_])] == [id_]
    assert settle(forgetting(), job) == ["applied"]
    assert [each.id for each in forgetting().page("q", "succeeded").jobs] == [id_]
    assert states(forgetting()) == {"succeeded": 1}
    assert forgetting().due(10).jobs == []
    assert forgetting().swap("note", None, b"1")
    assert forgetting().control("q", Setting(paused=True)).paused


def test_many_calls_in_one_go_survive_forgotten_scripts_in_their_order(
    own_redis: RedisServer, backend: RedisBackend
) -> None:
    drafts = [draft(queue) for queue in ("a", "b", "c") for _ in range(5)]
    own_redis.command("SCRIPT", "FLUSH")
    assert statuses(backend.insert(drafts)) == ["created"] * 15
    for queue in ("a", "b", "c"):
        assert [job.id for job in take(backend, 9, (queue,))] == [d.job.id for d in drafts if d.job.queue == queue]


def test_nothing_acknowledged_is_lost_when_the_server_is_killed(own_redis: RedisServer, backend: RedisBackend) -> None:
    add(backend, 500)
    jobs = take(backend, 100)
    assert settle(backend, *jobs[:50]) == ["applied"] * 50
    before = backend.counts()
    own_redis.restart()
    (after,) = backend.counts()
    assert (after.states, after.totals) == (before[0].states, before[0].totals)
    assert settle(backend, *jobs[50:]) == ["applied"] * 50
    assert settle(backend, *jobs) == ["already"] * 100
    assert len(take(backend, 1_000)) == 400


def test_a_call_made_while_the_server_restarts_is_answered(own_redis: RedisServer, backend: RedisBackend) -> None:
    add(backend)
    own_redis.kill()
    with ThreadPoolExecutor(1) as threads:
        taken = threads.submit(take, backend)
        own_redis.start()
        assert len(taken.result()) == 1


def test_a_dead_server_is_unreachable_within_the_deadline_and_its_secret_is_not_told(own_redis: RedisServer) -> None:
    url = own_redis.url.replace("127.0.0.1", "user:hidden@127.0.0.1")
    own_redis.kill()
    with opened(url, timeout=0.2) as backend:
        start = time.monotonic()
        with pytest.raises(BackendUnreachable, match=r"redis://user:\*\*\*@127\.0\.0\.1:\d+/0: Connection refused"):
            backend.queues()
        assert time.monotonic() - start < 10


def test_a_frozen_server_is_unreachable_within_the_deadline(own_redis: RedisServer) -> None:
    with opened(own_redis.url, timeout=0.3) as backend:
        add(backend)
        own_redis.pause()
        try:
            for call in (lambda: add(backend), lambda: take(backend), backend.counts, backend.now):
                with pytest.raises(BackendUnreachable, match="no answer in time"):
                    call()
        finally:
            own_redis.resume()
        assert states(backend)["ready"] >= 1


def test_an_answer_that_comes_too_late_is_not_taken_for_that_of_the_next_call(own_redis: RedisServer) -> None:
    with opened(own_redis.url, timeout=0.3) as backend:
        add(backend, queue="early")
        own_redis.pause()
        with pytest.raises(BackendUnreachable):
            backend.queues()
        own_redis.resume()
        assert backend.read("x") == {}
        assert backend.queues() == ["early"]


def test_a_server_that_is_still_loading_is_waited_for(own_redis: RedisServer, backend: RedisBackend) -> None:
    for _ in range(1_500):  # it looks at its clients after every 1,024 commands that it loads
        add(backend)
    own_redis.kill()
    own_redis.start(wait=False, key_load_delay=100)
    with opened(own_redis.url, timeout=1) as hurried, pytest.raises(BackendUnreachable, match="loading"):
        hurried.counts()
    with opened(own_redis.url, timeout=30) as patient:
        assert states(patient) == {"ready": 1_500}


def test_a_read_only_replica_takes_no_writes_until_it_is_promoted(own_redis: RedisServer) -> None:
    with opened(own_redis.url, timeout=0.2) as backend:
        add(backend)
        own_redis.command("REPLICAOF", "127.0.0.1", "1")
        for call in (lambda: add(backend), lambda: take(backend), lambda: backend.swap("n", None, b"")):
            with pytest.raises(BackendUnreachable, match="read-only replica"):
                call()
        assert states(backend) == {"ready": 1}
        own_redis.command("REPLICAOF", "NO", "ONE")
        assert len(take(backend)) == 1


def test_a_promotion_within_the_deadline_is_not_noticed(own_redis: RedisServer, backend: RedisBackend) -> None:
    add(backend)
    own_redis.command("REPLICAOF", "127.0.0.1", "1")
    with ThreadPoolExecutor(1) as threads:
        added = threads.submit(add, backend)
        own_redis.command("REPLICAOF", "NO", "ONE")
        assert len(added.result()) == 1


# --- the server is full ---


def test_a_full_server_refuses_new_jobs_whole_and_lets_the_others_end(
    own_redis: RedisServer, backend: RedisBackend
) -> None:
    add(backend, 20)
    running = take(backend, 5)
    own_redis.command("CONFIG", "SET", "maxmemory", "1mb")
    with pytest.raises(BackendFull, match="maxmemory"):
        backend.insert([draft() for _ in range(10)])
    assert states(backend) == {"ready": 15, "running": 5}
    assert total(backend, "enqueued") == 20
    assert backend.extend([lease_of(running[0])], lease=60_000).holds == ["held"]
    assert settle(backend, *running[:3]) == ["applied"] * 3
    assert settle(backend, running[3], kind="failed") == ["applied"]
    assert settle(backend, running[4], kind="permanent") == ["applied"]
    assert len(take(backend, 5)) == 5
    assert backend.due(10).jobs == []
    assert backend.swap("worker:w", None, b"{}")
    assert backend.control("q", Setting(paused=True)).paused
    own_redis.command("CONFIG", "SET", "maxmemory", "0")
    assert len(add(backend, 10)) == 10


# --- the login ---


def test_a_server_that_wants_a_password_refuses_those_without_it(own_redis: RedisServer) -> None:
    own_redis.command("CONFIG", "SET", "requirepass", "s3 cret/@")
    with opened(own_redis.url) as backend, pytest.raises(NotAuthorised, match="NOAUTH"):
        backend.queues()
    with opened(own_redis.url.replace("://", "://:wrong@")) as backend, pytest.raises(NotAuthorised, match="WRONGPASS"):
        backend.queues()
    with opened(own_redis.url.replace("://", "://:s3%20cret%2F%40@")) as backend:
        assert len(add(backend)) == 1


def test_an_acl_user_works_within_its_namespace_and_not_outside(own_redis: RedisServer) -> None:
    own_redis.command("ACL", "SETUSER", "jq", "on", ">pw", "~mine:*", "&mine:*", "+@all", "-@admin", "-@dangerous")
    url = own_redis.url.replace("://", "://jq:pw@")
    with opened(url, "mine") as backend:
        add(backend, 2)
        assert settle(backend, *take(backend)) == ["applied"]
        assert backend.watch(["ready:q"]) is not None
    with opened(url, "theirs") as backend, pytest.raises(NotAuthorised, match="NOPERM"):
        add(backend)
    with opened(url, "theirs") as backend, pytest.raises(NotAuthorised, match="NOPERM"):
        backend.watch(["ready:q"])


def test_a_user_who_may_not_publish_still_works(own_redis: RedisServer) -> None:
    own_redis.command("ACL", "SETUSER", "mute", "on", ">pw", "~*", "resetchannels", "+@all")
    with opened(own_redis.url.replace("://", "://mute:pw@")) as backend:
        add(backend, 2)
        assert settle(backend, *take(backend, 2)) == ["applied"] * 2


# --- the connection ---


def test_connections_that_the_server_closed_are_replaced(own_redis: RedisServer, backend: RedisBackend) -> None:
    def alone() -> RedisBackend:
        own_redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        return backend

    ids = add(alone(), 2)
    jobs = take(alone())
    assert [job.id for job in jobs] == ids[:1]
    assert settle(alone(), *jobs) == ["applied"]
    assert alone().swap("n", None, b"1")
    assert states(alone()) == {"ready": 1, "succeeded": 1}


def test_an_enqueue_whose_answer_is_lost_makes_one_job_and_is_counted_once(proxy: Proxy, proxied: RedisBackend) -> None:
    add(proxied)
    proxy.lose_next_answer()
    drafts = [draft(dedup_key="once"), draft(idempotency_key="once"), draft()]
    assert statuses(proxied.insert(drafts)) == ["created"] * 3
    assert proxy.lost == 1
    assert states(proxied) == {"ready": 4}
    assert (total(proxied, "enqueued"), total(proxied, "duplicates")) == (4, 0)


def test_a_settle_whose_answer_is_lost_is_sent_again_and_was_already_there(proxy: Proxy, proxied: RedisBackend) -> None:
    add(proxied, 2)
    jobs = take(proxied, 2)
    proxy.lose_next_answer()
    assert settle(proxied, *jobs) == ["already"] * 2
    assert proxy.lost == 1
    assert total(proxied, "succeeded") == 2


def test_a_heartbeat_whose_answer_is_lost_is_sent_again(proxy: Proxy, proxied: RedisBackend) -> None:
    add(proxied)
    (job,) = take(proxied)
    proxy.lose_next_answer()
    assert proxied.extend([lease_of(job)], lease=60_000).holds == ["held"]
    assert proxy.lost == 1


def test_a_read_whose_answer_is_lost_is_sent_again(proxy: Proxy, proxied: RedisBackend) -> None:
    add(proxied)
    proxy.lose_next_answer()
    assert states(proxied) == {"ready": 1}
    assert proxy.lost == 1


def test_a_claim_whose_answer_is_lost_is_not_sent_again_and_its_leases_are_found(
    proxy: Proxy, proxied: RedisBackend
) -> None:
    ids = add(proxied, 4)
    proxy.lose_next_answer()
    with pytest.raises(BackendUnreachable):
        take(proxied, 2)
    assert proxy.lost == 1
    assert sorted(job.id for job in proxied.held("w")) == ids[:2]
    assert Consumer(proxied, worker="w").release_unknown({}) == 2
    assert [job.id for job in take(proxied, 9)] == ids


def test_a_turn_whose_answer_is_lost_is_made_good_by_its_caller(proxy: Proxy, proxied: RedisBackend) -> None:
    add(proxied, 3)
    consumer = Consumer(proxied, worker="w")
    (job,) = consumer.claim(["q"])
    proxy.lose_next_answer()
    with pytest.raises(BackendUnreachable):
        consumer.turn([change(job)], ["q"], 1)
    assert consumer.write([change(job)]) == ["already"]
    assert consumer.release_unknown({}) == 1
    assert states(proxied) == {"ready": 2, "succeeded": 1}
    assert total(proxied, "succeeded") == 1


def test_answers_that_never_come_are_told_within_the_deadline(proxy: Proxy, namespace: str) -> None:
    with opened(f"redis://127.0.0.1:{proxy.port}", namespace, timeout=0.3) as backend:
        add(backend)
        proxy.lose_all_answers()
        with pytest.raises(BackendUnreachable):
            states(backend)
    assert proxy.lost > 1
