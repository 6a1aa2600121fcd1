"""The Postgres store alone, one process, on a private server that writes through to its disk: what a claim costs however much
lies in the table, what it costs after so many life cycles, how fast many jobs are stored and how soon a waiting worker has one.

`python benchmarks/postgres_store.py cycles|depth|drift|snapshot|bulk|wake [JOBS]`. Wall-clock figures of a busy machine say
little, so the processor time of this process and of its server process is given beside them.
"""

import os
import select
import statistics
import sys
import time
from pathlib import Path

from msgspec import Raw

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from jq_cli import lifecycle  # noqa: E402
from jq_cli.backends.base import Claim  # noqa: E402
from jq_cli.backends.postgres.arrays import teach  # noqa: E402
from jq_cli.backends.postgres.backend import PostgresBackend, open_postgres  # noqa: E402
from jq_cli.backends.postgres.statement import fetched, send  # noqa: E402
from jq_cli.draft import make_draft  # noqa: E402
from jq_cli.ids import new_id, nonce  # noqa: E402
from jq_cli.job import Job  # noqa: E402
from tests.postgres_server import PostgresServer  # noqa: E402 the project's own fixtures start the server

PAYLOAD = b'"%s"' % (b"x" * 198)
OPTIONS = {"fsync": "on", "shared_buffers": "512MB", "max_wal_size": "8GB", "checkpoint_timeout": "15min"}


class Meter:
    """Seconds of a kind of call: on the wall, of this process, of the server's."""

    def __init__(self, server_pid: int) -> None:
        self._stat = Path(f"/proc/{server_pid}/stat")
        self.wall: list[float] = []
        self.client = self.server = 0.0

    def __enter__(self) -> None:
        self._began = (time.perf_counter(), time.process_time(), self._server())

    def __exit__(self, *_: object) -> None:
        wall, client, server = self._began
        self.wall.append(time.perf_counter() - wall)
        self.client += time.process_time() - client
        self.server += self._server() - server

    def _server(self) -> float:
        fields = self._stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def line(self, what: str, jobs: int) -> str:
        p50, p99 = (1_000 * statistics.quantiles(self.wall, n=100)[at] for at in (49, 98))
        rate = jobs / sum(self.wall)
        cpu = f"{1e6 * self.client / jobs:.1f} us of this process and {1e6 * self.server / jobs:.1f} us of the server a job"
        return f"{what}: {rate:,.0f} jobs/s; p50 {p50:.2f} ms, p99 {p99:.2f} ms a batch; {cpu}"


def drafts(count: int, delay: int = 0, priority: int = 0) -> list:
    return [
        make_draft(Job(id=new_id(), queue="q", payload=PAYLOAD, priority=priority), delay=delay) for _ in range(count)
    ]


def fill(store: PostgresBackend, count: int, **options: int) -> None:
    for left in range(count, 0, -1_000):
        store.insert(drafts(min(1_000, left), **options))


def server_pid(store: PostgresBackend) -> int:
    return store._link.rows("SELECT pg_backend_pid()")[0][0]


def claim(store: PostgresBackend, batch: int) -> list[Job]:
    return store.claim(Claim(("q",), batch, "host:1:abcdefabcdef", 60_000, nonce())).jobs


def settled(jobs: list[Job]) -> list:
    return [lifecycle.succeed(job, Raw(b"1")) for job in jobs]


def cycles(store: PostgresBackend, jobs: int) -> None:
    """Life cycles in batches of several sizes; each turn settles the batch before and claims the next."""
    pid = server_pid(store)
    for batch in (1, 10, 100, 1_000):
        count = min(jobs, batch * 400)
        insert, turn, held = Meter(pid), Meter(pid), []
        for left in range(count, -1, -batch):
            if left:
                new = drafts(min(batch, left))
                with insert:
                    store.insert(new)
            changes = settled(held)
            with turn:
                held = store.turn(changes, Claim(("q",), batch, "host:1:abcdefabcdef", 60_000, nonce())).jobs
            store.due(1_000) if left % (batch * 50) == 0 else None
        print(insert.line(f"insert {batch}", count))
        print(turn.line(f"turn {batch}", count), flush=True)


def depth(store: PostgresBackend, jobs: int) -> None:
    """A claim of 50 beside 1,000 jobs, and beside so many ready and as many delayed ones of higher priority."""
    pid = server_pid(store)
    for ready, delayed in ((1_000, 0), (jobs, jobs)):
        fill(store, ready)
        fill(store, delayed, delay=86_400_000, priority=10)
        store.due(1_000)
        for _ in range(3):
            store.replace(settled(claim(store, 50)))
        meter, held = Meter(pid), []
        for _ in range(16 if ready == 1_000 else 200):
            with meter:
                jobs_claimed = claim(store, 50)
            held += jobs_claimed
        print(meter.line(f"claim of 50 beside {ready:,} ready and {delayed:,} delayed", len(held)))
        counts = Meter(pid)
        for _ in range(20):
            with counts:
                store.counts()
        print(counts.line("  ls-queues", 20), flush=True)
        for at in range(0, len(held), 1_000):
            store.replace(settled(held[at : at + 1_000]))


def drift(store: PostgresBackend, jobs: int, *, bystander: bool = False) -> None:
    """Claim latency over so many life cycles, with a thousand jobs always waiting, autovacuum and the worker's own vacuum on."""
    pid, batch, done = server_pid(store), 100, 0
    fill(store, 1_000)
    other = None
    report = max(batch, jobs // 10)
    claims, held, ticked, costs = Meter(pid), [], time.monotonic(), []
    while done < jobs:
        store.insert(drafts(batch))
        with claims:
            held = claim(store, batch)
        store.replace(settled(held))
        done += len(held)
        if time.monotonic() - ticked >= 1:
            store.due(1_000)
            ticked = time.monotonic()
        if done % report < batch and len(claims.wall) > 1:
            print(claims.line(f"claims of {batch} after {done:,} life cycles", len(claims.wall) * batch), flush=True)
            touched = pages(store, batch)
            print(f"  a claim touches {touched:,} pages; {sizes(store)}", flush=True)
            costs.append((statistics.median(claims.wall), claims.server, touched))
            claims = Meter(pid)
            if bystander and other is None:
                other = _snapshot(store)
    print(
        "the last tenth to the first: p50 x{:.2f}, processor time of the server x{:.2f}, pages x{:.2f}".format(
            *(last / first for first, last in zip(costs[0], costs[-1], strict=True))
        )
    )
    if other is not None:
        print("notes of `jq db status`:", *store.schema.status().notes, sep="\n  ")
        other.close()


def pages(store: PostgresBackend, batch: int) -> int:
    """Pages of the buffer cache that a claim touches, which no neighbour on the machine can change. It is rolled back."""
    import psycopg

    with psycopg.connect(store._address.conninfo) as connection:
        teach(connection.adapters)
        asked = store._claim(Claim(("q",), batch, "host:1:abcdefabcdef", 60_000, nonce()))
        explained = asked._replace(sql=f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {asked.sql}")
        for _ in range(2):  # the first fills what a new connection remembers of the schema
            [[[told]]] = fetched(send(connection, explained))
            connection.rollback()
    return int(told["Plan"]["Shared Hit Blocks"] + told["Plan"]["Shared Read Blocks"])


def sizes(store: PostgresBackend) -> str:
    """The tables on the disk, and how many of their rows are dead."""
    sql = "SELECT pg_table_size(%s::regclass), pg_indexes_size(%s::regclass), pg_stat_get_dead_tuples(%s::regclass)"
    found = []
    for table in ("jobs", "deltas"):
        [(heap, indexes, dead)] = store._link.rows(sql, *[f"{store._address.quoted}.{table}"] * 3)
        found.append(f"{table} {heap / 1e6:.1f} MB, its indexes {indexes / 1e6:.1f} MB, {dead:,} dead rows")
    return "; ".join(found)


def bulk(store: PostgresBackend, jobs: int) -> None:
    """Jobs stored by the thousand, one call after the other."""
    insert = Meter(server_pid(store))
    for left in range(jobs, 0, -1_000):
        new = drafts(min(1_000, left))
        with insert:
            store.insert(new)
    print(insert.line("insert 1,000", jobs))


def wake(store: PostgresBackend, jobs: int, url: str) -> None:
    """From a producer's call to the moment at which a worker that waits for a hint has leased the job; one at a time."""
    insert, began, woken = Meter(server_pid(store)), time.perf_counter(), []
    with open_postgres(url) as producer:
        watch = store.watch(["ready:q"])
        assert watch is not None
        for _ in range(jobs):
            time.sleep(0.02)
            began = time.perf_counter()
            with insert:
                producer.insert(drafts(1))
            held: list[Job] = []
            while not held:
                select.select([watch], [], [], 1.0)
                watch.drain()
                held = claim(store, 1)
            woken.append(1_000 * (time.perf_counter() - began))
            store.replace(settled(held))
        watch.close()
    p50, p99 = (statistics.quantiles(woken, n=100)[at] for at in (49, 98))
    print(f"from the call to the lease: p50 {p50:.2f} ms, p99 {p99:.2f} ms, worst {max(woken):.2f} ms of {jobs:,}")
    print(insert.line("of it the enqueue", jobs))


def _snapshot(store: PostgresBackend) -> object:
    import psycopg

    other = psycopg.connect(store._address.conninfo)
    other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    other.execute("SELECT 1")
    print("  from here on another session holds a snapshot")
    return other


def main() -> None:
    """Measure one thing."""
    kinds = {"cycles": cycles, "depth": depth, "drift": drift, "bulk": bulk}
    kind = sys.argv[1] if len(sys.argv) > 1 else "cycles"
    jobs = int(sys.argv[2]) if len(sys.argv) > 2 else 40_000
    with PostgresServer(**OPTIONS) as server, open_postgres(server.url + "?timeout=60s") as store:
        if kind == "snapshot":
            drift(store, jobs, bystander=True)
        elif kind == "wake":
            wake(store, jobs, server.url)
        else:
            kinds[kind](store, jobs)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
