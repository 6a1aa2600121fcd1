"""What queues did, as records: totals, what was counted each second between two looks, how long jobs took. Pure."""

from jq_cli import latency
from jq_cli.backends.base import QueueCounts
from jq_cli.view.records import TOTALS, Record

FIELDS = (
    "queue",
    "ready",
    "running",
    *(f"total_{name}" for name in TOTALS),
    *(f"{name}_per_s" for name in TOTALS),
    *latency.FIELDS,
)


def stats_record(counts: QueueCounts, before: QueueCounts | None) -> Record:
    """A queue's totals, and its rates since it was seen `before`; None for every rate when it was not."""
    record: Record = {"queue": counts.queue, "ready": counts.states["ready"], "running": counts.states["running"]}
    record |= {f"total_{name}": counts.totals.get(name, 0) for name in TOTALS}
    return record | {f"{name}_per_s": _rate(name, counts, before) for name in TOTALS}


def _rate(name: str, counts: QueueCounts, before: QueueCounts | None) -> float | None:
    if before is None or counts.now <= before.now:
        return None
    done = counts.totals.get(name, 0) - before.totals.get(name, 0)
    return round(done * 1_000 / (counts.now - before.now), 2)
