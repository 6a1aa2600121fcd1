"""Whether queues are well: what is measured of each, and what it may be at most. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from jq_cli.backends.base import QueueCounts

Measure = Literal["ready", "age", "dead"]
MEASURES: tuple[Measure, ...] = ("ready", "age", "dead")
"""Ready jobs; seconds since the oldest of them became ready; dead jobs."""

Status = Literal["ok", "warning", "critical"]
STATUSES: tuple[Status, ...] = ("ok", "warning", "critical")


class Finding(msgspec.Struct, frozen=True):
    """One measure of one queue. `warn`: above this it is worth a look; `max`: above this something is wrong."""

    queue: str
    measure: Measure
    value: float
    warn: float
    max: float

    @property
    def status(self) -> Status:
        """What the value means."""
        return "critical" if self.value > self.max else "warning" if self.value > self.warn else "ok"


def findings(counts: Sequence[QueueCounts], limits: Mapping[Measure, float], warn_at: float = 1.0) -> Iterator[Finding]:
    """Every limited measure of every queue. `warn_at`: the part of the maximum above which it is a warning."""
    for each in counts:
        for measure in MEASURES:
            if measure in limits:
                most = limits[measure]
                yield Finding(each.queue, measure, _value(each, measure), most * warn_at, most)


def worst(found: Sequence[Finding]) -> Status:
    """The worst status of all."""
    return max((finding.status for finding in found), key=STATUSES.index, default="ok")


def _value(counts: QueueCounts, measure: Measure) -> float:
    if measure != "age":
        return counts.states.get(measure, 0)
    return 0 if counts.oldest_ready_at is None else max(0, counts.now - counts.oldest_ready_at) / 1_000
