"""The seam over HTTP: `POST /v1/store/<call>` with MessagePack in and out, for the HTTP backend. Plain ASGI, without the layers
of the Admin API, because workers call it for every batch of jobs."""

import asyncio
from functools import partial

import msgspec

from jq_cli.backends.base import Backend
from jq_cli.backends.http.wire import (
    CONTENT_TYPE,
    HOOKS_HEADER,
    NAMESPACE_HEADER,
    OWN,
    PATH,
    PATIENCE_HEADER,
    encode,
)
from jq_cli.draft import check_name
from jq_cli.errors import InvalidField, NotFound, UsageError
from jq_cli.hooks.observed import unobserved
from jq_cli.server.access import Caller
from jq_cli.server.asgi import ClientLeft, Receive, Scope, Send, answer, header, read_body
from jq_cli.server.calls import CALLS, MAX_ITEMS, Ask, Limits
from jq_cli.server.problems import Refused
from jq_cli.server.stores import PATIENCE, Stores
from jq_cli.server.watches import Subscription, Watches

BEAT = 20.0
"""Seconds after which a silent watch gets a hint for nothing, so that a connection that died is noticed on both sides."""

_CLAIMS = ("claim", "turn")
_ROUNDS = 6
_NAMESPACE, _PATIENCE, _HOOKS = NAMESPACE_HEADER.encode(), PATIENCE_HEADER.encode(), HOOKS_HEADER.encode()
_TYPE = (b"content-type", CONTENT_TYPE.encode())
_DECODERS = {name: msgspec.msgpack.Decoder(argument).decode for name, (argument, _) in CALLS.items()}
_decode_topics = msgspec.msgpack.Decoder(list[str]).decode


class Seam:
    """An ASGI application for the paths under `/v1/store/`. Raises JqError; the guard before it answers those."""

    def __init__(self, stores: Stores, watches: Watches, limits: Limits, max_body: int) -> None:
        self._stores = stores
        self._watches = watches
        self._limits = limits
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"].removeprefix(PATH)
        if name not in CALLS and name != "watch":
            raise NotFound(f"no such call: {name[:60]}")
        if scope["method"] != "POST":
            raise Refused(405, f"{name} is called with POST", (b"allow", b"POST"))
        body = await read_body(scope, receive, self._max_body)
        caller: Caller = scope["caller"]
        namespace = header(scope, _NAMESPACE) or None
        if name == "watch":
            await self._watch(_topics(body, caller), namespace, receive, send, scope)
            return
        ask = CALLS[name][1](_DECODERS[name](body), caller, self._limits)
        if name in _CLAIMS:
            await _demand_listener(receive)
        call = partial(_encoded, ask, header(scope, _HOOKS) == OWN)
        encoded = await self._stores.ask(call, namespace=namespace, patience=_patience(scope))
        await answer(scope, send, 200, encoded, _TYPE)

    async def _watch(
        self, topics: list[str], namespace: str | None, receive: Receive, send: Send, scope: Scope
    ) -> None:
        subscription = await self._watches.join(namespace, topics)
        if subscription is None:
            await answer(scope, send, 204, b"")
            return
        try:
            await send(
                {"type": "http.response.start", "status": 200, "headers": [_TYPE, (b"cache-control", b"no-store")]}
            )
            await send({"type": "http.response.body", "body": b"", "more_body": True})
            await _stream(subscription, receive, send)
        finally:
            await subscription.leave()


async def _stream(subscription: Subscription, receive: Receive, send: Send) -> None:
    """Send a byte for each hint until the client leaves or the server ends."""
    gone = asyncio.ensure_future(receive())
    try:
        while not subscription.ended:
            hint = asyncio.ensure_future(subscription.hint(BEAT))
            await asyncio.wait({gone, hint}, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                hint.cancel()
                return
            await send({"type": "http.response.body", "body": b".", "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()


async def _demand_listener(receive: Receive) -> None:
    """Raises ClientLeft when the client has hung up, as far as this machine knows by now: what it claims would be leased to
    nobody. The event loop needs a few rounds to take in a hang-up that came right behind the request."""
    gone = asyncio.ensure_future(receive())
    try:
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)
        if gone.done():
            raise ClientLeft
    finally:
        gone.cancel()


def _encoded(ask: Ask, told: bool, backend: Backend) -> bytes:
    # On the store's thread: rows are made from jobs there, while the event loop serves others.
    # What a client tells hooks of by itself would be told twice if it were told here too.
    return encode(ask(unobserved(backend) if told else backend))


def _topics(body: bytes, caller: Caller) -> list[str]:
    caller.demand_any("read", "work")
    topics = _decode_topics(body)
    if len(topics) > MAX_ITEMS:
        raise InvalidField("topics", f"{len(topics):,} are more than the {MAX_ITEMS:,} that one call takes")
    for topic in topics:
        kind, _, queue = topic.partition(":")
        if kind not in ("ready", "done"):
            raise InvalidField("topics", f"expected ready:QUEUE or done:QUEUE, got {topic[:60]!r}")
        check_name(queue)
    return topics


def _patience(scope: Scope) -> float:
    text = header(scope, _PATIENCE)
    try:
        seconds = float(text) if text else PATIENCE
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise UsageError(f"{PATIENCE_HEADER}: expected seconds, got {text[:20]!r}")
    return seconds
