"""The webhook hook: POSTs events in batches, signed, to an address that is guarded as that of `work --post` is."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from jq_cli.hooks.event import Event, record
from jq_cli.hooks.spec import Undeliverable
from jq_cli.post.request import Answer, post
from jq_cli.post.signature import keys_of, signed
from jq_cli.post.target import Target

BODY = 256 * 1024
"""Bytes of a body, about: a batch with large payloads is sent in parts."""

TRANSIENT = frozenset({408, 425, 429})
"""Answers below 500 that may be different another time."""

MAX_WAIT = 30.0
"""Seconds that a receiver may have us wait by Retry-After before the batch counts as failed."""


class WebhookHook:
    """POSTs `{"events": [...]}`. 2xx is delivered; 408, 425, 429, 3xx and 5xx are tried again; other 4xx drop the events. The
    `webhook-id` is that of the first event of a request, and the same when it is sent again."""

    def __init__(
        self,
        url: str,
        *,
        secret: str | None = None,
        allow_private: bool = False,
        timeout: float = 10.0,
        send: Callable[..., Answer] = post,
    ) -> None:
        self._target = Target.parse(url, allow_private=allow_private)
        self._keys = keys_of(secret) if secret else []
        self._timeout = timeout
        self._send = send
        self._done: str = ""

    def deliver(self, events: Sequence[Event]) -> None:
        """POST them. A batch that fails in its middle goes on there when it is offered again."""
        for part in parts([event for event in events if event.id > self._done]):
            self._post(part)
            self._done = part[-1].id

    def _post(self, events: Sequence[Event]) -> None:
        body = msgspec.json.encode({"events": [record(event) for event in events]})
        headers = {"Content-Type": "application/json", "webhook-id": events[0].id}
        if self._keys:
            headers |= signed(self._keys, events[0].id, int(time.time()), body)
        answer = self._send(self._target, body, headers, timeout=self._timeout)
        if 200 <= answer.status < 300:
            return
        if 400 <= answer.status < 500 and answer.status not in TRANSIENT:
            self._done = events[-1].id
            raise Undeliverable(answer.told)
        if answer.retry_after:
            time.sleep(min(MAX_WAIT, answer.retry_after / 1_000))
        raise OSError(answer.told)

    def close(self) -> None:
        """Nothing is kept open."""


def parts(events: Sequence[Event]) -> list[list[Event]]:
    """The events in bodies of about BODY bytes."""
    found: list[list[Event]] = []
    size = BODY + 1
    for event in events:
        if size > BODY:
            found.append([])
            size = 0
        found[-1].append(event)
        size += len(event.payload or b"") + len(event.error or "") + 300
    return found


def make_webhook(options: Mapping[str, Any]) -> WebhookHook:
    """The hook from its options: `url`, `secret`, `allow_private`, `timeout`."""
    return WebhookHook(**options)
