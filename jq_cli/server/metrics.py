"""The metrics of the server, for callers who may read: `/metrics`, and for autoscalers `/metrics/queues/NAME`."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from jq_cli.backends.base import Backend
from jq_cli.config.settings import Settings
from jq_cli.draft import check_name
from jq_cli.errors import BackendError, NotFound
from jq_cli.metrics.labels import QueueLabels
from jq_cli.metrics.measured import measured
from jq_cli.metrics.meters import Meters
from jq_cli.metrics.page import QUEUES, figures, page
from jq_cli.metrics.snapshot import Snapshot, Snapshots
from jq_cli.server.access import Caller
from jq_cli.server.asgi import Scope, Send, answer, answer_json, header
from jq_cli.server.problems import Refused
from jq_cli.server.stores import Stores

PATH = "/metrics"
PATIENCE = 5.0
"""Seconds that a scrape waits for the store."""


class Metrics:
    """What the server measures, and the answers for those who ask. All of it is about the server's own namespace."""

    def __init__(self, settings: Settings, meters: Meters | None = None) -> None:
        self.meters = meters or Meters(QueueLabels(settings.queues))
        self._own = settings.namespace
        self._snapshots = Snapshots(settings)

    def measuring(self, opener: Callable[[str], Backend]) -> Callable[[str], Backend]:
        """The opener, whose store of the server's own namespace is measured."""
        return lambda name: measured(opener(name), self.meters) if name == self._own else opener(name)

    async def answer(self, stores: Stores, scope: Scope, send: Send) -> None:
        """Answer a request. Raises JqError."""
        caller: Caller = scope["caller"]
        caller.demand("read")
        if scope["method"] not in ("GET", "HEAD"):
            raise Refused(405, "metrics are read with GET", (b"allow", b"GET, HEAD"))
        path = scope["path"]
        if path == PATH:
            accept = header(scope, b"accept")
            body, kind = await asyncio.to_thread(page, self.meters, await self._snapshot(stores), accept)
            await answer(scope, send, 200, body, (b"content-type", kind.encode()))
        elif path.startswith(QUEUES):
            queue = check_name(path.removeprefix(QUEUES))
            [counts] = await stores.ask(lambda backend: backend.counts([queue]), patience=PATIENCE)
            await answer_json(scope, send, 200, figures(counts))
        else:
            raise NotFound(f"no such path: {path[:200]}")

    async def _snapshot(self, stores: Stores) -> Snapshot | None:
        fresh = self._snapshots.fresh()
        if fresh is None:
            with suppress(BackendError):
                fresh = await stores.ask(self._snapshots.refresh, patience=PATIENCE)
        return fresh
