"""A store that the threads of a program share and its forked children may use: one call at a time, opened again after a fork."""

import os
from collections.abc import Callable, Sequence
from threading import RLock
from typing import Any
from weakref import WeakSet

from jq_cli.backends.base import Backend, Watch
from jq_cli.errors import UsageError


def _guarded(name: str) -> Any:
    def call(self: "SharedBackend", *args: Any, **options: Any) -> Any:
        with self.lock:
            return getattr(self.inner(), name)(*args, **options)

    call.__name__ = name
    call.__doc__ = f"See Backend.{name}."
    return call


class SharedBackend(Backend):
    """Wraps the store that `opener` opens, now and again in each process that is forked from this one and uses it.

    With `reopens` False (the memory store, a store that somebody else opened) a forked process is refused instead: what it
    wrote would be lost, or would garble the connection that it shares with its parent. Raises UsageError then, and when the
    store was closed.
    """

    insert = _guarded("insert")
    insert_within = _guarded("insert_within")
    claim = _guarded("claim")
    extend = _guarded("extend")
    replace = _guarded("replace")
    turn = _guarded("turn")
    due = _guarded("due")
    get = _guarded("get")
    find = _guarded("find")
    page = _guarded("page")
    outputs = _guarded("outputs")
    held = _guarded("held")
    queues = _guarded("queues")
    counts = _guarded("counts")
    control = _guarded("control")
    read = _guarded("read")
    swap = _guarded("swap")
    now = _guarded("now")
    hooked = _guarded("hooked")
    check = _guarded("check")
    erase = _guarded("erase")
    begin = Backend.begin  # all of it in one turn: no call of another thread may come between its halves

    def __init__(self, opener: Callable[[], Backend], *, reopens: bool = True) -> None:
        self.lock = RLock()
        self._opener = opener
        self._reopens = reopens
        self._inner: Backend | None = opener()
        self._closed = False
        self.url = self._inner.url
        _shared.add(self)

    def watch(self, topics: Sequence[str]) -> Watch | None:
        """See Backend.watch."""
        with self.lock:
            watch = self.inner().watch(topics)
        return None if watch is None else _SharedWatch(watch, self)

    def inner(self) -> Backend:
        """The store itself, open in this process. Hold `lock` while using it."""
        if self._closed:
            raise UsageError(f"{self.url}: closed; open it again")
        if self._inner is None:
            if not self._reopens:
                raise UsageError(f"{self.url}: opened before a fork; open a store of its own in the new process")
            self._inner = self._opener()
        return self._inner

    def close(self) -> None:
        """Close the store. Calling it again does nothing."""
        with self.lock:
            inner, self._inner, self._closed = self._inner, None, True
            if inner is not None:
                inner.close()

    def forked(self) -> None:
        """What a forked process does first: it leaves its parent's connection alone, and locks that other threads held."""
        self.lock = RLock()
        if self._inner is not None:
            _inherited.append(self._inner)
            self._inner = None


class _SharedWatch:
    """A watch of one thread. Some stores ring their watches during calls, so that one may not go away in the middle of one."""

    def __init__(self, watch: Watch, backend: SharedBackend) -> None:
        self._backend = backend
        self._watch = watch
        self.fileno = watch.fileno
        self.drain = watch.drain

    def close(self) -> None:
        with self._backend.lock:
            self._watch.close()


_shared: WeakSet[SharedBackend] = WeakSet()
_inherited: list[Backend] = []
"""Stores of a parent process. Kept, because letting go of them would close what the parent still uses."""


def _after_fork() -> None:
    for backend in list(_shared):
        backend.forked()


os.register_at_fork(after_in_child=_after_fork)
