"""Hints over a connection of their own, and what becomes of them when it is lost."""

import select
from collections.abc import Iterator
from contextlib import closing

import pytest

from jq_cli.backends.base import Watch
from jq_cli.backends.redis.backend import RedisBackend
from jq_cli.errors import BackendUnreachable
from tests.backends.redis_jobs import add, eventually, opened, settle, take
from tests.servers import DEADLINE, RedisServer


@pytest.fixture
def backend(own_redis: RedisServer) -> Iterator[RedisBackend]:
    with opened(own_redis.url) as backend:
        yield backend


def hinted(watch: Watch, seconds: float = DEADLINE) -> bool:
    """Whether a hint comes within some time."""
    return bool(select.select([watch], [], [], seconds)[0])


def test_a_batch_is_one_hint(own_redis: RedisServer, backend: RedisBackend) -> None:
    def published() -> int:
        stats = own_redis.command("INFO", "commandstats").decode().splitlines()
        return sum(int(line.partition("calls=")[2].partition(",")[0]) for line in stats if "cmdstat_publish:" in line)

    add(backend, 300)
    assert published() == 1
    settle(backend, *take(backend, 300))
    assert published() == 2


def test_a_watch_whose_connection_was_cut_hints_at_once_and_goes_on(
    own_redis: RedisServer, backend: RedisBackend
) -> None:
    with closing(backend.watch(["ready:q"])) as watch:
        descriptor = watch.fileno()
        own_redis.command("CLIENT", "KILL", "TYPE", "pubsub")
        assert hinted(watch)
        watch.drain()
        assert not hinted(watch, 0)
        add(backend)
        assert hinted(watch)
        watch.drain()
        assert watch.fileno() == descriptor


def test_a_watch_on_a_dead_server_says_so_and_repairs_itself_when_it_is_back(
    own_redis: RedisServer, backend: RedisBackend
) -> None:
    with closing(backend.watch(["done:q"])) as watch:
        own_redis.kill()
        assert hinted(watch)
        for _ in range(2):
            with pytest.raises(BackendUnreachable):
                watch.drain()
        own_redis.start()
        watch.drain()
        add(backend)
        settle(backend, *take(backend))
        assert hinted(watch)


def test_draining_a_watch_without_hints_waits_for_nothing(backend: RedisBackend) -> None:
    with closing(backend.watch(["ready:q"])) as watch:
        for _ in range(100):
            watch.drain()
        assert not hinted(watch, 0)


def test_a_closed_watch_leaves_no_connection(own_redis: RedisServer, backend: RedisBackend) -> None:
    def watchers() -> int:
        return own_redis.command("PUBSUB", "NUMSUB", "t:{q}:ready")[1]

    watch = backend.watch(["ready:q"])
    assert watchers() == 1
    watch.close()
    eventually(lambda: watchers() == 0)
