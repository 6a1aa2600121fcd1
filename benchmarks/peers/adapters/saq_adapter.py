"""SAQ: its pool of two workers with 10 jobs at a time each, two tries."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import protocol
import starts
from saq import Queue

queue = Queue.from_url(protocol.STORE, name="bench")


async def noop(context: dict[str, Any], *, payload: dict) -> None:
    if starts.started(payload):
        await asyncio.sleep(protocol.HOLD_SECONDS)


settings = {"queue": queue, "functions": [("noop", noop)], "concurrency": 10}


@asynccontextmanager
async def producer() -> AsyncIterator[tuple]:
    await queue.connect()

    async def enqueue(payload: dict) -> None:
        await queue.enqueue("noop", payload=payload, retries=2, ttl=-1)

    yield enqueue, None


def worker(processes: int) -> list[str]:
    return [protocol.program("saq"), "saq_adapter.settings", "--workers", str(processes), "--quiet"]


if __name__ == "__main__":
    look = [protocol.program("saq"), "saq_adapter.settings", "--check"]
    protocol.main(packages=["saq", "redis"], producer=producer, worker=worker, pool=True, look=look)
