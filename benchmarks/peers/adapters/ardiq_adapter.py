"""ArdiQ: its pool of two workers, async tasks, 100 at a time in each."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import protocol
import starts
from ardiq import Ardiq

app = Ardiq(redis_url=protocol.STORE, queue_name="bench", concurrency=100)


@app.task()
async def noop(payload: dict) -> None:
    if starts.started(payload):
        await asyncio.sleep(protocol.HOLD_SECONDS)


@asynccontextmanager
async def producer() -> AsyncIterator[tuple]:
    async def enqueue(payload: dict) -> None:
        await noop.enqueue(payload)

    async def enqueue_many(count: int) -> None:
        for payloads in protocol.batches(count):
            await app.enqueue_many([noop.prepare(payload) for payload in payloads])

    yield enqueue, enqueue_many


def worker(processes: int) -> list[str]:
    return [protocol.program("ardiq"), "run", "ardiq_adapter:app", "--workers", str(processes), "-q"]


if __name__ == "__main__":
    look = [protocol.program("ardiq"), "status", "ardiq_adapter:app", "--json"]
    protocol.main(packages=["ardiq"], producer=producer, worker=worker, pool=True, look=look)
