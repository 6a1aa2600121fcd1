"""The compatibility layer: the queue interface that earlier programs were written against, on any backend.

A program that used `NewRedisQueue(addr, queue)` uses `RedisQueue(addr, queue)`; `queue_with_backend(backend)` is the same on
any store. It sends no heartbeat: a job it takes is its own for `visibility_timeout` seconds. What becomes of an ended, failed,
expired or lost job is decided where a worker pool decides it too.
"""

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import msgspec

from jq_cli.api.constructors import redis_address, shared
from jq_cli.api.queue import Queue, Store, connect
from jq_cli.api.receipt import Receipt
from jq_cli.backends.base import Backend
from jq_cli.change import Change
from jq_cli.closing import Closing
from jq_cli.config.load import Flags, load
from jq_cli.config.settings import VISIBILITY, Settings
from jq_cli.config.settings import Store as Where
from jq_cli.consumer import Consumer
from jq_cli.draft import check_name
from jq_cli.errors import BackendUnreachable, InvalidField, LeaseLost, UsageError
from jq_cli.hints import Hints
from jq_cli.job import Job, State, lease_of
from jq_cli.job_options import Duration, JobOptions, seconds_of
from jq_cli.lifecycle import Outcome
from jq_cli.task import result_bytes

if TYPE_CHECKING:
    from jq_cli.backends.redis.redis_py import Redis

QUEUE = "default"
"""The queue of an object that names none."""

POLL = 1.0
POLL_WITHOUT_HINTS = 0.25
"""Seconds between two looks of a `dequeue` that waits, on a store that gives hints and on one that does not."""

MAX_HELD = 10_000
"""Jobs taken and never settled of which an object keeps track."""


class Context(msgspec.Struct, frozen=True):
    """Where an object's data is, for code that goes to the store by itself. Durations in seconds.

    visibility_timeout  how long a job that `dequeue` hands out is the caller's
    timeout             within which each call to the store ends
    key                 the name of a Redis key: `key("emails", "ready")`; UsageError on other stores and for unknown parts
    """

    url: str
    namespace: str
    queue: str
    visibility_timeout: float
    timeout: float
    key: Callable[[str, str], str]


class BackendQueue(Closing):
    """The queue interface of earlier programs. Threads may share an object; a forked process opens its own connection and is
    a worker of its own, except on the memory store and on a backend that was handed over open, which are refused there.

    Every call may raise BackendError and its kin.
    """

    def __init__(self, store: Store, queue: str = QUEUE, *, visibility_timeout: Duration | None = None) -> None:
        self.store = store
        self.queue = check_name(queue)
        self._client = store.client
        self._visibility = None if visibility_timeout is None else _visibility(visibility_timeout)
        self._pid = 0
        self._consumer: Consumer | None = None
        self._held: dict[str, Job] = {}
        self._unsure = False
        self._redis: Any = None

    # --- producers ---

    def enqueue(
        self, payload: Any, *, queue: str | None = None, priority: int | None = None, delay: Duration | None = None
    ) -> str:
        """Put a job on a queue; its id. Raises InvalidField."""
        options: JobOptions = {}
        if priority is not None:
            options["priority"] = priority
        if delay is not None:
            options["delay"] = delay
        return self._queue(queue).enqueue(payload, **options).id

    def enqueue_with_opts(
        self, payload: Any, opts: JobOptions | None = None, *, queue: str | None = None, **options: Unpack[JobOptions]
    ) -> Receipt:
        """Put a job on a queue, with deduplication, idempotency or any other option; says what became of it."""
        given: JobOptions = {**(opts or {}), **options}
        return self._queue(queue).enqueue(payload, **given)

    # --- consumers ---

    def dequeue(self, *queues: str, timeout: Duration = 0, visibility_timeout: Duration | None = None) -> Job | None:
        """The next job, of the first of the named queues that has one (none named: of this object's), or None when none came
        within `timeout`. It is the caller's until `ack` or `fail`, or until its visibility timeout has passed."""
        names = tuple(check_name(name) for name in queues) or (self.queue,)
        lease = None if visibility_timeout is None else _visibility(visibility_timeout)
        patience = _Patience(seconds_of("timeout", timeout))
        job = self._claim(names, lease)
        if job is not None or patience.over():
            return job
        with Hints(self.store.backend, [f"ready:{name}" for name in names]) as hints:
            while (job := self._claim(names, lease)) is None and not patience.over():
                hints.wait(patience.next(POLL if hints.open else POLL_WITHOUT_HINTS))
        return job

    def ack(self, job: Job, result: Any = None) -> None:
        """The job is done. Raises LeaseLost when it is not the caller's any more; nothing was changed then."""
        encoded, note = result_bytes(result)
        self._settle(job, Outcome("succeeded", msgspec.Raw(encoded), note))

    def fail(self, job: Job, error: object = "", *, permanent: bool = False) -> State:
        """The job failed: it is tried again after its backoff, or dead. Gives its state. Raises LeaseLost as `ack`."""
        change = self._settle(job, Outcome("permanent" if permanent else "failed", error=str(error) or "failed"))
        return "dead" if change.job is None else change.job.state

    def _claim(self, queues: Sequence[str], lease: float | None) -> Job | None:
        with self.store.backend.lock:
            consumer = self._consumer_here()
            if self._unsure:
                consumer.release_unknown(self._held)
                self._unsure = False
            try:
                for queue in queues:
                    consumer.lease = round((lease or self._lease(queue)) * 1_000)
                    # One at a time and started at once: an at_most_once job must not be fetched ahead.
                    for job in consumer.claim([queue], 1, 1):
                        self._hold(job)
                        return job
            except BackendUnreachable:
                self._unsure = True  # the store may have leased a job whose answer was lost; it is given back next time
                raise
        return None

    def _hold(self, job: Job) -> None:
        if len(self._held) >= MAX_HELD:
            del self._held[next(iter(self._held))]
        self._held[job.id] = job

    def _settle(self, job: Job, outcome: Outcome) -> Change:
        lease_of(job)
        with self.store.backend.lock:
            change = self._consumer_here().settle(job, outcome)
            [verdict] = self._client.replace([change])
            self._held.pop(job.id, None)
        if verdict == "lost":
            raise LeaseLost(
                f"job {job.id} on {job.queue} is not yours any more: its visibility timeout passed and it was recovered, "
                "or somebody else settled it; nothing was changed"
            )
        return change

    @property
    def worker(self) -> str:
        """The id under which this object holds its leases; another one in each process."""
        with self.store.backend.lock:
            return self._consumer_here().worker

    def _consumer_here(self) -> Consumer:
        if self._consumer is None or self._pid != os.getpid():
            self._consumer = Consumer(self.store.backend, keeping=self.store.settings.keeping)
            self._held, self._unsure, self._pid = {}, False, os.getpid()
        return self._consumer

    def _lease(self, queue: str) -> float:
        return self._visibility or self.store.settings.visibility_timeout(queue)

    # --- maintenance ---

    def requeue_expired(self) -> int:
        """Recover the jobs, of all queues, whose visibility timeout has passed: ready again in their old places, with one loss
        counted, or dead when their losses are used up or they may start only once. How many. Also settles what else became
        due: expiries, retention, kept keys. Every worker pool does this each second; without one, call it now and then."""
        recovered: list[str] = []

        def told(job: Job) -> None:
            if job.state == "running":
                recovered.append(job.id)

        with self.store.backend.lock:
            self._consumer_here().tick(told)
        return len(recovered)

    def promote_delayed(self) -> int:
        """Nothing is left to do, so 0: a delayed job is ready for every reader and every claim from the moment its delay ends.
        Here for programs that call it; `Queue.promote_all` makes delayed jobs ready before their time."""
        return 0

    # --- looking ---

    def list_queues(self) -> list[str]:
        """The names of all queues: configured, or ever used."""
        return self._client.queues()

    def get_queue_length(self, queue: str | None = None) -> int:
        """How many jobs of a queue are ready."""
        return self._queue(queue).length()

    def _queue(self, name: str | None) -> Queue:
        return Queue(self.queue if name is None else name, self.store)

    # --- for code that goes to the store by itself ---

    def client(self) -> "Redis":
        """A redis-py client of the same server and database, with the same login, TLS and timeouts. Raises UsageError on a
        store that is not Redis, or when redis-py is not installed."""
        with self.store.backend.lock:
            make = getattr(self.store.backend.inner(), "redis_py", None)
            if make is None:
                raise UsageError(f"client() is for Redis; this queue is on {self.store.url}, which has no Redis client")
            if self._redis is None:
                self._redis = make()
            client: Redis = self._redis
            return client

    def ctx(self) -> Context:
        """Where the data is: namespace, keys, default timeouts."""
        with self.store.backend.lock:
            inner = self.store.backend.inner()
        return Context(
            url=self.store.url,
            namespace=getattr(inner, "namespace", self.store.settings.namespace),
            queue=self.queue,
            visibility_timeout=self._lease(self.queue),
            timeout=getattr(inner, "timeout", 2.0),
            key=getattr(inner, "key", self._no_key),
        )

    def _no_key(self, queue: str, part: str) -> str:
        raise UsageError(f"key() is for Redis; this queue is on {self.store.url}, which has no Redis keys")

    # --- the end ---

    def close(self) -> None:
        """Close the store and the redis-py client. Jobs that were not settled return when their visibility timeout passes."""
        if self._redis is not None:
            self._redis.close()
        self.store.close()


class RedisQueue(BackendQueue):
    """The interface on a Redis server, as earlier programs opened it.

    addr     `host:port`, a URL (`redis://`, `rediss://`, `unix://`, `redis+sentinel://`, `redis+cluster://`) or the path of a
             Unix socket; None: REDIS_ADDR, else `localhost:6379`
    options  `username`, `password`, `db`, `timeout`, `client_name` and the TLS options `ssl_...`, as in the configuration

    The configuration file and JQ_NAMESPACE count as on the command line, except for the store. Raises UsageError for an address
    or an option that cannot be used.
    """

    def __init__(
        self,
        addr: str | None = None,
        queue: str = QUEUE,
        *,
        namespace: str | None = None,
        visibility_timeout: Duration | None = None,
        **options: Any,
    ) -> None:
        url = redis_address(addr)
        settings = load(Flags(backend=url, namespace=namespace))
        settings = msgspec.structs.replace(settings, store=Where(url, options))
        super().__init__(Store(shared(settings), settings), queue, visibility_timeout=visibility_timeout)


def queue_with_backend(
    backend: Backend | Store | None = None,
    queue: str = QUEUE,
    *,
    visibility_timeout: Duration | None = None,
    settings: Settings | None = None,
) -> BackendQueue:
    """The interface on any backend: `queue_with_backend(MemoryBackend())`. None: the store that the environment (JQ_BACKEND,
    BACKEND, REDIS_ADDR) and the configuration name. `settings`: instead of those of the configuration file."""
    if backend is None:
        store = connect(settings)
    elif isinstance(backend, Store):
        store = backend
    else:
        # The configuration counts, whatever store it names.
        store = Store(backend, settings or load(Flags(backend="memory")))
    return BackendQueue(store, queue, visibility_timeout=visibility_timeout)


class _Patience:
    """The time that a caller has."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    def over(self) -> bool:
        return time.monotonic() >= self._deadline

    def next(self, most: float) -> float:
        """How long to wait now."""
        return max(0.0, min(most, self._deadline - time.monotonic()))


def _visibility(value: Duration) -> float:
    low, high = VISIBILITY
    amount = seconds_of("visibility_timeout", value)
    if not low <= amount <= high:
        raise InvalidField("visibility_timeout", f"expected {low:g}..{high:g} seconds, got {amount:g}")
    return amount
