"""Requests that work on a bucket costs, and dollars for a million jobs at list price: prints the tables of docs/objects.md.

    python benchmarks/bucket_requests.py [DEPTH]

Counts on obstore's store in memory, so it takes seconds and costs nothing. DEPTH: jobs that wait on the queue meanwhile, 1,000
unless given.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from obstore.store import MemoryStore  # noqa: E402

from jq_cli.backends.base import Claim  # noqa: E402
from jq_cli.backends.objects.address import MIN_POLL, POLL  # noqa: E402
from jq_cli.backends.objects.backend import ObjectsBackend  # noqa: E402
from jq_cli.backends.objects.cloud_store import CloudStore  # noqa: E402
from jq_cli.backends.objects.log import JOBS_PER_COMMIT, SNAPSHOT_EVERY  # noqa: E402
from jq_cli.backends.objects.places import EVERY  # noqa: E402
from jq_cli.change import Change  # noqa: E402
from jq_cli.draft import Draft, make_draft  # noqa: E402
from jq_cli.ids import new_id, nonce  # noqa: E402
from jq_cli.job import Job  # noqa: E402
from jq_cli.lifecycle import Keeping, Outcome, settle  # noqa: E402
from jq_cli.worker.pace import Pace  # noqa: E402
from jq_cli.worker.worker import POLL_WITHOUT_HINTS, TICK  # noqa: E402

KINDS = ("put", "get", "list")
LEASE = 600_000
MINUTES = 160
"""Minutes of an idle worker that are counted, enough for a hundred times the rarest of what it does."""

MONTH = 30 * 24 * 60
PAYLOAD = b'{"user": 4711, "action": "send", "to": "somebody@example.org", "template": "welcome"}'

Cost = dict[str, float]
"""Requests by kind."""


class Bucket:
    """A bucket that only this program knows, with so many jobs on the queue `q`."""

    def __init__(self, depth: int) -> None:
        self.store = MemoryStore()
        with self.opened() as jq:
            for start in range(0, depth, 1_000):
                jq.insert([draft() for _ in range(min(1_000, depth - start))])

    @contextmanager
    def opened(self) -> Iterator[ObjectsBackend]:
        """A process's view of it."""
        with ObjectsBackend(CloudStore(self.store, "memory", "jq/", 60)) as jq:
            yield jq

    def quiet(self, jq: ObjectsBackend, commits: int) -> None:
        """Go past the commit for which somebody else may be first, and a snapshot due, when it is as near as that."""
        jq.queues()
        while EVERY - 1 - jq._log.number % EVERY < commits:
            jq.insert([draft(queue="other")])


def draft(queue: str = "q") -> Draft:
    return make_draft(Job(id=new_id(), queue=queue, payload=PAYLOAD))


def claim(jq: ObjectsBackend, number: int, settled: list[Change] | None = None) -> list[Job]:
    return jq.turn(settled or [], Claim(("q",), number, "w", LEASE, nonce())).jobs


def done(jobs: list[Job]) -> list[Change]:
    return [settle(job, Outcome("succeeded"), now=0, rand=0.0, keeping=Keeping()) for job in jobs]


def spent(jq: ObjectsBackend, work: Callable[[], object]) -> Cost:
    """What some work costs."""
    before = jq.requests
    work()
    return {kind: float(jq.requests.get(kind, 0) - before.get(kind, 0)) for kind in KINDS}


def calls(depth: int) -> dict[str, tuple[int, Cost]]:
    """What calls cost, each with the number of jobs it is about. One process enqueues, another works."""
    bucket, costs = Bucket(depth), {}
    with bucket.opened() as producer, bucket.opened() as worker:
        for number in (1, 100):
            bucket.quiet(producer, 7)
            for _ in range(2):  # the second finds that nobody else writes
                claim(worker, 1)
            jobs: list[Job] = []
            drafts = [draft() for _ in range(number)]
            costs[f"enqueue {number}"] = number, spent(producer, lambda some=drafts: producer.insert(some))
            costs[f"claim {number}"] = number, spent(worker, lambda n=number, to=jobs: to.extend(claim(worker, n)))
            costs[f"settle {number}"] = number, spent(worker, lambda some=jobs: worker.replace(done(some)))
            again = claim(worker, number)
            turn = spent(worker, lambda n=number, some=again: claim(worker, n, done(some)))
            costs[f"settle {number}, claim {number}"] = number, turn
    return costs


def lives(depth: int) -> dict[str, tuple[int, Cost]]:
    """What whole lives of jobs cost, snapshots and sweeps included, with so many other jobs on the queue."""
    return {f"in batches of {batch}": _life(Bucket(depth), batch) for batch in (100, 10, 1)}


def _life(bucket: Bucket, batch: int, rounds: int = 200) -> tuple[int, Cost]:
    with bucket.opened() as producer, bucket.opened() as worker:
        jobs = claim(worker, batch)
        costs = []
        for _ in range(rounds):
            costs.append(spent(producer, lambda: producer.insert([draft() for _ in range(batch)])))
            done_with, jobs = jobs, []
            costs.append(spent(worker, lambda some=done_with, to=jobs: to.extend(claim(worker, batch, done(some)))))
        return rounds * batch, _sum(costs)


def _sum(costs: Iterable[Cost]) -> Cost:
    some = list(costs)
    return {kind: sum(cost[kind] for cost in some) for kind in KINDS}


def openings(depth: int) -> dict[str, tuple[int, Cost]]:
    """What it costs that every job is enqueued by a process of its own, as `jq enqueue` does."""
    bucket, costs, rounds = Bucket(depth), [], 2 * (SNAPSHOT_EVERY + depth // JOBS_PER_COMMIT)
    for _ in range(rounds):
        with bucket.opened() as jq:
            costs.append(spent(jq, lambda jq=jq: jq.insert([draft()])))
    return {"enqueue 1, each in a process of its own": (rounds, _sum(costs))}


def idling(poll: float) -> Cost:
    """What a worker that has found nothing for long asks for in a minute. Its pauses tell how often it does what."""
    pace = Pace(poll, 3.0)
    pace._found_at = float("-inf")
    with Bucket(0).opened() as jq:
        jq.swap("worker", None, b"0")
        done: list[tuple[float, Callable[[int], object]]] = [
            (pace.pause(POLL_WITHOUT_HINTS), lambda _: claim(jq, 1)),
            (pace.pause(TICK), lambda _: jq.due(100)),
            (pace.beat(False), lambda n: jq.swap("worker", str(n).encode(), str(n + 1).encode())),
        ]
        costs = [
            spent(jq, lambda n=n, what=what: what(n))
            for pause, what in done
            for n in range(round(MINUTES * 60 / pause))
        ]
    return {kind: number / MINUTES for kind, number in _sum(costs).items()}


def idle_table() -> list[str]:
    """Rows of Markdown: what an idle worker asks for in a minute, and dollars for a month."""
    costs = {"idle": idling(POLL), f"idle, `poll={MIN_POLL}s`": idling(MIN_POLL)}
    return [
        f"| {name} | {cost['put']:.1f} a minute | {cost['get']:.0f} a minute | ${dollars(cost) * MONTH / 1e6:.2f} a month |"
        for name, cost in costs.items()
    ]


def dollars(cost: Mapping[str, float]) -> float:
    """The price of requests in dollars for a million of the lot."""
    return sum(number * ObjectsBackend.prices[kind] for kind, number in cost.items())


def table(costs: Mapping[str, tuple[int, Cost]], each: bool) -> list[str]:
    """Rows of Markdown: requests of the call, or of `each` job, and dollars for a million jobs."""
    return [
        f"| {name} | {' | '.join(_number(cost[kind] / (jobs if each else 1)) for kind in KINDS)} "
        f"| {dollars(cost) / jobs:.3g} |"
        for name, (jobs, cost) in costs.items()
    ]


def _number(value: float) -> str:
    return f"{value:.3g}" if value else "0"


def main() -> None:
    """Print the tables."""
    depth = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    for heading, costs, each in (
        ("a call", calls(depth), False),
        ("a job's life, per job", lives(depth), True),
        ("another process for each call, per job", openings(depth), True),
    ):
        print(f"| {heading} | PUT | GET | LIST | $ per million jobs |\n| --- | --- | --- | --- | --- |")
        print("\n".join(table(costs, each)), end="\n\n")
    print("| pool | PUT | GET | $ |\n| --- | --- | --- | --- |", *idle_table(), sep="\n")


if __name__ == "__main__":
    main()
