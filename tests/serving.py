"""A `jq serve` inside the test's own process: real sockets, a thread of its own, and a clock for each namespace."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from jq_cli.backends.base import Backend
from jq_cli.backends.registry import open_backend
from jq_cli.config.settings import Settings
from jq_cli.server.access import Access, Token
from jq_cli.server.listen import Place, Tls, open_socket
from jq_cli.server.run import Server
from jq_cli.server.service import Options, Service
from jq_cli.testing import ManualClock

DEADLINE = 20.0


class Serving:
    """A server in front of the store at a URL, on a free port or on a Unix socket. Namespaces whose clock is in `clocks` run
    on it. Use as a context manager."""

    def __init__(
        self,
        store: str,
        *,
        tokens: Sequence[Token] = (),
        options: Options | None = None,
        settings: Settings | None = None,
        path: Path | None = None,
        tls: Tls | None = None,
    ) -> None:
        self.clocks: dict[str, ManualClock] = {}
        self.backends: dict[str, Backend] = {}
        self._store = store
        options = options or Options(namespaces=1_000_000, upkeep=False, cron=False)
        self.service = Service(self._open, settings or Settings(), Access(tokens), options)
        place = Place(path=str(path)) if path is not None else Place("127.0.0.1", 0)
        self._socket, self.place = open_socket(place)
        self.url = self.place.url(tls=tls is not None)
        self.server = Server(self.service, tls)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def ask(self, namespace: str, call: Callable[[Backend], object]) -> None:
        """Make a call on the store behind the server, on the store's thread."""
        asyncio.run_coroutine_threadsafe(self.service.stores.ask(call, namespace=namespace), self._loop).result(
            DEADLINE
        )

    def __enter__(self) -> "Serving":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.should_exit = True
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive(), "the server did not end"

    def _open(self, namespace: str) -> Backend:
        self.backends[namespace] = open_backend(self._store, namespace=namespace, clock=self.clocks.get(namespace))
        return self.backends[namespace]

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self.server.serve([self._socket]))
