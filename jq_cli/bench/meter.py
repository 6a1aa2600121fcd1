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

    def tick(self) -> None:
        """Look. Unlike other parts it raises, for then there is nothing to measure: BackendUnreachable ends the worker."""
        if time.monotonic() > self._heard_at + SILENCE:
            raise BackendUnreachable(f"the store has not answered the pool for {SILENCE:g} s")
        if not self.over and self.finished():
            self.over = True
            signal.raise_signal(signal.SIGTERM)  # the worker's own way to end

    def talk(self) -> None:
        """The store has just answered, and outcomes may have been written."""
        self._heard_at = time.monotonic()
        self.tick()

    @abstractmethod
    def finished(self) -> bool:
        """See how far the worker is, and whether that is the end."""
