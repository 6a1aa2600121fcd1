"""Short words for tests of the Redis backend: drafts, claims and outcomes."""

import time
from collections.abc import Callable
from typing import Any, cast

from jq_cli import lifecycle
from jq_cli.backends.base import Claim, Inserted
from jq_cli.backends.redis.backend import RedisBackend
from jq_cli.backends.registry import open_backend
from jq_cli.change import Change, Verdict
from jq_cli.draft import Draft, make_draft
from jq_cli.ids import new_id, nonce
from jq_cli.job import Job
from jq_cli.lifecycle import Outcome
from tests.servers import DEADLINE, RedisServer


def opened(url: str, namespace: str = "t", **options: Any) -> RedisBackend:
    """The Redis backend at a URL."""
    return cast(RedisBackend, open_backend(url, namespace=namespace, **options))


def draft(queue: str = "q", delay: int = 0, **fields: Any) -> Draft:
    """One job to insert."""
    return make_draft(Job(**({"id": new_id(), "queue": queue, "payload": b'{"n": 1}'} | fields)), delay=delay)


def add(backend: RedisBackend, count: int = 1, **fields: Any) -> list[str]:
    """Insert some jobs; their ids."""
    return [each.id for each in backend.insert([draft(**fields) for _ in range(count)]) if each.status == "created"]


def take(backend: RedisBackend, limit: int = 1, queues: tuple[str, ...] = ("q",), **fields: Any) -> list[Job]:
    """Claim some jobs."""
    return backend.claim(Claim(queues, limit, **({"worker": "w", "lease": 60_000, "nonce": nonce()} | fields))).jobs


def change(job: Job, kind: str = "succeeded", **fields: Any) -> Change:
    """What an outcome writes."""
    return lifecycle.settle(job, Outcome(kind, **fields), now=0, rand=0)


def settle(backend: RedisBackend, *jobs: Job, kind: str = "succeeded") -> list[Verdict]:
    """Settle jobs with one outcome."""
    return backend.replace([change(job, kind) for job in jobs])


def states(backend: RedisBackend, queue: str = "q") -> dict[str, int]:
    """The states in which a queue has jobs, with their numbers."""
    (counts,) = backend.counts([queue])
    return {state: number for state, number in counts.states.items() if number}


def total(backend: RedisBackend, name: str, queue: str = "q") -> int:
    """One of a queue's totals."""
    return backend.counts([queue])[0].totals.get(name, 0)


def part(backend: RedisBackend, name: str, queue: str = "q") -> str:
    """The key of a part of a queue."""
    return backend._keys.part(queue, name)


def eventually(what: Callable[[], object]) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + DEADLINE
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def statuses(inserted: list[Inserted]) -> list[str]:
    """What became of each draft."""
    return [each.status for each in inserted]


def connected_clients(server: RedisServer) -> int:
    """How many connections the server has, but for the one that asks."""
    lines = server.command("INFO", "clients").decode().splitlines()
    return int(next(line for line in lines if line.startswith("connected_clients:")).partition(":")[2]) - 1
