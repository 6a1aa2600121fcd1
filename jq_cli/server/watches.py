"""Who waits for hints: one watch on the store for each set of topics, shared by all clients that asked for the same."""

import asyncio
from contextlib import suppress

from jq_cli.backends.base import Backend, Watch
from jq_cli.errors import BackendError
from jq_cli.server.stores import Stores

MAX_CLIENTS = 2_000
MAX_SETS = 200
"""Clients that wait, and different sets of topics, at once. Beyond that a client has to poll."""

REPAIR_PAUSE = 1.0
"""Seconds between tries to repair a watch on the store."""

Key = tuple[str | None, frozenset[str]]


class _Shared:
    """One watch and the events of those who wait for it."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.events: set[asyncio.Event] = set()


class Watches:
    """Subscriptions to hints."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._shared: dict[Key, _Shared] = {}
        self._opening = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self.ended = False

    def end(self) -> None:
        """Wake everybody for the last time: the server ends, and answers without an end would hold it up."""
        self.ended = True
        for shared in self._shared.values():
            for event in shared.events:
                event.set()

    async def join(self, namespace: str | None, topics: list[str]) -> "Subscription | None":
        """A subscription, or None when there are no hints to have."""
        key = (namespace, frozenset(topics))
        async with self._opening:
            if key not in self._shared and not await self._open(key):
                return None
            if sum(len(shared.events) for shared in self._shared.values()) >= MAX_CLIENTS:
                return None
            event = asyncio.Event()
            self._shared[key].events.add(event)
            return Subscription(self, key, event)

    async def leave(self, key: Key, event: asyncio.Event) -> None:
        """End a subscription; the last one closes the watch."""
        async with self._opening:
            shared = self._shared[key]
            shared.events.discard(event)
            if not shared.events:
                del self._shared[key]
                asyncio.get_running_loop().remove_reader(shared.watch.fileno())
                await self._stores.ask(lambda _: shared.watch.close(), namespace=key[0])

    async def _open(self, key: Key) -> bool:
        if len(self._shared) >= MAX_SETS:
            return False

        def watch(backend: Backend) -> Watch | None:
            return backend.watch(sorted(key[1]))

        opened = await self._stores.ask(watch, namespace=key[0])
        if opened is None:
            return False
        self._shared[key] = _Shared(opened)
        self._listen(key)
        return True

    def _listen(self, key: Key) -> None:
        asyncio.get_running_loop().add_reader(self._shared[key].watch.fileno(), self._readable, key)

    def _readable(self, key: Key) -> None:
        # Not looked at again until it is drained, on the store's thread, or the loop would spin.
        asyncio.get_running_loop().remove_reader(self._shared[key].watch.fileno())
        task = asyncio.create_task(self._drain(key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _drain(self, key: Key) -> None:
        shared = self._shared.get(key)
        if shared is None:
            return
        pause = 0.0
        try:
            await self._stores.ask(lambda _: shared.watch.drain(), namespace=key[0])
        except BackendError:
            pause = REPAIR_PAUSE  # it repairs itself at the next try
        for event in shared.events:
            event.set()
        await asyncio.sleep(pause)
        if self._shared.get(key) is shared:
            self._listen(key)


class Subscription:
    """One client's share in a watch."""

    def __init__(self, watches: Watches, key: Key, event: asyncio.Event) -> None:
        self._watches, self._key, self._event = watches, key, event

    @property
    def ended(self) -> bool:
        """Whether there will be no more hints."""
        return self._watches.ended

    async def hint(self, seconds: float) -> bool:
        """Wait so long for a hint; whether one came."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), seconds)
        came = self._event.is_set()
        self._event.clear()
        return came

    async def leave(self) -> None:
        """Stop waiting."""
        await self._watches.leave(self._key, self._event)
