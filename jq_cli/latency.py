"""How long jobs waited and ran, from the records of those that are kept. Pure."""

from collections.abc import Iterable, Sequence
from math import ceil

from jq_cli.job import Job

SAMPLE = 1_000
"""Finished jobs of a queue that are looked at for their times, the newest of those that are kept."""

PERCENTILES = (50, 95, 99)
FIELDS = ("latency_jobs", *(f"{what}_p{part}" for what in ("wait", "run") for part in PERCENTILES))
"""How many jobs were looked at; the seconds within which so many of a hundred were taken once they were ready, and were done once
they were taken, in their last execution."""


def latencies(jobs: Iterable[Job]) -> dict[str, float | None]:
    """The fields; None for every time when no job has run."""
    times = [
        (max(0, job.started_at - job.ready_at), max(0, job.finished_at - job.started_at))
        for job in jobs
        if job.started_at is not None and job.finished_at is not None
    ]
    waits, runs = sorted(wait for wait, _ in times), sorted(run for _, run in times)
    told: list[float | None] = [percentile(values, part) for values in (waits, runs) for part in PERCENTILES]
    return dict(zip(FIELDS, [len(times), *told], strict=True))


def percentile(ordered: Sequence[int], part: int) -> float | None:
    """The least value (ms, in order) that at least `part` of a hundred do not exceed, in seconds; None when there are none."""
    return ordered[ceil(len(ordered) * part / 100) - 1] / 1_000 if ordered else None
