"""A part of a worker that times how it drains a queue, and ends it."""

import selectors
import time

from jq_cli.bench.meter import Meter

START = 30.0
"""Seconds that the children may take to start, beyond those of a measurement."""


class Drain(Meter):
    """Ends the worker when so many jobs have succeeded, or `most` seconds after the first. `done` jobs in `seconds`: those behind
    the first batch of outcomes, so that the start of the children does not count."""

    def __init__(self, jobs: int, most: float) -> None:
        super().__init__()
        self._jobs = jobs
        self._most = most
        self._began = self._first_at = self._ended = 0.0
        self._first = self._last = 0

    @property
    def done(self) -> int:
        """Jobs that were timed: all, when one batch brought them all."""
        return self._last - self._first or self._last

    @property
    def seconds(self) -> float:
        """From the first outcomes that the store knows to the last."""
        return self._ended - (self._first_at if self._last > self._first else self._began)

    def start(self, selector: selectors.BaseSelector) -> None:
        """The keeper runs and nothing was claimed yet."""
        self._began = time.perf_counter()

    def left(self) -> float:
        """Until the time is up."""
        return max(0.0, self._until() - time.perf_counter())

    def finished(self, succeeded: int) -> bool:
        """Note the first outcomes and the last."""
        now = time.perf_counter()
        if succeeded and not self._first:
            self._first, self._first_at = succeeded, now
        self._last, self._ended = succeeded, now
        return succeeded >= self._jobs or now >= self._until()

    def _until(self) -> float:
        return self._first_at + self._most if self._first else self._began + self._most + START
