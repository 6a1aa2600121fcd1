"""Huey: a consumer with two processes that wait on Redis, no results kept."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import protocol
import starts
from huey import RedisHuey

huey = RedisHuey("bench", url=protocol.STORE, results=False)


@huey.task(name="noop")
def noop(payload: dict) -> None:
    if starts.started(payload):
        time.sleep(protocol.HOLD_SECONDS)


@contextmanager
def producer() -> Iterator[tuple]:
    import huey_adapter  # tasks are found by the name of their module, which is not that of a script

    yield huey_adapter.noop, None


def worker(processes: int) -> list[str]:
    return [protocol.program("huey_consumer"), "huey_adapter.huey", "-k", "process", "-w", str(processes), "-q"]


if __name__ == "__main__":
    protocol.main(packages=["huey", "redis"], producer=producer, worker=worker, pool=True)
