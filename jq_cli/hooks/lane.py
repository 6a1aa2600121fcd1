"""A lane: one hook with a buffer and a thread of its own, so that a slow or failing one delays no other."""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import cache
from itertools import islice

from jq_cli.errors import UsageError
from jq_cli.hooks.event import Event
from jq_cli.hooks.spec import Hook, HookSpec, Undeliverable, load
from jq_cli.hooks.wire import Count

BATCH = 500
"""Events of one delivery, at most."""

MAX_BYTES = 64 * 2**20
"""Bytes of payloads and errors that may wait in one lane."""

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 15.0
"""Seconds before a delivery is tried again: at first, and at most."""

LAST_TRIES = 3
"""Failures after the end was announced until all that is left is given up."""


class Lane:
    """Takes events without blocking, delivers them in order. When the buffer is full the newest are dropped and counted; a
    delivery that fails is tried again for `retry_for` seconds, then its events are dropped too."""

    def __init__(self, spec: HookSpec, make: Callable[[HookSpec], Hook] = load) -> None:
        self.count = Count()
        self._spec = spec
        self._make = make
        self._hook: Hook | None = None
        self._waiting: deque[Event] = deque()
        self._bytes = 0
        self._last_tries = LAST_TRIES
        self._news = threading.Condition()
        self._ending = threading.Event()
        self._wants_queue = cache(lambda queue: any(fnmatchcase(queue, pattern) for pattern in spec.queues))
        self._thread = threading.Thread(target=self._run, name=f"hook {spec.name}", daemon=True)
        self._thread.start()

    def put(self, events: Sequence[Event]) -> None:
        """Take what the hook wants of these."""
        with self._news:
            for event in events:
                self._put(event)
            self._news.notify()

    def end(self) -> None:
        """Nothing more comes: deliver what waits."""
        with self._news:
            self._ending.set()
            self._news.notify()

    def join(self, seconds: float) -> None:
        """Wait for the end so long; what is left then is dropped."""
        self._thread.join(max(0.0, seconds))
        with self._news:
            self.count.dropped += len(self._waiting)
            self._waiting.clear()

    def _put(self, event: Event) -> None:
        spec = self._spec
        if (spec.events and event.event not in spec.events) or (spec.queues and not self._wants_queue(event.queue)):
            self.count.skipped += 1
        elif len(self._waiting) >= spec.buffer or self._bytes > MAX_BYTES:
            self.count.dropped += 1
        else:
            self._waiting.append(event)
            self._bytes += _size(event)

    def _run(self) -> None:
        while batch := self._next():
            self._drop_or_keep(batch, self._offer(batch))
        if self._hook is not None:
            self._hook.close()

    def _next(self) -> list[Event]:
        """The oldest events, which stay in the buffer until they are done with; none at the end."""
        with self._news:
            while not self._waiting and not self._ending.is_set():
                self._news.wait()
            return list(islice(self._waiting, BATCH))

    def _drop_or_keep(self, batch: list[Event], delivered: bool) -> None:
        with self._news:
            for event in batch[: len(self._waiting)]:
                self._waiting.popleft()
                self._bytes -= _size(event)
            if delivered:
                self.count.sent += len(batch)
            else:
                self.count.dropped += len(batch)

    def _offer(self, batch: list[Event]) -> bool:
        give_up = time.monotonic() + self._spec.retry_for
        pause = FIRST_PAUSE
        while self._last_tries:
            try:
                if self._hook is None:
                    self._hook = self._make(self._spec)
                self._hook.deliver(batch)
                return True
            except (Undeliverable, UsageError) as error:
                self.count.error = _said(error)
                return False
            except Exception as error:
                self.count.error = _said(error)
            if time.monotonic() >= give_up:
                return False
            if self._ending.wait(pause * (0.5 + random.random() / 2)):
                # Somebody waits for the end: what fails again and again now is not worth their time.
                self._last_tries -= 1
                time.sleep(FIRST_PAUSE)
            pause = min(LONGEST_PAUSE, pause * 2)
        return False


def _size(event: Event) -> int:
    return len(event.payload or b"") + len(event.error or "")


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:500]
