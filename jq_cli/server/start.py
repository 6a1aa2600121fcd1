"""From the options of `jq serve` to a server that can run: reads tokens, checks that the place is safe, opens log and socket."""

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, NamedTuple

import msgspec

from jq_cli.backends.base import Backend
from jq_cli.backends.registry import open_backend
from jq_cli.config.file import refuse_writable_by_others
from jq_cli.config.settings import Settings
from jq_cli.errors import ConfigError, UsageError
from jq_cli.metrics.meters import Meters
from jq_cli.server.access import Access, Token, chosen_token, read_tokens
from jq_cli.server.guard import Line
from jq_cli.server.listen import Place, Tls, demand_safe, open_socket, parse_place
from jq_cli.server.run import Server
from jq_cli.server.service import Options, Service


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The options as they were given; see the help of `jq serve`."""

    listen: str
    tokens: str | None = None
    admin_token: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    client_ca: str | None = None
    allow_host: tuple[str, ...] = ()
    allow_origin: tuple[str, ...] = ()
    namespaces: int = 1
    no_maintenance: bool = False
    no_cron: bool = False
    access_log: str = "none"

    def known_tokens(self) -> list[Token]:
        """The tokens of the file and the environment. Raises ConfigError."""
        tokens = [] if self.tokens is None else _tokens_in(self.tokens)
        if self.admin_token is not None:
            tokens.append(chosen_token("ADMIN_TOKEN", self.admin_token))
        return tokens

    def tls(self) -> Tls | None:
        """How to speak TLS, if at all. Raises UsageError when a part is missing."""
        if bool(self.tls_cert) != bool(self.tls_key) or (self.client_ca and not self.tls_cert):
            raise UsageError("--tls-cert and --tls-key go together, and --client-ca needs both")
        return Tls(self.tls_cert, self.tls_key, self.client_ca) if self.tls_cert and self.tls_key else None


Opener = Callable[[str], Backend]
"""Opens the store of a namespace."""


class Ready(NamedTuple):
    """A server that listens already, and what it says when it begins to answer."""

    service: Service
    server: Server
    listener: socket.socket
    greeting: str

    async def run(self) -> None:
        """Serve until the server is told to end."""
        await self.service.prepare()
        print(self.greeting, file=sys.stderr, flush=True)
        await self.server.serve([self.listener])


def serve(settings: Settings, plan: Plan) -> int:
    """Serve until a signal ends it; gives the exit code. Raises UsageError and ConfigError before anybody is served."""
    with ExitStack() as opened:
        ready = prepared(settings, plan, opened)
        asyncio.run(ready.run())
    return 0 if ready.server.ended_by is None else 128 + ready.server.ended_by


def prepared(
    settings: Settings, plan: Plan, opened: ExitStack, *, opener: Opener | None = None, meters: Meters | None = None
) -> Ready:
    """A server as planned, which `opened` closes. `opener` and `meters`: those to use instead of its own. Raises UsageError and
    ConfigError."""
    place, tls, tokens = parse_place(plan.listen), plan.tls(), plan.known_tokens()
    demand_safe(place, tokens=bool(tokens), client_certificates=plan.client_ca is not None)
    options = Options(
        hosts=place.hosts() | set(plan.allow_host),
        origins=plan.allow_origin,
        namespaces=plan.namespaces,
        upkeep=not plan.no_maintenance,
        cron=not plan.no_cron,
        log=_log_to(plan.access_log, opened),
        meters=meters,
    )
    service = Service(opener or _opener(settings), settings, Access(tokens), options)
    server = Server(service, tls)
    listener, place = open_socket(place)
    opened.callback(_remove, place)
    opened.enter_context(listener)
    return Ready(service, server, listener, _greeting(settings, place, tls, tokens))


def _opener(settings: Settings) -> Opener:
    store = settings.store
    return lambda namespace: open_backend(store.url, namespace=namespace, **store.options)


def _greeting(settings: Settings, place: Place, tls: Tls | None, tokens: list[Token]) -> str:
    names = ", ".join(sorted(token.caller.name for token in tokens))
    who = f"tokens: {names}" if names else "no token needed"
    certificates = "; client certificates needed" if tls is not None and tls.client_ca else ""
    return f"jq: serving {settings.store.shown} on {place.url(tls=tls is not None)} ({who}{certificates})"


def _tokens_in(path: str) -> list[Token]:
    try:
        with open(path, encoding="utf-8") as file:
            refuse_writable_by_others(path, os.fstat(file.fileno()))
            return read_tokens(file.read(), path)
    except OSError as error:
        raise ConfigError(f"--tokens: {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"--tokens: {path}: invalid UTF-8 at byte {error.start}") from None


def _log_to(target: str, opened: ExitStack) -> Callable[[Line], None]:
    if target == "none":
        return lambda _line: None
    file = sys.stderr if target == "-" else opened.enter_context(_appending(target))

    def write(line: Line) -> None:
        with suppress(OSError):  # a full disk stops the log, not the server
            print(msgspec.json.encode(line).decode(), file=file, flush=True)

    return write


@contextmanager
def _appending(path: str) -> Iterator[IO[str]]:
    try:
        file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - errors of the body are not those of opening
    except OSError as error:
        raise UsageError(f"--access-log: {path}: {error.strerror}") from None
    with file:
        yield file


def _remove(place: Place) -> None:
    if place.path:
        with suppress(OSError):
            os.unlink(place.path)
