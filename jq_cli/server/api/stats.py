"""The route for what queues did: totals, rates, how long jobs took."""

import asyncio
from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Any

import msgspec
from litestar import Controller, get
from litestar.params import FromQuery, QueryParameter

from jq_cli import latency
from jq_cli.backends.base import QueueCounts
from jq_cli.client import Client
from jq_cli.durations import parse_duration
from jq_cli.errors import InvalidField
from jq_cli.server.api.desk import Desk, Here
from jq_cli.view.stats_records import stats_record

LONGEST = 300_000
"""Ms between the two looks for rates, at most."""


class StatsRecord(msgspec.Struct, kw_only=True):
    """What a queue did since it was first used; with `over` how many each second in that time, else null; with `latency` how many
    jobs were looked at and the seconds within which 50, 95 and 99 of a hundred were taken once they were ready (wait) and done
    once they were taken (run)."""

    queue: str
    ready: int
    running: int
    total_enqueued: int
    total_succeeded: int
    total_failed: int
    total_dead: int
    total_recovered: int
    total_duplicates: int
    enqueued_per_s: float | None
    succeeded_per_s: float | None
    failed_per_s: float | None
    dead_per_s: float | None
    recovered_per_s: float | None
    duplicates_per_s: float | None
    latency_jobs: int | None = None
    wait_p50: float | None = None
    wait_p95: float | None = None
    wait_p99: float | None = None
    run_p50: float | None = None
    run_p95: float | None = None
    run_p99: float | None = None


class Stats(Controller):
    """What queues did."""

    tags = ("queues",)

    @get("/v1/stats", opt={"scope": "read"})
    async def stats(
        self,
        desk: Here,
        *,
        queues: Annotated[list[str] | None, QueryParameter(name="queue")] = None,
        over: FromQuery[str | None] = None,
        latencies: Annotated[bool, QueryParameter(name="latency")] = False,
    ) -> list[StatsRecord]:
        """What queues, named or all, did. `over`, a duration of 100ms to 5m: look twice, so far apart, and tell the rates in
        between. `latency`: how long jobs waited and ran, by the last 1,000 of each queue that succeeded and are kept."""
        before: dict[str, QueueCounts] = {}
        if over is not None:
            pause = _pause(over)
            before = {each.queue: each for each in await _look(desk, queues)}
            await asyncio.sleep(pause)
        counts = await _look(desk, queues)
        times = {each.queue: await _times(desk, each.queue) if latencies else {} for each in counts}
        return [StatsRecord(**stats_record(each, before.get(each.queue)), **times[each.queue]) for each in counts]


def _pause(over: str) -> float:
    ms = parse_duration(over, "over")
    if not 100 <= ms <= LONGEST:
        raise InvalidField("over", f"expected 100ms to 5m, got {over[:40]}")
    return ms / 1_000


async def _look(desk: Desk, queues: Sequence[str] | None) -> list[QueueCounts]:
    return await desk.ask(lambda client: [client.demand(queue) for queue in queues] if queues else client.counts())


async def _times(desk: Desk, queue: str) -> dict[str, Any]:
    def look(client: Client) -> dict[str, float | None]:
        return latency.latencies(islice(client.jobs(queue, "succeeded", reverse=True), latency.SAMPLE))

    return await desk.ask(look)
