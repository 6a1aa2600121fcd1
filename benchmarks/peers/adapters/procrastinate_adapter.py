"""Procrastinate: two workers with 8 jobs at a time each, woken by LISTEN, that delete what succeeded."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import procrastinate
import protocol
import starts

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=protocol.STORE, min_size=2, max_size=8))


@app.task(name="noop", queue="bench")
async def noop(**payload: str) -> None:
    if starts.started(payload):
        await asyncio.sleep(protocol.HOLD_SECONDS)


async def setup() -> None:
    async with app.open_async():
        await app.schema_manager.apply_schema_async()


@asynccontextmanager
async def producer() -> AsyncIterator[tuple]:
    async with app.open_async():

        async def enqueue(payload: dict) -> None:
            await noop.defer_async(**payload)

        async def enqueue_many(count: int) -> None:
            for payloads in protocol.batches(count):
                await noop.batch_defer_async(*payloads)

        yield enqueue, enqueue_many


def worker(processes: int) -> list[str]:
    options = ["-c", "8", "--delete-jobs", "successful", "-q", "bench"]
    return [
        protocol.program("procrastinate"),
        "-a",
        "procrastinate_adapter.app",
        "--log-level",
        "warning",
        "worker",
        *options,
    ]


if __name__ == "__main__":
    look = [protocol.program("procrastinate"), "-a", "procrastinate_adapter.app", "healthchecks"]
    protocol.main(
        packages=["procrastinate", "psycopg"], producer=producer, worker=worker, pool=False, look=look, setup=setup
    )
