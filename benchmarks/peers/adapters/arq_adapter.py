"""arq: two workers with 100 jobs at a time each, no results kept."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import protocol
import starts
from arq import create_pool
from arq.connections import RedisSettings
from arq.worker import create_worker


async def noop(context: dict[str, Any], payload: dict) -> None:
    if starts.started(payload):
        await asyncio.sleep(protocol.HOLD_SECONDS)


class WorkerSettings:
    functions = (noop,)
    redis_settings = RedisSettings.from_dsn(protocol.STORE)
    max_jobs = 100
    keep_result = 0
    poll_delay = 0.1
    job_timeout = 700


@asynccontextmanager
async def producer() -> AsyncIterator[tuple]:
    pool = await create_pool(WorkerSettings.redis_settings)

    async def enqueue(payload: dict) -> None:
        await pool.enqueue_job("noop", payload)

    yield enqueue, None


def worker(processes: int) -> Any:
    return _run()


async def _run() -> None:
    await create_worker(WorkerSettings).async_run()


if __name__ == "__main__":
    look = [protocol.program("arq"), "arq_adapter.WorkerSettings", "--check"]
    protocol.main(packages=["arq", "redis"], producer=producer, worker=worker, pool=False, look=look)
