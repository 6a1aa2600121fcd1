"""PgQueuer: two managers run from a script, with asyncpg, uvloop and batches of 500."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import protocol
import starts
from pgqueuer.db import AsyncpgDriver
from pgqueuer.qm import QueueManager
from pgqueuer.queries import Queries


async def _queries() -> Queries:
    return Queries(AsyncpgDriver(await asyncpg.connect(protocol.STORE)))


async def setup() -> None:
    await (await _queries()).install()


@asynccontextmanager
async def producer() -> AsyncIterator[tuple]:
    queries = await _queries()

    async def enqueue(payload: dict) -> None:
        await queries.enqueue("bench", json.dumps(payload).encode())

    async def enqueue_many(count: int) -> None:
        for payloads in protocol.batches(count):
            size = len(payloads)
            await queries.enqueue(["bench"] * size, [json.dumps(each).encode() for each in payloads], [0] * size)

    yield enqueue, enqueue_many


async def _run() -> None:
    manager = QueueManager(await _queries())

    @manager.entrypoint("bench")
    async def noop(job: Any) -> None:
        if starts.started(json.loads(job.payload)):
            await asyncio.sleep(protocol.HOLD_SECONDS)

    await manager.run(batch_size=500)


def worker(processes: int) -> None:
    import uvloop

    uvloop.run(_run())


if __name__ == "__main__":
    look = [protocol.program("pgq"), "--pg-dsn", protocol.STORE, "backlog", "--json"]
    protocol.main(
        packages=["pgqueuer", "asyncpg", "uvloop"], producer=producer, worker=worker, pool=False, look=look, setup=setup
    )
