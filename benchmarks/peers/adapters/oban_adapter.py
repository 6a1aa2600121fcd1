"""Oban for Python: two nodes started from its command, with 100 jobs at a time each."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import protocol
import starts
from oban import Oban
from oban import worker as oban_worker


@oban_worker(queue="bench")
class Noop:
    async def process(self, job: object) -> None:
        if starts.started(job.args):  # type: ignore[attr-defined]
            await asyncio.sleep(protocol.HOLD_SECONDS)


def setup() -> None:
    subprocess.run([protocol.program("oban"), "install", "--dsn", protocol.STORE], check=True, capture_output=True)


@asynccontextmanager
async def producer() -> AsyncIterator[tuple]:
    import oban_adapter  # a job is stored with the name of its module, which is not that of a script

    pool = await Oban.create_pool(dsn=protocol.STORE)
    oban = Oban(pool=pool)

    async def enqueue(payload: dict) -> None:
        await oban.enqueue(oban_adapter.Noop.new(payload))

    async def enqueue_many(count: int) -> None:
        for payloads in protocol.batches(count):
            await oban.enqueue_many([oban_adapter.Noop.new(payload) for payload in payloads])

    async with oban:
        yield enqueue, enqueue_many


def worker(processes: int) -> list[str]:
    options = ["--dsn", protocol.STORE, "--queues", "bench:100", "--log-level", "error"]
    return [protocol.program("oban"), "start", *options]


if __name__ == "__main__":
    protocol.main(packages=["oban", "psycopg"], producer=producer, worker=worker, pool=False, setup=setup)
