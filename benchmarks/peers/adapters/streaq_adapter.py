"""streaQ: two workers with 100 tasks at a time each, no results kept."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import protocol
import starts
from streaq import Worker

queue = Worker(redis_url=protocol.STORE, queue_name="bench", concurrency=100)


@queue.task(name="noop", ttl=0, timeout=None)
async def noop(payload: dict) -> None:
    if starts.started(payload):
        await asyncio.sleep(protocol.HOLD_SECONDS)


@asynccontextmanager
async def producer() -> AsyncIterator[tuple]:
    async with queue:

        async def enqueue(payload: dict) -> None:
            await noop.enqueue(payload)

        async def enqueue_many(count: int) -> None:
            for payloads in protocol.batches(count):
                await queue.enqueue_many([noop.enqueue(payload) for payload in payloads])

        yield enqueue, enqueue_many


def worker(processes: int) -> None:
    queue.run_sync()


if __name__ == "__main__":
    protocol.main(packages=["streaq", "coredis"], producer=producer, worker=worker, pool=False)
