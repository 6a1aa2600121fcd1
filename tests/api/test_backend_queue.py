"""The compatibility layer: one script through every constructor, and what its parts promise."""

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import jq_cli
from jq_cli.api.backend_queue import BackendQueue, RedisQueue, queue_with_backend
from jq_cli.api.constructors import MemoryBackend, PostgresBackend, RedisBackend, SQLiteBackend
from jq_cli.backends.base import Backend, Claim, Claimed, Turned
from jq_cli.backends.memory.backend import MemoryBackend as Memory
from jq_cli.config.settings import Settings
from jq_cli.consumer import Consumer
from jq_cli.errors import BackendUnreachable, InvalidField, LeaseLost, NotAuthorised, UsageError
from tests.servers import RedisServer
from tests.worker.bench import eventually


def script(queue: BackendQueue) -> list[Any]:
    """What a program of old did, and what it saw: everything the interface has, with ids named by their order."""
    names: dict[str, str] = {}

    def seen(value: Any) -> Any:
        return (
            names.setdefault(value, f"job {len(names) + 1}") if isinstance(value, str) and len(value) == 26 else value
        )

    log: list[Any] = [queue.list_queues(), queue.get_queue_length(), queue.dequeue()]
    low = queue.enqueue({"n": 1})
    high = queue.enqueue({"n": 2}, priority=10)
    later = queue.enqueue({"n": 3}, delay=3_600)
    log += [seen(low), seen(high), seen(later), queue.get_queue_length(), queue.list_queues(), queue.promote_delayed()]

    first = queue.enqueue_with_opts("unique", {"dedup_key": "k"}, queue="emails")
    again = queue.enqueue_with_opts("unique", dedup_key="k", queue="emails")
    log += [seen(first.id), first.status, seen(again.id), again.status]
    keyed = queue.enqueue_with_opts("once", idempotency_key="i", queue="emails", priority=5)
    job = queue.dequeue("emails")
    assert job is not None
    log += [seen(job.id) == seen(keyed.id), job.data, job.attempt, job.state]
    queue.ack(job, {"sent": True})
    queue.ack(job, {"sent": True})  # a report sent twice is one report
    replayed = queue.enqueue_with_opts("once", idempotency_key="i", queue="emails")
    log += [replayed.status, (replayed.outcome or {}).get("result")]

    for expected in (high, low):
        job = queue.dequeue()
        assert job is not None
        log.append((seen(job.id), job.id == expected, job.data))
        queue.ack(job)
    log.append(queue.dequeue())

    queue.enqueue_with_opts("fails", {"max_retries": 1, "backoff": jq_cli.Backoff(base=0)})
    for _ in range(2):
        job = queue.dequeue()
        assert job is not None
        log.append((job.attempt, queue.fail(job, ValueError("it broke"))))
    queue.enqueue("hopeless")
    job = queue.dequeue()
    assert job is not None
    log.append(queue.fail(job, permanent=True))
    queue.enqueue_with_opts("only once", delivery="at_most_once")
    job = queue.dequeue()
    assert job is not None
    log.append(queue.fail(job))

    lost = queue.enqueue("lost")
    job = queue.dequeue("emails", "default", visibility_timeout=1)  # emails has one, which goes first
    assert job is not None
    log.append(job.data)
    queue.ack(job)
    stale = queue.dequeue(visibility_timeout=1)
    assert stale is not None
    log += [stale.id == lost, queue.get_queue_length(), eventually(queue.requeue_expired, "the lease ends")]
    taken = queue.dequeue()
    assert taken is not None
    log += [taken.id == lost, taken.attempt, taken.losses]
    for settle in (lambda: queue.ack(stale), lambda: queue.fail(stale, "late")):
        with pytest.raises(LeaseLost) as error:
            settle()
        log.append(str(error.value).replace(lost, "ID"))
    queue.ack(taken)
    log += [queue.get_queue_length(), queue.list_queues(), queue.requeue_expired()]
    dlq = jq_cli.Queue("default", queue.store)
    log += [[(job.data, job.reason, job.last_error) for job in dlq.dlq()], dlq.counts().totals, seen(later)]
    return log


OPENERS: dict[str, Callable[[pytest.FixtureRequest, str], BackendQueue]] = {
    "RedisQueue": lambda request, ns: RedisQueue(request.getfixturevalue("redis_url"), namespace=ns),
    "RedisBackend": lambda request, ns: queue_with_backend(
        RedisBackend(request.getfixturevalue("redis_url").removeprefix("redis://").removesuffix("/0"), namespace=ns)
    ),
    "SQLiteBackend": lambda request, ns: queue_with_backend(
        SQLiteBackend(str(request.getfixturevalue("tmp_path") / "jq.db"), namespace=ns)
    ),
    "PostgresBackend": lambda request, ns: queue_with_backend(
        PostgresBackend(request.getfixturevalue("postgres_url"), namespace=ns)
    ),
    "MemoryBackend": lambda request, ns: queue_with_backend(MemoryBackend()),
}


@pytest.fixture(scope="module")
def on_memory() -> list[Any]:
    """What the script sees on the memory store: what all others are compared with."""
    with queue_with_backend(MemoryBackend(), settings=Settings()) as queue:
        return script(queue)


@pytest.mark.parametrize("name", sorted(OPENERS))
def test_one_script_sees_the_same_through_every_constructor(
    name: str, request: pytest.FixtureRequest, namespace: str, on_memory: list[Any]
) -> None:
    with OPENERS[name](request, namespace) as queue:
        assert script(queue) == on_memory


def test_what_the_script_sees_is_what_the_interface_promises(on_memory: list[Any]) -> None:
    assert on_memory[:3] == [[], 0, None]
    assert "not yours any more" in " ".join(map(str, on_memory))
    [dead] = [each for each in on_memory if isinstance(each, list) and each and each[0][0] == "fails"]
    assert dead == [
        ("fails", "retries", "it broke"), ("hopeless", "permanent", "failed"), ("only once", "at_most_once", "failed"),
    ]  # fmt: skip


@pytest.fixture(params=sorted(OPENERS))
def queue(request: pytest.FixtureRequest, namespace: str) -> Iterator[BackendQueue]:
    with OPENERS[request.param](request, namespace) as queue:
        yield queue


def test_a_dequeue_that_waits_hears_of_new_work(queue: BackendQueue) -> None:
    taken: list[Any] = []
    thread = threading.Thread(target=lambda: taken.append(queue.dequeue("a", "b", timeout=60)))
    thread.start()
    queue.enqueue("late", queue="b")
    thread.join(60)
    assert [job.data for job in taken] == ["late"]


def test_a_dequeue_that_waits_takes_a_delayed_job_when_its_time_has_come(queue: BackendQueue) -> None:
    id = queue.enqueue("delayed", delay="200ms")
    job = queue.dequeue(timeout="1m")
    assert job is not None
    assert job.id == id
    assert queue.dequeue(timeout="10ms") is None


def test_threads_that_share_a_queue_take_each_job_once(queue: BackendQueue) -> None:
    ids = [queue.enqueue(n) for n in range(60)]
    taken: list[str] = []

    def work() -> None:
        while (job := queue.dequeue()) is not None:
            taken.append(job.id)
            queue.ack(job)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(taken) == sorted(ids)


def test_a_job_belongs_to_its_taker_for_the_visibility_timeout_of_its_queue(tmp_path: Path) -> None:
    config = "defaults: {visibility_timeout: 45}\nqueues: {slow: {visibility_timeout: 1h}}\n"
    (tmp_path / "jq.yaml").write_text(config)

    def lease(queue: BackendQueue, name: str, **options: Any) -> float:
        queue.enqueue(1, queue=name)
        job = queue.dequeue(name, **options)
        assert job is not None
        assert job.lease_until is not None
        assert job.started_at is not None
        return (job.lease_until - job.started_at) / 1_000

    with queue_with_backend(MemoryBackend()) as queue:
        assert [lease(queue, "q"), lease(queue, "slow"), lease(queue, "q", visibility_timeout="2m")] == [45, 3_600, 120]
        assert queue.ctx().visibility_timeout == 45
    with queue_with_backend(MemoryBackend(), visibility_timeout=7) as queue:
        assert [lease(queue, "q"), lease(queue, "slow")] == [7, 7]
    (tmp_path / "jq.yaml").write_text(config + "worker: {visibility_timeout: 5}\n")
    with queue_with_backend(MemoryBackend()) as queue:
        assert [lease(queue, "q"), lease(queue, "slow")] == [5, 5]
    with queue_with_backend(MemoryBackend(), settings=Settings()) as queue:
        assert lease(queue, "slow") == 30
        for bad in (0, 86_401, "1d1s"):
            with pytest.raises(InvalidField, match=r"visibility_timeout: expected 1..86400 seconds"):
                queue.dequeue(visibility_timeout=bad)


def test_a_job_that_nobody_claimed_cannot_be_settled(queue: BackendQueue) -> None:
    id = queue.enqueue(1)
    job = queue.store.find(id)
    assert job is not None
    with pytest.raises(InvalidField, match="is not running"):
        queue.ack(job)
    assert queue.get_queue_length() == 1


class Mumbling(Memory):
    """Claims whose answers are lost."""

    lost = 0

    def turn(self, changes: Any, claim: Claim) -> Turned:
        answer = super().turn(changes, claim)
        if self.lost:
            self.lost -= 1
            raise BackendUnreachable("no answer")
        return answer

    def claim(self, claim: Claim) -> Claimed:
        return super().claim(claim)


def test_a_job_whose_claim_was_never_answered_comes_back_with_the_next_call() -> None:
    backend = Mumbling()
    with queue_with_backend(backend) as queue:
        kept, ids = queue.enqueue("kept"), [queue.enqueue(n) for n in range(2)]
        held = queue.dequeue()
        assert held is not None
        backend.lost = 1
        with pytest.raises(BackendUnreachable):
            queue.dequeue()
        assert [job.id for job in backend.held(queue.worker)] == [kept, ids[0]]
        job = queue.dequeue()
        assert job is not None
        assert (job.id, job.losses, job.failures) == (ids[0], 0, 0)
        queue.ack(held)
        queue.ack(job)


def test_a_worker_pool_and_a_program_of_old_share_a_queue(queue: BackendQueue) -> None:
    queue.enqueue("for the program")
    queue.enqueue("for the pool")
    mine = queue.dequeue()
    pool = Consumer(queue.store.backend)
    [theirs] = pool.claim(["default"])
    assert mine is not None
    assert (mine.data, theirs.data) == ("for the program", "for the pool")
    assert pool.extend([theirs]) == ["held"]
    queue.ack(mine)
    assert queue.dequeue() is None


def test_expired_and_poisonous_jobs_are_settled_as_a_pool_would(queue: BackendQueue) -> None:
    queue.enqueue_with_opts("old", ttl="1ms")
    queue.enqueue_with_opts("poison", max_losses=0)
    eventually(lambda: queue.store.backend.now() % 1_000 >= 0 and expired(queue), "the job expires")
    job = queue.dequeue(visibility_timeout=1)
    assert job is not None
    assert job.data == "poison"
    eventually(queue.requeue_expired, "its lease ends")
    assert queue.dequeue() is None
    reasons = {job.data: job.reason for job in jq_cli.Queue("default", queue.store).dlq()}
    assert reasons == {"old": "expired", "poison": "poison"}


def expired(queue: BackendQueue) -> bool:
    queue.requeue_expired()
    return jq_cli.Queue("default", queue.store).length("dead") == 1


# --- code that goes to Redis by itself ---


def test_the_redis_client_finds_the_jobs_where_the_context_says(redis_url: str, namespace: str) -> None:
    with RedisQueue(redis_url, "emails", namespace=namespace) as queue:
        id = queue.enqueue({"to": "ada"})
        client, ctx = queue.client(), queue.ctx()
        assert client is queue.client()
        assert client.hkeys(ctx.key("emails", "jobs")) == [id.encode()]
        assert client.zcard(ctx.key("emails", "ready")) == 1
        assert (ctx.namespace, ctx.queue, ctx.url, ctx.timeout) == (namespace, "emails", redis_url, 2.0)
        with pytest.raises(UsageError, match="no part 'nothing' of a queue; known: jobs, payloads"):
            ctx.key("emails", "nothing")
        with pytest.raises(InvalidField, match="queue"):
            ctx.key("no name", "jobs")


def test_the_redis_client_logs_in_as_the_queue_does(own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    own_redis.restart(requirepass="p@ss/word")
    own_redis.command("ACL", "SETUSER", "ada", "on", ">secret", "~*", "+@all", "&*", auth=("default", "p@ss/word"))
    for queue in (
        RedisQueue(own_redis.unix_url, password="p@ss/word", db=3),
        RedisQueue(f"redis://ada:secret@127.0.0.1:{own_redis.port}/3"),
        RedisQueue(f"127.0.0.1:{own_redis.port}", username="ada", password="secret", db=3),
        RedisQueue(str(own_redis.folder / "s"), password="p@ss/word", db=3),
    ):
        with queue:
            id = queue.enqueue(1)
            assert queue.client().hexists(queue.ctx().key("default", "jobs"), id)
    with RedisQueue(own_redis.unix_url) as queue, pytest.raises(NotAuthorised):
        queue.enqueue(1)


def test_the_tls_options_reach_the_redis_client(tmp_path: Path) -> None:
    url = "rediss://host:6390/2?ssl_ca_certs=/ca.pem&ssl_check_hostname=false&timeout=7"
    with RedisQueue(url, ssl_certfile="/c.pem", ssl_keyfile="/k.pem", client_name="old") as queue:
        given = queue.client().connection_pool.connection_kwargs
        wanted = {"host": "host", "port": 6390, "db": 2, "ssl_ca_certs": "/ca.pem", "ssl_check_hostname": False,
                  "ssl_certfile": "/c.pem", "ssl_keyfile": "/k.pem", "ssl_cert_reqs": "required", "socket_timeout": 7.0,
                  "client_name": "old"}  # fmt: skip
        assert {name: given.get(name) for name in wanted} == wanted
        assert queue.client().connection_pool.connection_class.__name__ == "SSLConnection"


def test_on_other_stores_the_redis_client_is_refused_by_name() -> None:
    with queue_with_backend(MemoryBackend()) as queue:
        with pytest.raises(UsageError, match=r"client\(\) is for Redis; this queue is on memory://"):
            queue.client()
        ctx = queue.ctx()
        assert (ctx.namespace, ctx.visibility_timeout) == ("jq", 30)
        with pytest.raises(UsageError, match=r"key\(\) is for Redis; this queue is on memory://"):
            ctx.key("q", "jobs")


def test_without_redis_py_the_client_names_what_to_install(
    redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "redis", None)
    with RedisQueue(redis_url, namespace=namespace) as queue:
        queue.enqueue(1)
        with pytest.raises(UsageError, match=r"pip install 'jq-cli\[redis-py\]'"):
            queue.client()


# --- the environment ---


def test_the_environment_of_old_chooses_the_store(
    redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKEND", "memory")
    with queue_with_backend() as queue:
        assert queue.store.url == "memory://"
    address = redis_url.removeprefix("redis://").removesuffix("/0")
    monkeypatch.setenv("REDIS_ADDR", address)
    monkeypatch.setenv("JQ_NAMESPACE", namespace)
    with RedisQueue() as queue:
        assert (queue.store.url, queue.ctx().namespace) == (redis_url, namespace)
        queue.enqueue(1)
    monkeypatch.setenv("BACKEND", "redis")
    with queue_with_backend() as queue:
        assert (queue.store.url, queue.get_queue_length()) == (redis_url, 1)
    monkeypatch.delenv("BACKEND")
    with queue_with_backend() as queue:
        assert queue.get_queue_length() == 1
    monkeypatch.delenv("REDIS_ADDR")
    assert RedisQueue().store.url == "redis://localhost:6379/0"


@pytest.mark.parametrize("addr", ["memory://", "sqlite:///x.db", "http://host", "redis://host:notaport"])
def test_what_is_no_redis_address_is_refused(addr: str) -> None:
    with pytest.raises(UsageError, match=r"not? .*(address|Redis)"):
        RedisQueue(addr)


def take(address: str, namespace: str, answers: Any) -> None:
    answers.put(msgspec.json.encode([job.data for job in drain(RedisQueue(address, namespace=namespace))]))


def drain(queue: BackendQueue) -> Iterator[Any]:
    while (job := queue.dequeue()) is not None:
        queue.ack(job)
        yield job


def test_processes_share_a_queue(redis_url: str, namespace: str) -> None:
    with RedisQueue(redis_url, namespace=namespace) as queue:
        for n in range(40):
            queue.enqueue(n)
        context = multiprocessing.get_context("spawn")
        answers = context.Queue()
        processes = [context.Process(target=take, args=(redis_url, namespace, answers)) for _ in range(2)]
        for process in processes:
            process.start()
        taken = [n for _ in processes for n in msgspec.json.decode(answers.get(timeout=60), type=list[int])]
        for process in processes:
            process.join(60)
        assert sorted(taken) == list(range(40))


def test_an_open_backend_of_any_kind_will_do() -> None:
    backend: Backend = Memory()
    with queue_with_backend(backend, "mine") as queue:
        queue.enqueue(1)
        assert backend.counts(["mine"])[0].states["ready"] == 1
