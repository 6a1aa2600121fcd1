"""The whole server as one ASGI application: the guard in front, the seam, the health checks, the upkeep behind."""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import cast

import msgspec

from jq_cli.backends.base import Backend
from jq_cli.backends.http.wire import PATH
from jq_cli.config.settings import Settings
from jq_cli.errors import BackendUnreachable, JqError
from jq_cli.metrics.meters import Meters
from jq_cli.server.access import Access
from jq_cli.server.api.app import make_api
from jq_cli.server.api.desk import Office
from jq_cli.server.asgi import App, Receive, Scope, Send, answer_json, read_body, replayed
from jq_cli.server.calls import Limits
from jq_cli.server.guard import Guard, Line
from jq_cli.server.hooks import HookDuty, Hooks
from jq_cli.server.metrics import Metrics
from jq_cli.server.seam import Seam
from jq_cli.server.stores import Stores
from jq_cli.server.upkeep import Upkeep, duties
from jq_cli.server.watches import Watches

LEAST_BODY = 16 * 1024 * 1024
READY_PATIENCE = 2.0


class Options(msgspec.Struct, frozen=True):
    """How the server serves. `hosts` and `origins`: see Guard; `namespaces`: how many are served, 1: only the server's own;
    `upkeep`: whether it runs the maintenance tick; `cron`: whether it fires the schedules; `meters`: what
    measures instead of its own; `log`: takes the lines of the access log."""

    hosts: Collection[str] = ("localhost", "127.0.0.1", "::1")
    origins: Collection[str] = ()
    namespaces: int = 1
    upkeep: bool = True
    cron: bool = True
    meters: Meters | None = None
    log: Callable[[Line], None] = lambda _line: None


class Service:
    """The ASGI application. `opener` opens the store of a namespace; it is called on the thread that uses the store."""

    def __init__(
        self, opener: Callable[[str], Backend], settings: Settings, access: Access, options: Options | None = None
    ) -> None:
        options = options or Options()
        self._max_body = max_body = max(LEAST_BODY, 2 * settings.max_payload)
        self.metrics = Metrics(settings, options.meters)
        hooks = Hooks(settings, self.metrics.meters)
        opener = hooks.telling(self.metrics.measuring(opener))
        self.stores = Stores(opener, settings.namespace, most=options.namespaces)
        self.watches = Watches(self.stores)
        self._seam = Seam(self.stores, self.watches, Limits(settings.max_payload), max_body)
        makers = duties(settings, maintenance=options.upkeep, cron=options.cron)
        self._upkeep = Upkeep(self.stores, makers | ({"hooks": lambda _namespace: HookDuty()} if hooks else {}))
        self.api = make_api(Office(self.stores, self.watches, settings), max_body)
        self._guard = Guard(
            self._route,
            access,
            hosts=options.hosts,
            origins=options.origins,
            max_body=max_body,
            log=options.log,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._guard(scope, receive, send)

    async def prepare(self) -> None:
        """Open the store, so that mistakes in its address show at the start. One that cannot be reached may come later."""
        with suppress(BackendUnreachable):
            await self.stores.ask(lambda _: None)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        if path.startswith(PATH):
            await self._seam(scope, receive, send)
        elif path == "/healthz":
            await answer_json(scope, send, 200, {"status": "ok"})
        elif path == "/readyz":
            await self._ready(scope, send)
        elif path.startswith("/metrics"):
            await self.metrics.answer(self.stores, scope, send)
        else:
            body = await read_body(scope, receive, self._max_body)
            await cast(App, self.api)(scope, replayed(body, receive), send)

    async def _ready(self, scope: Scope, send: Send) -> None:
        """Whether the store answers. Says no more than that: who asks has shown no token."""
        try:
            await self.stores.ask(lambda backend: backend.now(), patience=READY_PATIENCE)
            await answer_json(scope, send, 200, {"status": "ready"})
        except JqError:
            await answer_json(scope, send, 503, {"status": "store unreachable"})

    async def _live(self, receive: Receive, send: Send) -> None:
        """From start to end."""
        await receive()
        task = asyncio.create_task(self._upkeep.run())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        task.cancel()
        await asyncio.wait({task})
        await asyncio.to_thread(self.stores.close)
        await send({"type": "lifespan.shutdown.complete"})
