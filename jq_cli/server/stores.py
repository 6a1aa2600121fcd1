"""The stores behind the server: one backend for each namespace, all on one thread, because backends are used by one thread only.

The event loop never waits for a store. A call that could not be started before its caller lost patience is not made: a claim
for somebody who has gone would lease jobs to nobody.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from jq_cli.backends.base import Backend
from jq_cli.draft import check_name
from jq_cli.errors import BackendUnreachable, NotFound

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds that a call waits for its turn, unless the caller says otherwise."""


class Stores:
    """Opens and asks stores. `opener` makes the store of a namespace; up to `most` namespaces are served, by default only
    `namespace` itself."""

    def __init__(self, opener: Callable[[str], Backend], namespace: str = "jq", *, most: int = 1) -> None:
        self.namespace = namespace
        self._opener = opener
        self._most = most
        self._opened: dict[str, Backend] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")

    async def ask(self, call: Callable[[Backend], T], *, namespace: str | None = None, patience: float = PATIENCE) -> T:
        """The answer of a call made on the store of a namespace (None: the server's own)."""
        name = namespace or self.namespace
        if name not in self._opened:
            self._admit(name)
        until = time.monotonic() + min(patience, PATIENCE)
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, name, call, until)

    def opened(self) -> list[str]:
        """The namespaces in use."""
        return list(self._opened)

    def close(self) -> None:
        """Finish the calls under way, then close every store."""
        self._thread.submit(self._close).result()
        self._thread.shutdown()

    def _admit(self, name: str) -> None:
        check_name(name, "namespace")
        if name != self.namespace and self._most <= 1:
            raise NotFound(f"no such namespace: {name}; this server serves {self.namespace} (see jq serve --help)")
        if len(self._opened) >= self._most:
            raise NotFound(f"no room for another namespace: {self._most} are in use")

    def _ask(self, name: str, call: Callable[[Backend], T], until: float) -> T:
        if time.monotonic() > until:
            raise BackendUnreachable("the server is busy: the call was not made in time, and will not be made")
        if name not in self._opened:
            self._opened[name] = self._opener(name)
        return call(self._opened[name])

    def _close(self) -> None:
        for backend in self._opened.values():
            backend.close()
