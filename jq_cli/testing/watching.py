"""Watches: hints at new work and finished jobs. A store that has none to give answers None; polling is the truth."""

import select
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from jq_cli import lifecycle
from jq_cli.backends.base import Watch
from jq_cli.testing.store import Store

PATIENCE = 10.0


def hinted(watch: Watch) -> bool:
    """Whether a hint comes while a patient person waits."""
    return bool(select.select([watch], [], [], PATIENCE)[0])


def quiet(watch: Watch) -> bool:
    """Whether the watch runs out of hints when they are taken and nothing happens."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        watch.drain()
        if not select.select([watch], [], [], 0.02)[0]:
            return True
    return False


def hints_at(store: Store, topic: str, *steps: Callable[[], object]) -> None:
    """Check that each step is hinted at, to a watch on another handle."""
    backend = store.another()
    watch = backend.watch([topic])
    if watch is None:
        pytest.skip("this store has no hints to give")
    with closing(watch):
        for step in steps:
            assert quiet(watch)
            step()
            assert hinted(watch)
    if backend is not store.backend:
        backend.close()


class WatchingTests:
    """What is hinted at."""

    def test_a_new_job_is_hinted_at(self, store: Store) -> None:
        hints_at(store, "ready:q", store.add, store.add)

    def test_jobs_that_come_back_are_hinted_at(self, store: Store) -> None:
        job, scheduled = store.run(), store.add(delay=60_000)
        dead = store.add(priority=-1)
        store.settle(store.take(), "permanent", error="x")
        hints_at(
            store,
            "ready:q",
            lambda: store.write(lifecycle.release(job)),
            lambda: store.write(lifecycle.promote(store.job(scheduled), "m1")),
            lambda: store.write(lifecycle.requeue(store.job(dead), "m2")),
        )

    def test_a_recovered_job_is_hinted_at(self, store: Store) -> None:
        job = store.run()
        hints_at(store, "ready:q", lambda: store.expire_lease(job))

    def test_a_resumed_queue_is_hinted_at(self, store: Store) -> None:
        store.control(paused=True)
        store.add()
        hints_at(store, "ready:q", lambda: store.control(paused=False))

    def test_a_raised_limit_is_hinted_at(self, store: Store) -> None:
        store.control(max_running=1)
        store.run()
        hints_at(store, "ready:q", lambda: store.control(max_running=2))

    def test_a_finished_job_is_hinted_at(self, store: Store) -> None:
        good, bad, waiting = store.run(), store.run(), store.add()
        hints_at(
            store,
            "done:q",
            lambda: store.settle(good),
            lambda: store.settle(bad, "permanent", error="x"),
            lambda: store.write(lifecycle.cancel(store.job(waiting), "m")),
        )

    def test_one_watch_takes_several_topics(self, store: Store) -> None:
        watch = store.backend.watch(["ready:a", "ready:b", "done:a"])
        if watch is None:
            pytest.skip("this store has no hints to give")
        with closing(watch):
            for queue in ("b", "a"):
                assert quiet(watch)
                store.add(queue=queue)
                assert hinted(watch)
            assert quiet(watch)
            store.settle(store.take(queues=("a",)))
            assert hinted(watch)

    def test_a_watch_that_is_closed_troubles_nobody(self, store: Store) -> None:
        watch = store.backend.watch(["ready:q"])
        if watch is None:
            pytest.skip("this store has no hints to give")
        watch.close()
        job = store.run()
        assert store.settle(job) == "applied"

    def test_many_hints_that_nobody_takes_block_nobody(self, store: Store) -> None:
        watch = store.backend.watch(["ready:q"])
        if watch is None:
            pytest.skip("this store has no hints to give")
        with closing(watch):
            for _ in range(300):
                store.add()
            assert hinted(watch)
            assert quiet(watch)
