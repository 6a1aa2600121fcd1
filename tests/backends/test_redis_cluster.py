"""Redis Cluster: every command reaches the node that serves its slot, also while slots and primaries move."""

import select
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest

from jq_cli.backends.base import Claim, Watch
from jq_cli.backends.redis import backend as redis_backend
from jq_cli.backends.redis.slots import slot_of
from jq_cli.errors import BackendError, BackendUnreachable, NotAuthorised, UsageError
from jq_cli.ids import new_id, nonce
from jq_cli.job import lease_of
from jq_cli.lifecycle import release
from tests.backends.redis_jobs import (
    add,
    change,
    draft,
    eventually,
    opened,
    part,
    settle,
    states,
    statuses,
    take,
    total,
)
from tests.backends.redis_proxy import Proxy
from tests.cluster_service import ClusterService
from tests.servers import RedisServer


@pytest.fixture
def own_cluster() -> Iterator[ClusterService]:
    """Three primaries for one test alone, which may move their slots and break them."""
    with ClusterService() as cluster:
        yield cluster


@pytest.fixture
def replicated() -> Iterator[ClusterService]:
    """The same with a replica of each, which takes over when its primary was silent for two seconds."""
    with ClusterService(replicas=True, node_timeout=2_000) as cluster:
        yield cluster


@pytest.mark.parametrize(
    ("key", "slot"),
    [
        ("123456789", 12739),
        ("foo", 12182),
        ("{foo}.bar", 12182),
        ("a{foo}{b}", 12182),
        ("{}foo", 9500),
        (b"foo", 12182),
    ],
)
def test_a_key_lies_in_the_slot_that_the_servers_reckon(
    key: str | bytes, slot: int, redis_cluster: ClusterService
) -> None:
    assert slot_of(("GET", key)) == slot == redis_cluster.ask(redis_cluster.servers[0], "CLUSTER", "KEYSLOT", key)


# --- queues on several nodes ---


def test_each_queue_lies_on_the_node_of_its_slot(redis_cluster: ClusterService, namespace: str) -> None:
    queues = redis_cluster.queues()
    with opened(redis_cluster.url, namespace) as backend:
        inserted = backend.insert([draft(queue) for queue in queues * 2])
        assert statuses(inserted) == ["created"] * 6
        for server, queue in zip(redis_cluster.primaries, queues, strict=True):
            assert redis_cluster.ask(server, "HLEN", part(backend, "jobs", queue)) == 2
        assert backend.queues() == sorted(queues)
        assert [counts.queue for counts in backend.counts()] == sorted(queues)
        for each in inserted:
            found = backend.find(each.id)
            assert found is not None
            assert found.id == each.id


def test_a_claim_looks_at_the_queues_in_the_order_asked_for(redis_cluster: ClusterService, namespace: str) -> None:
    one, two, three = redis_cluster.queues()
    with opened(redis_cluster.url, namespace) as backend:
        backend.insert([draft(queue) for queue in (three, two, one, three, two, one)])
        for asked in ((two, three, one), (one, two, three)):
            claimed = take(backend, 3, asked)
            assert [job.queue for job in claimed] == [asked[0], asked[0], asked[1]]
            assert backend.replace([release(job) for job in claimed]) == ["applied"] * 3
        claimed = take(backend, 10, (three, one, two))
        assert [job.queue for job in claimed] == [three, three, one, one, two, two]


def test_a_turn_settles_jobs_of_all_nodes_and_claims(redis_cluster: ClusterService, namespace: str) -> None:
    queues = redis_cluster.queues(2)
    with opened(redis_cluster.url, namespace) as backend:
        backend.insert([draft(queue) for queue in queues for _ in range(2)])
        first = take(backend, 12, tuple(queues))
        assert len(first) == 12
        verdicts = backend.replace([change(job) for job in reversed(first)])
        assert verdicts == ["applied"] * 12
        backend.insert([draft(queue) for queue in queues])
        second = take(backend, 6, tuple(queues))
        changes = [change(second[n]) for n in (5, 0, 3)] + [change(first[0])] + [change(second[n]) for n in (1, 2, 4)]
        backend.insert([draft(queues[1])])
        turned = backend.turn(changes, Claim(tuple(queues), 9, "w", 60_000, nonce()))
        assert turned.verdicts == ["applied"] * 3 + ["already"] + ["applied"] * 3
        assert [job.queue for job in turned.jobs] == [queues[1]]


def test_hints_of_a_queue_come_from_any_node(redis_cluster: ClusterService, namespace: str) -> None:
    queues, (scheme, _, login) = redis_cluster.queues(), redis_cluster.url.partition("@")[0].partition("//")
    with opened(redis_cluster.url, namespace) as backend:
        for server in redis_cluster.primaries:  # each watch is on one node alone
            with opened(f"{scheme}//{login}@127.0.0.1:{server.port}", namespace) as other:
                for queue in queues:
                    with closing(other.watch([f"ready:{queue}"])) as watch:
                        eventually(lambda watch=watch, queue=queue: add(backend, queue=queue) and hinted(watch))


def hinted(watch: Watch) -> bool:
    """Whether there is a hint within a second. One may be missed while nodes connect to each other."""
    if not select.select([watch], [], [], 1)[0]:
        return False
    watch.drain()
    return True


def test_scripts_that_every_node_forgot_are_sent_again(redis_cluster: ClusterService, namespace: str) -> None:
    def forgetting() -> redis_backend.RedisBackend:
        for server in redis_cluster.servers:
            redis_cluster.ask(server, "SCRIPT", "FLUSH")
        return backend

    queues = redis_cluster.queues(2)
    with opened(redis_cluster.url, namespace) as backend:
        assert statuses(forgetting().insert([draft(queue) for queue in queues])) == ["created"] * 6
        assert len(take(forgetting(), 6, tuple(queues))) == 6
        assert [counts.states["running"] for counts in forgetting().counts(queues)] == [1] * 6


def test_a_queue_whose_name_the_node_lost_is_soon_known_again(
    redis_cluster: ClusterService, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(redis_cluster.url, namespace) as backend:
        add(backend)
        with opened(redis_cluster.url, namespace) as other:
            other._client.call(("DEL", other._keys.queues))
            monkeypatch.setattr(redis_backend, "REGISTER_AGAIN", -1.0)
            add(backend, queue="r")
            add(backend)
            assert other.queues() == ["q", "r"]


def test_a_client_of_redis_py_knows_all_nodes(redis_cluster: ClusterService, namespace: str) -> None:
    with opened(redis_cluster.url, namespace) as backend:
        queues = redis_cluster.queues()
        backend.insert([draft(queue) for queue in queues])
        client = backend.redis_py()
        assert [client.hlen(part(backend, "jobs", queue)) for queue in queues] == [1, 1, 1]
        client.close()


# --- what is refused ---


def test_at_most_once_is_refused_unless_the_risk_is_taken(redis_cluster: ClusterService, namespace: str) -> None:
    with opened(redis_cluster.url, namespace) as backend, pytest.raises(UsageError, match="accept_failover_risk"):
        add(backend, delivery="at_most_once")
    with opened(redis_cluster.url + "&accept_failover_risk=true", namespace) as backend:
        add(backend, delivery="at_most_once")
        assert states(backend) == {"ready": 1}


def test_what_is_wrong_with_the_address_is_said(redis_cluster: ClusterService, redis_server: RedisServer) -> None:
    login, node = redis_cluster.url.partition("//")[2].partition("@")[0], redis_cluster.servers[0].port
    alone = redis_server.url.replace("redis:", "redis+cluster:")
    with opened(alone) as backend, pytest.raises(BackendError, match="cluster support disabled"):
        backend.queues()
    with opened(f"redis+cluster://:wrong@127.0.0.1:{node}") as backend, pytest.raises(NotAuthorised):
        backend.queues()
    elsewhere = redis_cluster.queues()[1]
    with (
        opened(f"redis://{login}@127.0.0.1:{node}") as backend,
        pytest.raises(BackendError, match=r"a node of a cluster, which is redis\+cluster://"),
    ):
        states(backend, elsewhere)
    with (
        opened("redis+cluster://127.0.0.1:1,127.0.0.1:2?timeout=0.2") as backend,
        pytest.raises(BackendUnreachable, match="no node of the cluster answers"),
    ):
        backend.queues()


def test_a_user_needs_the_keys_and_channels_of_its_namespace_alone(own_cluster: ClusterService) -> None:
    for server in own_cluster.servers:
        rules = "on", ">pw", "~mine:*", "&mine:*", "+@all", "-@admin", "-@dangerous"
        own_cluster.ask(server, "ACL", "SETUSER", "jq", *rules)
    queues, hosts = own_cluster.queues(), own_cluster.url.partition("@")[2]
    with opened(f"redis+cluster://jq:pw@{hosts}", "mine") as backend, closing(backend.watch(["ready:q0"])):
        backend.insert([draft(queue) for queue in queues])
        own_cluster.move(queues[0], own_cluster.primaries[1])
        assert settle(backend, *take(backend, 3, tuple(queues))) == ["applied"] * 3
    with opened(f"redis+cluster://jq:pw@{hosts}", "theirs") as backend, pytest.raises(NotAuthorised):
        backend.queues()


# --- trouble ---


def test_a_node_that_hangs_and_one_that_is_gone_are_passed_over(own_cluster: ClusterService) -> None:
    url = own_cluster.url.replace("@", "@127.0.0.1:1,", 1).replace("timeout=60", "timeout=10")
    registry = own_cluster.of("t:queues")
    queue = own_cluster.queues()[own_cluster.primaries.index(registry)]
    hung = next(server for server in own_cluster.primaries if server is not registry)
    hung.pause()
    for _ in range(4):  # they are asked in a random order
        with opened(url) as backend:
            add(backend, queue=queue)
    hung.resume()


def test_a_batch_whose_answer_was_lost_is_not_stored_twice(own_cluster: ClusterService) -> None:
    queue = own_cluster.queues()[0]
    server = own_cluster.of(f"t:{{{queue}}}:jobs")
    with Proxy(server.port) as proxy:
        own_cluster.ask(server, "CONFIG", "SET", "cluster-announce-port", proxy.port)
        eventually(lambda: own_cluster.ports_of(queue) == {proxy.port})
        with opened(own_cluster.url) as backend:
            add(backend, queue=queue)
            settle(backend, *take(backend, 1, (queue,)))
            proxy.lose_next_answer()
            ids = [new_id() for _ in range(3)]
            assert statuses(backend.insert([draft(queue, id=id_) for id_ in ids])) == ["created"] * 3
            assert total(backend, "enqueued", queue) == 4
            proxy.lose_next_answer()
            with pytest.raises(BackendUnreachable):
                take(backend, 4, (queue,))
            assert proxy.lost == 2
            assert [job.id for job in backend.held("w")] == ids


def test_a_slot_that_moved_at_once_is_found_again(own_cluster: ClusterService) -> None:
    queues = own_cluster.queues(2)
    with opened(own_cluster.url) as backend:
        backend.insert([draft(queue) for queue in queues])
        jobs = take(backend, 6, tuple(queues))
        for queue in queues[:2]:
            own_cluster.move(queue, own_cluster.primaries[2])
        assert backend.extend([lease_of(job) for job in jobs], lease=60_000).holds == ["held"] * 6
        assert backend.replace([change(job) for job in jobs]) == ["applied"] * 6
        backend.insert([draft(queue) for queue in queues])
        assert len(take(backend, 6, tuple(queues))) == 6


def test_a_call_waits_while_the_slot_of_its_queue_is_moved_key_by_key(own_cluster: ClusterService) -> None:
    queue = own_cluster.queues()[0]
    with opened(own_cluster.url) as backend, opened(own_cluster.url.replace("=60", "=0.3")) as hasty:
        add(backend, 2, queue=queue)
        assert states(hasty, queue) == {"ready": 2}
        own_cluster.begin_to_move(queue, own_cluster.primaries[1])
        with pytest.raises(BackendUnreachable, match="the cluster is moving the slot"):
            add(hasty, queue=queue)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(add, backend, queue=queue)
            own_cluster.end_move(queue, own_cluster.primaries[1])
            assert waiting.result()
        assert states(hasty, queue) == {"ready": 3}
        assert own_cluster.ask(own_cluster.primaries[1], "HLEN", part(backend, "jobs", queue)) == 3


def test_notes_are_read_and_written_while_their_slot_is_moved_key_by_key(own_cluster: ClusterService) -> None:
    source = own_cluster.of("t:notes")
    target = next(server for server in own_cluster.primaries if server is not source)
    with opened(own_cluster.url) as backend:
        assert backend.swap("old", None, b"1")
        own_cluster.begin_to_move("t:notes", target)
        assert own_cluster.ask(source, "EXISTS", "t:notes") == 1
        assert backend.read("") == {"old": b"1"}
        own_cluster.move_keys("t:notes", target)
        assert backend.swap("new", None, b"2")
        assert not backend.swap("new", None, b"2")
        assert backend.read("") == {"old": b"1", "new": b"2"}
        own_cluster.end_move("t:notes", target)
        assert backend.read("") == {"old": b"1", "new": b"2"}


def test_jobs_and_leases_outlive_a_failover_and_hints_go_on(replicated: ClusterService) -> None:
    queues = replicated.queues()
    with opened(replicated.url) as backend, closing(backend.watch([f"ready:{queues[0]}"])) as watch:
        backend.insert([draft(queue) for queue in queues])
        jobs = take(backend, 3, tuple(queues))
        replicated.await_replicas()
        replicated.fail_over(replicated.primaries[0])
        assert backend.extend([lease_of(job) for job in jobs], lease=60_000).holds == ["held"] * 3
        assert settle(backend, *jobs) == ["applied"] * 3

        eventually(lambda: add(backend, queue=queues[0]) and hinted(watch))


def test_a_primary_that_hangs_is_left_for_its_replica(replicated: ClusterService) -> None:
    queue = replicated.queues()[0]
    with opened(replicated.url.replace("timeout=60", "timeout=1")) as backend:
        add(backend, queue=queue)
        replicated.await_replicas()
        replicated.primaries[0].pause()
        try:
            with pytest.raises(BackendUnreachable, match="no answer in time"):
                states(backend, queue)

            def answered() -> bool:
                with suppress(BackendUnreachable):
                    return states(backend, queue) == {"ready": 1}
                return False

            eventually(answered)
        finally:
            replicated.primaries[0].resume()


def test_a_call_waits_for_the_replica_when_a_primary_is_killed(replicated: ClusterService) -> None:
    queues = replicated.queues()
    with opened(replicated.url) as backend:
        backend.insert([draft(queue) for queue in queues])
        replicated.await_replicas()
        replicated.primaries[0].kill()
        assert statuses(backend.insert([draft(queue) for queue in queues])) == ["created"] * 3
        assert [states(backend, queue) for queue in queues] == [{"ready": 2}] * 3
        with opened(replicated.url) as other:  # its first node is gone
            assert len(take(other, 10, tuple(queues))) == 6
