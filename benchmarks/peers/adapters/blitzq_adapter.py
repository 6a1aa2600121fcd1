"""BlitzQ: its pool of two workers in the reliable mode, or for the row of that name the fast one; async tasks, no results."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import protocol
import starts
from blitzq import Queue

MODE = "fast" if os.environ.get("BENCH_PEER") == "blitzq-fast" else "reliable"
queue = Queue("bench", protocol.STORE, mode=MODE, store_results=False)


@queue.task(name="noop")
async def noop(payload: dict) -> None:
    if starts.started(payload):
        await asyncio.sleep(protocol.HOLD_SECONDS)


@asynccontextmanager
async def producer() -> AsyncIterator[tuple]:
    async def enqueue(payload: dict) -> None:
        await noop.enqueue(payload)

    async def enqueue_many(count: int) -> None:
        for payloads in protocol.batches(count):
            await noop.enqueue_many([(payload,) for payload in payloads])

    yield enqueue, enqueue_many


def worker(processes: int) -> list[str]:
    options = ["--workers", str(processes), "--concurrency", "200", "--log-level", "WARNING"]
    return [protocol.program("blitzq"), "worker", "blitzq_adapter:queue", *options]


if __name__ == "__main__":
    look = [protocol.program("blitzq"), "queue", "stats", "--redis-url", protocol.STORE, "--mode", MODE, "--json"]
    protocol.main(packages=["blitzq", "redis"], producer=producer, worker=worker, pool=True, look=look)
