"""What a server does by itself: the maintenance tick of every store in use, so that a server alone keeps delayed jobs, leases and
retention moving."""

import asyncio
import random
import sys
from collections.abc import Callable

from jq_cli.backends.base import Backend
from jq_cli.consumer import Consumer
from jq_cli.errors import BackendError
from jq_cli.lifecycle import Keeping
from jq_cli.server.stores import Stores

TICK = 1.0
PRUNE_EVERY = 30
"""Ticks between two looks for workers that are gone."""

Duty = Callable[[Backend], object]


class Upkeep:
    """Runs until it is cancelled. `keeping` is the retention policy of a queue."""

    def __init__(self, stores: Stores, keeping: Callable[[str], Keeping]) -> None:
        self._stores = stores
        self._keeping = keeping
        self._consumers: dict[str, Consumer] = {}
        self._ticks = 0
        self._troubled: set[str] = set()

    async def run(self) -> None:
        """Tick every store once a second, a little earlier or later so that many servers do not come in step."""
        while True:
            await asyncio.sleep(TICK * random.uniform(0.9, 1.1))
            self._ticks += 1
            for namespace in self._stores.opened():
                await self._tick(namespace)

    async def _tick(self, namespace: str) -> None:
        try:
            await self._stores.ask(lambda backend: self._do(namespace, backend), namespace=namespace)
            self._troubled.discard(namespace)
        except BackendError as error:
            if namespace not in self._troubled:
                print(f"jq: maintenance of {namespace}: {error}; trying on", file=sys.stderr, flush=True)
            self._troubled.add(namespace)

    def _do(self, namespace: str, backend: Backend) -> None:
        if namespace not in self._consumers:
            self._consumers[namespace] = Consumer(backend, keeping=self._keeping)
        consumer = self._consumers[namespace]
        consumer.tick()
        if self._ticks % PRUNE_EVERY == 0:
            consumer.prune()
