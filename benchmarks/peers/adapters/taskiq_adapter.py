"""Taskiq: its pool of two workers on a Redis stream, which acknowledges, with uvloop and 100 tasks at a time in each."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import protocol
import starts
from taskiq_redis import RedisStreamBroker

broker = RedisStreamBroker(url=protocol.STORE, queue_name="bench")


@broker.task(task_name="noop")
async def noop(payload: dict) -> None:
    if starts.started(payload):
        await asyncio.sleep(protocol.HOLD_SECONDS)


@asynccontextmanager
async def producer() -> AsyncIterator[tuple]:
    await broker.startup()

    async def enqueue(payload: dict) -> None:
        await noop.kiq(payload)

    yield enqueue, None


def worker(processes: int) -> list[str]:
    options = ["--workers", str(processes), "--no-parse", "--log-level", "WARNING"]
    return [protocol.program("taskiq"), "worker", "taskiq_adapter:broker", *options]


if __name__ == "__main__":
    protocol.main(packages=["taskiq", "taskiq-redis", "uvloop"], producer=producer, worker=worker, pool=True)
