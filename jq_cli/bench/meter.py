"""A part of a worker that measures it and then ends it."""

import signal
import time
from abc import abstractmethod
from collections.abc import Callable

from jq_cli.errors import BackendUnreachable
from jq_cli.worker.options import Tally
from jq_cli.worker.part import Part

SILENCE = 10.0
"""Seconds without an answer of the store after which a measurement is given up. A worker would wait for ever."""


class Meter(Part):
    """`over`: it has ended the worker itself, because it was done or found `trouble`."""

    def __init__(self) -> None:
        self.tally: Callable[[], Tally] = Tally
        self.over = False
        self.trouble: Exception | None = None
        self._heard_at = time.monotonic()
        self._seen = 0

    def patience(self) -> float:
        """None while there are outcomes it has not seen: nothing else wakes the loop for them."""
        return 0.0 if self.tally().succeeded != self._seen else self.left()

    def tick(self) -> None:
        """Look. Unlike other parts it raises, for then there is nothing to measure: BackendUnreachable ends the worker."""
        if time.monotonic() > self._heard_at + SILENCE:
            raise BackendUnreachable(f"the store has not answered the pool for {SILENCE:g} s")
        self._seen = self.tally().succeeded
        if not self.over and self.finished(self._seen):
            self.over = True
            signal.raise_signal(signal.SIGTERM)  # the worker's own way to end

    def talk(self) -> None:
        """The store is there."""
        self._heard_at = time.monotonic()

    def left(self) -> float:
        """Seconds until it has something to do besides."""
        return SILENCE

    @abstractmethod
    def finished(self, succeeded: int) -> bool:
        """Hear how many jobs have succeeded, and say whether that is the end."""
