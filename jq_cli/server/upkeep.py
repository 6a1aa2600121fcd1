"""What a server does by itself, so that a server alone keeps everything moving: in every store in use it runs the maintenance
tick (delayed jobs, leases, retention) and fires the schedules."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

import msgspec

from jq_cli.backends.base import Backend
from jq_cli.cli.session import say
from jq_cli.config.settings import Settings
from jq_cli.consumer import Consumer
from jq_cli.cron.scheduler import Scheduler
from jq_cli.errors import JqError
from jq_cli.server.stores import Stores

TICK = 1.0
"""Seconds between two turns of the maintenance; the most between two looks for stores that came into use."""

PAUSE = 0.01
"""Seconds that clients have the store to themselves, at least, between two turns."""

PRUNE_EVERY = 30
"""Ticks between two looks for workers that are gone."""


class Duty(Protocol):
    """Something to be done again and again in one store."""

    def __call__(self, backend: Backend) -> float:
        """Do what is due, on the store's thread; gives the seconds until the next turn is worth it."""


Maker = Callable[[str], Duty]
"""Makes the duty for the store of a namespace."""


class Maintenance:
    """The maintenance tick, a little earlier or later than once a second so that many servers do not come in step."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer: Consumer | None = None
        self._ticks = 0

    def __call__(self, backend: Backend) -> float:
        """One tick."""
        if self._consumer is None:
            self._consumer = Consumer(backend, keeping=self._settings.keeping)
        self._consumer.tick()
        self._ticks += 1
        if self._ticks % PRUNE_EVERY == 0:
            self._consumer.prune()
        return TICK * random.uniform(0.9, 1.1)


class Schedules:
    """Fires what is due. The schedules of the configuration file are those of the server's `own` namespace alone; those kept in a
    store fire wherever they are."""

    def __init__(self, settings: Settings, namespace: str) -> None:
        own = namespace == settings.namespace
        self._settings = settings if own else msgspec.structs.replace(settings, namespace=namespace, schedules={})
        self._scheduler: Scheduler | None = None

    def __call__(self, backend: Backend) -> float:
        """One turn of the scheduler, which is bounded."""
        if self._scheduler is None:
            self._scheduler = Scheduler(backend, self._settings, say=say)
        return self._scheduler.tick() / 1_000


def duties(settings: Settings, *, maintenance: bool, cron: bool) -> dict[str, Maker]:
    """What a server with these settings does by itself, under names for messages."""
    makers: dict[str, Maker] = {}
    if maintenance:
        makers["maintenance"] = lambda _namespace: Maintenance(settings)
    if cron:
        makers["schedules"] = partial(Schedules, settings)
    return makers


class Upkeep:
    """Runs until it is cancelled. Each duty has a round of its own, so that none waits for another's pause."""

    def __init__(self, stores: Stores, makers: Mapping[str, Maker]) -> None:
        self._stores = stores
        self._makers = makers
        self._troubled: set[tuple[str, str]] = set()

    async def run(self) -> None:
        """Give every duty its turns in every store in use, and in the server's own whether it is in use or not."""
        await asyncio.gather(*(self._round(what, maker) for what, maker in self._makers.items()))

    async def _round(self, what: str, maker: Maker) -> None:
        made: dict[str, Duty] = {}
        due: dict[str, float] = {}
        while True:
            for namespace in {self._stores.namespace, *self._stores.opened()}:
                if namespace not in made:
                    made[namespace] = maker(namespace)
                if due.get(namespace, 0.0) <= time.monotonic():
                    due[namespace] = time.monotonic() + await self._turn(what, namespace, made[namespace])
            wait = min(due.values()) - time.monotonic()
            await asyncio.sleep(min(max(wait, PAUSE), TICK))

    async def _turn(self, what: str, namespace: str, duty: Duty) -> float:
        """One turn; gives the seconds until the next."""
        try:
            wait = await self._stores.ask(duty, namespace=namespace)
            self._troubled.discard((what, namespace))
            return wait
        except JqError as error:
            if (what, namespace) not in self._troubled:
                say(f"{what} of {namespace}: {error}; trying on")
            self._troubled.add((what, namespace))
            return TICK
