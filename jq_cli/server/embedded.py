"""A server in a thread of a worker: it lives and ends with the worker, by the same rules as one of its own.

It opens the store for itself, as two programs would; only the memory store, which there is but once, is shared and used in turns.
What the server would do by itself, the worker does already.
"""

import asyncio
import os
import selectors
from collections.abc import Callable
from contextlib import ExitStack
from threading import Thread
from typing import Any

from jq_cli.api.shared_backend import SharedBackend
from jq_cli.backends.base import Backend
from jq_cli.config.settings import Settings
from jq_cli.metrics.worker import WorkerMetrics
from jq_cli.server.run import GRACE
from jq_cli.server.start import Opener, Plan, Ready, prepared
from jq_cli.worker.part import Part

MARGIN = 2.0
"""Seconds beyond its own grace that the server may take to end."""


class Embedded:
    """What `jq work --serve` puts beside the worker: a server, and the metrics of both. Listens from the start until `opened` is
    closed; `how`: further options of the plan. Raises UsageError and ConfigError when that is not safe or cannot be."""

    def __init__(
        self,
        listen: str,
        metrics_port: str | None,
        settings: Settings,
        opened: ExitStack,
        say: Callable[[str], None],
        **how: Any,
    ) -> None:
        self._metrics = WorkerMetrics(metrics_port, settings, say)
        self._say = say
        self._shared: SharedBackend | None = None
        self._in_memory = settings.store.url.startswith("memory")
        plan = Plan(
            listen=listen,
            tokens=os.environ.get("JQ_TOKENS"),
            admin_token=os.environ.get("ADMIN_TOKEN"),
            no_maintenance=True,
            no_cron=True,
            **how,
        )
        opener: Opener | None = (lambda _namespace: self._own()) if self._in_memory else None
        self._ready = prepared(settings, plan, opened, opener=opener, meters=self._metrics.meters)

    def around(self, backend: Backend) -> Backend:
        """The worker's store, measured, and shared with the server if there is no other way."""
        if self._in_memory:
            backend = self._shared = SharedBackend(lambda: backend, reopens=False)
        return self._metrics.around(backend)

    def parts(self, backend: Backend) -> list[Part]:
        """What the worker gives turns to."""
        return [*self._metrics.parts(backend), ServerPart(self._ready, self._say)]

    def _own(self) -> Backend:
        assert self._shared is not None
        return self._shared


class ServerPart(Part):
    """Runs a server in a thread for as long as the worker runs."""

    def __init__(self, ready: Ready, say: Callable[[str], None]) -> None:
        self._ready = ready
        self._say = say
        self._ended = ""
        self._thread = Thread(target=self._run, daemon=True, name="server")

    def start(self, selector: selectors.BaseSelector) -> None:
        """Begin to serve."""
        self._thread.start()

    def tick(self) -> None:
        """Say so if the server ended by itself; the worker goes on."""
        if self._ended:
            self._say(f"the server ended: {self._ended}")
            self._ended = ""

    def close(self) -> None:
        """End the server: requests under way may take a few seconds."""
        self._ready.server.should_exit = True
        self._thread.join(GRACE + MARGIN)

    def _run(self) -> None:
        try:
            asyncio.run(self._ready.run())
        except Exception as error:
            self._ended = str(error) or type(error).__name__
