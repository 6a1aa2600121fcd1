"""Ours, on whatever store the URL names, with the settings it comes with."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import protocol
import starts


def noop(payload: dict) -> None:
    if starts.started(payload):
        time.sleep(protocol.HOLD_SECONDS)


@contextmanager
def producer() -> Iterator[tuple]:
    from jq_cli import Queue

    with Queue("bench", protocol.STORE) as queue:
        yield queue.enqueue, lambda count: queue.enqueue_many([protocol.PAYLOAD] * count)


def worker(processes: int) -> list[str]:
    os.environ["JQ_BACKEND"] = protocol.STORE
    handler = ["--call", "jq_adapter:noop", "--env", "BENCH_STARTS"]
    return [protocol.program("jq"), "work", "bench", *handler, "-p", str(processes), "-q"]


if __name__ == "__main__":
    protocol.main(
        packages=["jq-cli"],
        producer=producer,
        worker=worker,
        pool=True,
        look=[protocol.program("jq"), "--backend", protocol.STORE, "len", "bench"],
    )
