"""Dramatiq: its worker with processes and its 8 threads in each, no results kept."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import dramatiq
import protocol
import starts
from dramatiq.brokers.redis import RedisBroker

broker = RedisBroker(url=protocol.STORE)
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name="bench", time_limit=700_000)
def noop(payload: dict) -> None:
    if starts.started(payload):
        time.sleep(protocol.HOLD_SECONDS)


@contextmanager
def producer() -> Iterator[tuple]:
    yield noop.send, None  # it has no call for many jobs at once


def worker(processes: int) -> list[str]:
    where = ["dramatiq_adapter:broker", "-Q", "bench", "-P", str(protocol.HERE)]
    return [protocol.program("dramatiq"), *where, "--processes", str(processes), "--skip-logging"]


if __name__ == "__main__":
    protocol.main(packages=["dramatiq", "redis"], producer=producer, worker=worker, pool=True)
