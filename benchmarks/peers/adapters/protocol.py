"""The little language that the harness speaks with an adapter, for the adapters in Python. An adapter is a script:

    about              versions, whether its worker is a pool, and the argv of its cheapest command that looks at a queue
    setup              makes what the store needs, tables for example; not timed
    enqueue-one N      puts N no-op jobs on the queue, one after the other: {"seconds": ...} for all but the first
    enqueue-bulk N     the same in the peer's own way for many at once, where it has one
    latency N          N times: a pause, one job, and how long it took to start; needs a worker
    hold FILE          one job that notes each of its starts in FILE and, the first time, waits to be killed
    worker N           runs a worker with N processes, or one process where the peer has no pool, until it is killed

Each but the last prints one line of JSON at its end; {"none": why} when the peer has no such thing. BENCH_STORE is the store's
URL, BENCH_STARTS a folder for `starts`, BENCH_PEER the name of the row. Only the standard library may be used here: each adapter
runs in an environment of its own.
"""

import asyncio
import contextlib
import inspect
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import starts

HERE = Path(__file__).parent
PAYLOAD = {"x": "a" * 191}
"""200 bytes as JSON."""
BATCH = 1_000
HOLD_SECONDS = 600
STORE = os.environ.get("BENCH_STORE", "")
LATENCY_LIMIT = 30.0


def program(name: str) -> str:
    """A program of this environment."""
    return str(Path(sys.executable).with_name(name))


def batches(count: int, size: int = BATCH) -> Iterator[list[dict[str, str]]]:
    """So many payloads, in lists."""
    for left in range(count, 0, -size):
        yield [PAYLOAD] * min(size, left)


def main(
    *,
    packages: Sequence[str],
    producer: Callable[[], Any],
    worker: Callable[[int], Any],
    pool: bool,
    look: Sequence[str] | None = None,
    setup: Callable[[], Any] | None = None,
) -> None:
    """Do what the command line says.

    `producer` gives a context manager, plain or async, of two functions, plain or async: enqueue(payload), and
    enqueue_many(count) or None. `worker` returns the argv to become, or runs the worker itself. `pool`: it has processes of its
    own; otherwise the harness starts several.
    """
    command, *arguments = sys.argv[1:]
    answer: dict[str, Any] = {}
    if command == "about":
        answer = {"versions": {name: version(name) for name in packages}, "pool": pool, "look": look and [*look]}
    elif command == "setup":
        if setup is not None and inspect.isawaitable(made := setup()):
            asyncio.run(_await(made))
    elif command == "worker":
        _work(worker, int(arguments[0]))
    else:
        answer = asyncio.run(_produce(producer, command, arguments[0]))
    print(json.dumps(answer), flush=True)
    os._exit(0)  # not every client library ends well, and how it ends is not measured


async def _await(what: Any) -> Any:
    return await what


def _work(worker: Callable[[int], Any], processes: int) -> None:
    argv = worker(processes)
    if inspect.isawaitable(argv):
        asyncio.run(_await(argv))
    elif argv is not None:
        os.environ["PYTHONPATH"] = str(HERE)
        os.execv(argv[0], argv)


async def _produce(producer: Callable[[], Any], command: str, argument: str) -> dict[str, Any]:
    context = producer()
    if not hasattr(context, "__aenter__"):
        context = _as_async(context)
    async with context as (enqueue, enqueue_many):
        if command == "hold":
            await _call(enqueue, PAYLOAD | {"hold": argument})
            return {}
        count = int(argument)
        if command == "latency":
            return {"latencies": [await _latency(enqueue) for _ in range(count)]}
        await _call(enqueue, PAYLOAD)
        if command == "enqueue-one":
            return {"seconds": await _one_by_one(enqueue, count - 1), "jobs": count - 1}
        if enqueue_many is None:
            return {"none": "no such call"}
        began = time.perf_counter()
        await _call(enqueue_many, count - 1)
        return {"seconds": time.perf_counter() - began, "jobs": count - 1}


@contextlib.asynccontextmanager
async def _as_async(context: Any) -> Any:
    with context as functions:
        yield functions


async def _call(function: Callable[..., Any], *arguments: Any) -> None:
    answer = function(*arguments)
    if inspect.isawaitable(answer):
        await answer


async def _one_by_one(enqueue: Callable[..., Any], count: int) -> float:
    began = time.perf_counter()
    if inspect.iscoroutinefunction(enqueue):
        for _ in range(count):
            await enqueue(PAYLOAD)
    else:
        for _ in range(count):
            enqueue(PAYLOAD)
    return time.perf_counter() - began


async def _latency(enqueue: Callable[..., Any]) -> float:
    await asyncio.sleep(random.uniform(0.06, 0.12))
    folder = os.environ["BENCH_STARTS"]
    before = starts.so_far(folder)[0]
    sent = time.monotonic()
    await _call(enqueue, PAYLOAD)
    while time.monotonic() - sent < LATENCY_LIMIT:
        await asyncio.sleep(0.04)
        count, _, last = starts.so_far(folder)
        if count > before:
            return last - sent
    raise SystemExit(f"a job did not start within {LATENCY_LIMIT:.0f} s")
