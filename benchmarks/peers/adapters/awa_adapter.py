"""Awa: two clients with 100 workers each, jobs copied in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import awa
import protocol
import starts


@dataclass
class Noop:
    x: str
    hold: str = ""


async def setup() -> None:
    client = awa.AsyncClient(protocol.STORE)
    await client.migrate()
    await client.install_queue_storage()  # what a first migration does not turn on, and copying in needs


@asynccontextmanager
async def producer() -> AsyncIterator[tuple]:
    client = awa.AsyncClient(protocol.STORE)

    async def enqueue(payload: dict) -> None:
        await client.insert(Noop(**payload), queue="bench")

    async def enqueue_many(count: int) -> None:
        for payloads in protocol.batches(count):
            await client.enqueue_many_copy([Noop(**payload) for payload in payloads], queue="bench")

    yield enqueue, enqueue_many


async def _run() -> None:
    client = awa.AsyncClient(protocol.STORE)

    @client.task(Noop, queue="bench")
    async def noop(job: Any) -> None:
        if starts.started({"hold": job.args.hold} if job.args.hold else {}):
            await asyncio.sleep(protocol.HOLD_SECONDS)

    await client.start([("bench", 100)])
    await asyncio.sleep(86_400)


def worker(processes: int) -> Any:
    return _run()


if __name__ == "__main__":
    look = [protocol.program("python"), "-m", "awa", "--database-url", protocol.STORE, "queue", "stats"]
    protocol.main(packages=["awa-pg"], producer=producer, worker=worker, pool=False, look=look, setup=setup)
