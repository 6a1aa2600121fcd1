"""What a store's calls cost with more and more jobs in it: claim, settle, `len` and `ls-queues`, beside jobs that are ready and
beside delayed ones of higher priority. Prints Markdown; `--into docs` writes the table and a plot there.

    python benchmarks/growth.py [--depths 1000,10000,100000] [--stores sqlite,redis,postgres] [--rounds 30] [--into docs]

Every depth has a namespace of its own on one server started for the purpose, and the depths take turns, so that what else the
machine does falls on all of them. What is taken from a queue is put back behind each round.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.plot import Panel, plot  # noqa: E402
from jq_cli.backends.base import Backend  # noqa: E402
from jq_cli.backends.registry import open_backend  # noqa: E402
from jq_cli.bench.load import fill, text  # noqa: E402
from jq_cli.bench.store import claim_and_settle  # noqa: E402
from jq_cli.client import Client  # noqa: E402
from jq_cli.consumer import Consumer  # noqa: E402
from tests.postgres_server import PostgresServer  # noqa: E402 the project's own fixtures start the servers
from tests.servers import RedisServer  # noqa: E402

PAYLOAD = text(200)
BATCH = 10
CALLS = 10
"""Claims, and settles, of a depth in each round."""

A_DAY = 86_400_000
LEAST_READY = 1_000
CALLED = ("claim", "settle", "len", "ls-queues")
BESIDE = ("ready", "delayed")
MANY_QUEUES = 1_000
GOAL = 1.3


class Depth:
    """A namespace with so many jobs: ready ones, or few ready ones beside so many delayed ones of a higher priority."""

    def __init__(self, backend: Backend, count: int, beside: str) -> None:
        self.count, self.beside = count, beside
        self.times: dict[str, list[float]] = {called: [] for called in CALLED}
        self._backend = backend
        self._consumer, self._client = Consumer(backend), Client(backend)
        if beside == "delayed":
            fill(backend, "q", count, PAYLOAD, priority=10, delay=A_DAY)
        fill(backend, "q", LEAST_READY if beside == "delayed" else count, PAYLOAD)

    def round(self, *, kept: bool = True) -> None:
        """Make each call a few times, then put back what was taken."""
        jobs = BATCH * CALLS
        claims, settles = claim_and_settle(self._consumer, "q", jobs, BATCH, 600.0)
        looks = {
            "claim": claims.times,
            "settle": settles.times,
            "len": [_seconds(lambda: self._client.look(["q"]))],
            "ls-queues": [_seconds(self._client.counts)],
        }
        if kept:
            for called, times in looks.items():
                self.times[called] += times
        fill(self._backend, "q", jobs, PAYLOAD)
        self._consumer.tick()  # what the worker's maintenance does each second


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


@contextmanager
def url_of(store: str) -> Iterator[str]:
    """A store of its own for the measurement."""
    if store == "redis":
        with RedisServer() as redis:
            yield redis.url
    elif store == "postgres":
        with PostgresServer(fsync="on", shared_buffers="512MB", max_wal_size="8GB") as postgres:
            yield postgres.url
    else:
        with tempfile.TemporaryDirectory(prefix="jq-growth-") as folder:
            yield f"sqlite:///{folder}/jq.db"


def measure(store: str, depths: Sequence[int], rounds: int) -> tuple[list[Depth], float]:
    """All depths of a store, measured in turn; and seconds that counting many queues takes."""
    with url_of(store) as url, ExitStack() as stack:
        found = []
        for beside in BESIDE:
            for count in depths:
                began = time.monotonic()
                backend = stack.enter_context(open_backend(url, namespace=f"{beside}-{count}"))
                found.append(Depth(backend, count, beside))
                print(
                    f"{store}: {count:,} {beside} after {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True
                )
        for n in range(-2, rounds):
            for depth in found:
                depth.round(kept=n >= 0)
        return found, _many_queues(stack.enter_context(open_backend(url, namespace="many")))


def _many_queues(backend: Backend) -> float:
    for n in range(MANY_QUEUES):
        fill(backend, f"q{n}", 1, PAYLOAD)
    Consumer(backend).tick()
    client = Client(backend)
    return median(_seconds(client.counts) for _ in range(5))


def markdown(results: dict[str, tuple[list[Depth], float]], depths: Sequence[int], rounds: int) -> str:
    """The table, and what it was measured with."""
    ratio = f"{depths[-1]:,} : {depths[0]:,}"
    heads = ["store", "jobs beside", "call", *(f"{depth:,}" for depth in depths), ratio]
    lines = [f"| {' | '.join(heads)} |", f"| --- | --- | --- |{' ---: |' * (len(depths) + 1)}"]
    for store, (found, _) in results.items():
        for beside in BESIDE:
            for called in CALLED:
                costs = costs_of(found, beside, called)
                cells = [store, beside, called, *(f"{1_000 * cost:.2f} ms" for cost in costs)]
                lines.append(f"| {' | '.join([*cells, f'{costs[-1] / costs[0]:.2f}'])} |")
    many = ", ".join(f"{1_000 * seconds:.0f} ms on {store}" for store, (_, seconds) in results.items())
    return "\n".join(
        [
            f"Measured on {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} processors, {platform.system()} "
            f"{platform.machine()}, Python {platform.python_version()}; medians of {rounds} rounds "
            f"({rounds * CALLS} claims and settles of {BATCH} jobs, {rounds} looks).",
            "",
            *lines,
            "",
            f"`ls-queues` with {MANY_QUEUES:,} queues takes {many}.",
        ]
    )


def costs_of(found: Sequence[Depth], beside: str, called: str) -> list[float]:
    """The median cost of a call at each depth, in seconds."""
    return [median(depth.times[called]) for depth in found if depth.beside == beside]


def picture(results: dict[str, tuple[list[Depth], float]], depths: Sequence[int]) -> str:
    """Costs beside ready and beside delayed jobs, relative to those at the least depth."""
    panels = []
    for store, (found, _) in results.items():
        lines = {}
        for called in ("claim", "settle"):
            for beside in BESIDE:
                costs = costs_of(found, beside, called)
                lines[f"{called}, {beside}"] = [cost / costs[0] for cost in costs]
        looks = costs_of(found, "ready", "len")
        lines["len"] = [cost / looks[0] for cost in looks]
        panels.append(Panel(store, lines))
    return plot(depths, panels, most=2.0, goal=GOAL, y_name=f"cost, {depths[0]:,} jobs = 1")


def put_between(path: Path, text: str) -> None:
    """Replace what stands between the marks of a page."""
    page = path.read_text()
    before, begin, rest = page.partition("<!-- result: begin -->\n")
    _, end, after = rest.partition("<!-- result: end -->")
    assert end, f"{path} has no marks"
    path.write_text(f"{before}{begin}\n{text}\n\n{end}{after}")


def main() -> None:
    """Measure, and print or write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--depths", default="1000,10000,100000")
    parser.add_argument("--stores", default="sqlite,redis,postgres")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--into", type=Path)
    given = parser.parse_args()
    depths = [int(depth) for depth in given.depths.split(",")]
    results = {store: measure(store, depths, given.rounds) for store in given.stores.split(",")}
    table = markdown(results, depths, given.rounds)
    print(table)
    if given.into:
        (given.into / "growth.svg").write_text(picture(results, depths))
        put_between(given.into / "growth.md", table)


if __name__ == "__main__":
    main()
