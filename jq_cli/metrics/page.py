"""What a scraper gets: all figures as text, and of one queue as JSON for autoscalers."""

from collections.abc import Iterator

import msgspec
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder

from jq_cli.backends.base import QueueCounts
from jq_cli.metrics.families import age, store_families
from jq_cli.metrics.meters import Meters
from jq_cli.metrics.snapshot import Snapshot

QUEUES = "/metrics/queues/"
"""Before the name of a queue: the path of its figures as JSON."""

PLAIN = "text/plain"
MAX_ACCEPT = 1_000
"""Characters of an Accept header that are looked at."""


class _Page:
    """All figures, in the form of a registry."""

    def __init__(self, meters: Meters, snapshot: Snapshot | None) -> None:
        self._meters = meters
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        yield from store_families(self._snapshot, self._meters.labels)
        yield from self._meters.registry.collect()


def page(meters: Meters, snapshot: Snapshot | None, accept: str) -> tuple[bytes, str]:
    """The figures and their content type: OpenMetrics for those who ask for it, else the Prometheus text format."""
    try:
        encode, kind = choose_encoder(accept[:MAX_ACCEPT])
    except (ValueError, TypeError):  # a version that is no number
        encode, kind = choose_encoder(PLAIN)
    return encode(_Page(meters, snapshot)), kind


class QueueFigures(msgspec.Struct, frozen=True):
    """One queue for an autoscaler. `waiting`: jobs that are ready or running, which is what workers are needed for."""

    queue: str
    ready: int
    running: int
    waiting: int
    scheduled: int
    dead: int
    oldest_ready_age: float
    paused: bool


def figures(counts: QueueCounts) -> QueueFigures:
    """The figures in counts."""
    ready, running = counts.states["ready"], counts.states["running"]
    return QueueFigures(
        queue=counts.queue,
        ready=ready,
        running=running,
        waiting=ready + running,
        scheduled=counts.states["scheduled"],
        dead=counts.states["dead"],
        oldest_ready_age=round(age(counts), 3),
        paused=counts.controls.holds(counts.now),
    )


def no_figures(queue: str) -> QueueFigures:
    """Those of a queue that was never used: an autoscaler may ask before its first job."""
    return QueueFigures(queue, 0, 0, 0, 0, 0, 0.0, False)
