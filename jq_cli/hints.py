"""Waiting for hints of a store: a watch that may break or be refused, and then waiting is sleeping."""

import selectors
import time
from collections.abc import Sequence

from jq_cli.backends.base import Backend, Watch
from jq_cli.closing import Closing
from jq_cli.errors import BackendError

REWATCH = 5.0
"""Seconds until a watch that broke is tried again."""


class Hints(Closing):
    """Hints for topics of a store. Use as a context manager or call `close`."""

    def __init__(self, backend: Backend, topics: Sequence[str]) -> None:
        self._backend = backend
        self._topics = topics
        self._watch: Watch | None = None
        self._selector = selectors.DefaultSelector()
        self._retry_at: float | None = 0.0
        self._open()

    @property
    def open(self) -> bool:
        """Whether hints may come."""
        return self._watch is not None

    def wait(self, seconds: float) -> None:
        """Wait for a hint, at most so long."""
        if self._watch is None:
            time.sleep(seconds)
            self._open()
        elif self._selector.select(seconds):
            try:
                self._watch.drain()
            except BackendError:
                self._drop()

    def _open(self) -> None:
        if self._retry_at is None or time.monotonic() < self._retry_at:
            return
        self._retry_at = time.monotonic() + REWATCH
        try:
            self._watch = self._backend.watch(self._topics)
        except BackendError:
            return
        if self._watch is None:
            self._retry_at = None  # this store gives no hints
        else:
            self._selector.register(self._watch, selectors.EVENT_READ)

    def _drop(self) -> None:
        if self._watch is not None:
            self._selector.unregister(self._watch)
            self._watch.close()
            self._watch = None

    def close(self) -> None:
        """Stop watching."""
        self._drop()
        self._selector.close()
