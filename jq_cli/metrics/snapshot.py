"""The figures of a store at one moment, read when somebody asks and kept for a while, so that asking often costs little."""

import time
from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from jq_cli.backends.base import Backend, QueueCounts
from jq_cli.config.settings import Settings
from jq_cli.consumer import WORKER_NOTE, read_registration
from jq_cli.cron.schedules import Known, Schedules
from jq_cli.errors import InvalidField

FRESH = 1.0
"""Seconds for which a snapshot serves whoever asks, at least."""

SHARE = 10
"""It serves so many times as long as it took to read: asking takes at most a tenth of the store's time."""

AT_A_TIME = 500
"""Queues counted in one call."""


class Snapshot(msgspec.Struct, frozen=True):
    """`workers`: how many have a valid heartbeat. `lag`: seconds by which the latest schedule is late."""

    counts: list[QueueCounts]
    workers: int
    schedules: int
    lag: float


def take(backend: Backend, settings: Settings) -> Snapshot:
    """Read the figures. Raises BackendError."""
    queues = sorted({*backend.queues(), *settings.queues})
    counts = [each for some in _batches(queues) for each in backend.counts(some)]
    now = counts[0].now if counts else backend.now()
    # Those of other hosts' files may have left the file, and then nobody fires them any more.
    known = [each for each in Schedules(backend, settings).all() if each.source != "elsewhere"]
    registrations = [read_registration(note) for note in backend.read(WORKER_NOTE).values()]
    return Snapshot(
        counts=counts,
        workers=sum(each is not None and not each.dead(now) for each in registrations),
        schedules=len(known),
        lag=max((_lag(each, now) for each in known), default=0.0),
    )


def _lag(known: Known, now: int) -> float:
    try:
        return known.lag(now) or 0.0
    except InvalidField:  # a zone that this host does not know; its scheduler says so
        return 0.0


def _batches(queues: Sequence[str]) -> Iterator[list[str]]:
    left = iter(queues)
    while some := list(islice(left, AT_A_TIME)):
        yield some


class Snapshots:
    """The last snapshot. `refresh` is for the thread that uses the store, the rest for every thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._last: tuple[Snapshot, float] | None = None

    def fresh(self) -> Snapshot | None:
        """The last snapshot, None when it is too old or there is none."""
        last = self._last
        return None if last is None or time.monotonic() >= last[1] else last[0]

    def refresh(self, backend: Backend) -> Snapshot:
        """A fresh snapshot, read now if need be. Raises BackendError."""
        snapshot = self.fresh()
        if snapshot is None:
            began = time.monotonic()
            snapshot = take(backend, self._settings)
            ended = time.monotonic()
            self._last = (snapshot, ended + max(FRESH, SHARE * (ended - began)))
        return snapshot
