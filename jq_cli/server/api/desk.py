"""What every handler of the Admin API works at: the caller, the settings and the store of the request's namespace."""

from collections.abc import Callable
from typing import Any, TypeVar

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler

from jq_cli.backends.base import Backend
from jq_cli.backends.http.wire import NAMESPACE_HEADER
from jq_cli.change import Change
from jq_cli.client import Client
from jq_cli.config.settings import Settings
from jq_cli.errors import NotFound
from jq_cli.history import noted
from jq_cli.job import Job
from jq_cli.server.access import Caller
from jq_cli.server.archive import Archive
from jq_cli.server.stores import Stores
from jq_cli.server.watches import Watches

T = TypeVar("T")


class Desk:
    """One request's view of the store."""

    def __init__(
        self,
        stores: Stores,
        watches: Watches,
        archive: Archive,
        *,
        settings: Settings,
        caller: Caller,
        namespace: str | None,
    ) -> None:
        self.caller = caller
        self.settings = settings
        self.namespace = namespace
        self.watches = watches
        self.archive = archive
        self._stores = stores

    async def ask(self, call: Callable[[Client], T]) -> T:
        """The answer of a call made with a client, on the store's thread."""

        def ask(backend: Backend) -> T:
            client = Client(backend, self.settings)
            client.resend_after = ()  # others wait for the store's thread; who asked may ask again
            return call(client)

        return await self._stores.ask(ask, namespace=self.namespace)

    async def job(self, id: str) -> Job:
        """The job with this id. Raises NotFound."""
        job = await self.ask(lambda client: client.find(id))
        if job is None:
            raise NotFound(f"no such job: {id[:40]}")
        return job

    def noted(self, change: Change, job: Job, what: str, now: int) -> Change:
        """The change of an operator with a note of it in the job."""
        return noted(change, job, what=what, by=f"{self.caller.name} (http)", now=now)


Here = NamedDependency[Desk]
"""How a handler asks for the desk of its request."""


class Office:
    """Makes a desk for each request."""

    def __init__(self, stores: Stores, watches: Watches, settings: Settings) -> None:
        self._stores, self._watches, self._settings = stores, watches, settings
        self._archive = Archive(settings)

    async def desk(self, request: Request[Any, Any, Any]) -> Desk:
        """The desk of a request."""
        namespace = request.headers.get(NAMESPACE_HEADER)
        caller: Caller = request.scope["caller"]  # type: ignore[typeddict-item]  # put there by the guard
        return Desk(
            self._stores, self._watches, self._archive, settings=self._settings, caller=caller, namespace=namespace
        )


def demand_scope(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Raises Refused unless the caller has the scope that the handler names. One that names none is open to every caller."""
    scope = handler.opt.get("scope")
    caller: Caller = connection.scope["caller"]  # type: ignore[typeddict-item]  # put there by the guard
    if scope is not None:
        caller.demand_any(scope)
