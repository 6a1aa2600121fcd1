"""A part of a worker that has a thread put jobs on its queue, one at a time and each when the pool is idle, as another program
would; then it ends the worker. The thread has a connection of its own."""

import os
import random
import selectors
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from jq_cli.backends.base import Backend
from jq_cli.bench.load import draft
from jq_cli.bench.meter import Meter
from jq_cli.errors import JqError

GAP = 0.02
"""Seconds between a job's end and the next job at least."""

GAP_WITHOUT_HINTS = 0.3
"""Where new work is not announced, workers look at intervals: a pause that is random up to this meets any part of one."""

PATIENCE = 30.0
"""Seconds that a job may take to be done."""


class Probes(Meter):
    """`ids` are those of the jobs put in: one for a start, then at most `count`, for `most` seconds but at least one.
    `payload` makes one."""

    def __init__(
        self,
        open_store: Callable[[], AbstractContextManager[Backend]],
        queue: str,
        payload: Callable[[], bytes],
        *,
        count: int,
        most: float,
        hinted: bool,
    ) -> None:
        super().__init__()
        self.ids: list[str] = []
        self._open = open_store
        self._queue, self._payload = queue, payload
        self._count, self._most = count, most
        self._spread = GAP if hinted else GAP_WITHOUT_HINTS
        self._done = threading.Semaphore(0)
        self._told = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    # --- in the worker's loop ---

    def start(self, selector: selectors.BaseSelector) -> None:
        """The keeper runs, so there may be threads."""
        self._read, self._write = os.pipe()
        selector.register(self._read, selectors.EVENT_READ, lambda: None)
        self._thread.start()

    def finished(self, succeeded: int) -> bool:
        """Tell the thread of jobs that are done, and see whether it is."""
        if succeeded > self._told:
            self._done.release(succeeded - self._told)
            self._told = succeeded
        return not self._thread.is_alive()

    def close(self) -> None:
        """Have the thread end."""
        self._stopped.set()
        self._done.release()
        self._thread.join()
        os.close(self._read)
        os.close(self._write)

    # --- in the thread ---

    def _send(self) -> None:
        try:
            with self._open() as backend:
                self._send_all(backend)
        except Exception as error:
            self.trouble = error
        finally:
            os.write(self._write, b".")

    def _send_all(self, backend: Backend) -> None:
        until = time.monotonic() + self._most
        while len(self.ids) < 2 or (len(self.ids) <= self._count and time.monotonic() < until):
            if self._stopped.wait(GAP + random.uniform(0, self._spread)):
                return
            job = draft(self._queue, self._payload())
            backend.insert([job])
            self.ids.append(job.job.id)
            if not self._done.acquire(timeout=PATIENCE):
                raise JqError(f"a job that was put on an idle queue was not done within {PATIENCE:g} s")
