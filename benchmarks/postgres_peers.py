"""A pool of two processes on Postgres against two processes of pgqueuer and of procrastinate, on one private server in one run:
no-op jobs with 200 bytes, synchronous_commit on, process start and end included.

`python benchmarks/postgres_peers.py [JOBS]`; peers that are not installed (`pip install pgqueuer asyncpg procrastinate`) are left
out. Runs of what is compared alternate.
"""

import asyncio
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.postgres_server import PostgresServer  # noqa: E402 the project's own fixtures start the server

JQ = str(Path(sys.executable).parent / "jq")
PAYLOAD = '{"x": "%s"}' % ("a" * 191)
assert len(PAYLOAD) == 200
OPTIONS = {"fsync": "on", "shared_buffers": "512MB", "max_wal_size": "8GB", "checkpoint_timeout": "15min"}
RUNS = 3


def in_two_processes(role: str, url: str) -> float:
    """Seconds that two processes of this script take to empty the queue."""
    began = time.perf_counter()
    processes = [subprocess.Popen([sys.executable, __file__, role, url], stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    return time.perf_counter() - began


def jq_enqueue(url: str, count: int) -> float:
    with tempfile.NamedTemporaryFile("w", suffix=".ndjson") as file:
        file.writelines(f'{{"payload":{PAYLOAD}}}\n' for _ in range(count))
        file.flush()
        return _jq(url, "enqueue", "q", "--from", file.name)


def jq_drain(url: str) -> float:
    return _jq(url, "work", "q", "--call", "noop:noop", "-p", "2", "--until-empty", "-q")


def _jq(url: str, *arguments: str) -> float:
    env = {**os.environ, "JQ_BACKEND": url, "PYTHONPATH": str(ROOT / "benchmarks")}
    began = time.perf_counter()
    subprocess.run([JQ, *arguments], env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


# --- pgqueuer ---


async def _pgqueuer(url: str, count: int = 0) -> None:
    import asyncpg
    from pgqueuer.db import AsyncpgDriver
    from pgqueuer.qm import QueueManager
    from pgqueuer.queries import Queries
    from pgqueuer.types import QueueExecutionMode

    driver = AsyncpgDriver(await asyncpg.connect(url))
    queries = Queries(driver)
    if count:
        if not await queries.schema_is_installed():
            await queries.install()
        for left in range(count, 0, -1_000):
            size = min(1_000, left)
            await queries.enqueue(["q"] * size, [PAYLOAD.encode()] * size, [0] * size)
        return
    manager = QueueManager(queries)

    @manager.entrypoint("q")
    async def noop(job: object) -> None:
        pass

    await manager.run(batch_size=500, mode=QueueExecutionMode.drain)


def pgqueuer_enqueue(url: str, count: int) -> float:
    began = time.perf_counter()
    asyncio.run(_pgqueuer(url, count))
    return time.perf_counter() - began


def pgqueuer_drain(url: str) -> float:
    return in_two_processes("pgqueuer", url)


# --- procrastinate ---


def _procrastinate(url: str) -> tuple[object, object]:
    import procrastinate

    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url, min_size=2, max_size=8))

    @app.task(name="noop", queue="q")
    async def noop(x: str) -> None:
        pass

    return app, noop


async def _procrastinate_enqueue(url: str, count: int) -> None:
    app, noop = _procrastinate(url)
    async with app.open_async():
        if not await app.check_connection_async():
            await app.schema_manager.apply_schema_async()
        for left in range(count, 0, -1_000):
            await noop.batch_defer_async(*[{"x": "a" * 191}] * min(1_000, left))


async def _procrastinate_drain(url: str) -> None:
    app, _ = _procrastinate(url)
    async with app.open_async():
        await app.run_worker_async(queues=["q"], wait=False, concurrency=8, delete_jobs="successful")


def procrastinate_enqueue(url: str, count: int) -> float:
    began = time.perf_counter()
    asyncio.run(_procrastinate_enqueue(url, count))
    return time.perf_counter() - began


def procrastinate_drain(url: str) -> float:
    return in_two_processes("procrastinate", url)


PEERS: dict[str, tuple[Callable[[str, int], float], Callable[[str], float], float]] = {
    "jq": (jq_enqueue, jq_drain, 1.0),
    "pgqueuer": (pgqueuer_enqueue, pgqueuer_drain, 1.0),
    "procrastinate": (procrastinate_enqueue, procrastinate_drain, 0.05),
}
"""How each is fed and emptied, and the share of the jobs it is measured with."""


def main(jobs: int) -> None:
    """Measure everything and print the table."""
    peers = [name for name in PEERS if name == "jq" or importlib.util.find_spec(name)]
    rates: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in peers}
    with PostgresServer(**OPTIONS) as server:
        for _ in range(RUNS):
            for name in peers:
                enqueue, drain, share = PEERS[name]
                count = max(1_000, int(jobs * share))
                rates[name][0].append(count / enqueue(server.url, count))
                rates[name][1].append(count / drain(server.url))
    print("| peer | enqueued in bulk, jobs/s | done, jobs/s |\n| --- | --- | --- |")
    for name, both in rates.items():
        print(
            f"| {name} |", " | ".join(f"{statistics.median(r):,.0f} ({min(r):,.0f}..{max(r):,.0f})" for r in both), "|"
        )
    print(f"\nload average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors, median of {RUNS} (least..greatest)")


if __name__ == "__main__":
    given = sys.argv[1:]
    if given[:1] == ["pgqueuer"]:
        asyncio.run(_pgqueuer(given[1]))
    elif given[:1] == ["procrastinate"]:
        asyncio.run(_procrastinate_drain(given[1]))
    else:
        main(int(given[0]) if given else 100_000)
