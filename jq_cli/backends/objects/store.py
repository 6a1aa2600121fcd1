"""What the engine asks of a store of objects: so little that a folder can do it. Names are `log/...`, `snap/...`, `data/...`
and `check/...` within the namespace, and `want/...` where stores are far; what is written once is never changed."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

import msgspec

from jq_cli.backends.base import Watch

T = TypeVar("T")
R = TypeVar("R")

FOLDERS = ("log", "snap", "data", "check")
Span = tuple[int, int]
"""Bytes of an object: from where, how many."""


class Listed(msgspec.Struct, frozen=True):
    """An object in a listing. `modified`: seconds since the epoch by the store's clock."""

    name: str
    modified: float


class Store(Protocol):
    """Objects of one namespace. Every method raises BackendError and its kin, and BackendUnreachable when there is no answer."""

    url: str
    """The store for messages, without secrets."""

    far: bool
    """Whether every request costs time and money, so that large objects are worth packing."""

    @property
    def requests(self) -> dict[str, int]:
        """The requests sent so far, by kind; empty where they cost nothing."""

    def create(self, name: str, data: bytes) -> bool:
        """Write an object if there is none of that name, all of it or nothing; it is durable when this returns. False: there
        is one. After a lost answer the writer may find False though the object is its own."""

    def get(self, name: str) -> bytes | None:
        """The bytes of an object, None when there is none."""

    def spans(self, name: str, spans: Sequence[Span]) -> list[bytes] | None:
        """Parts of an object, None when there is none."""

    def listing(self, folder: str, after: str = "", limit: int = 1_000_000) -> list[Listed]:
        """Objects of a folder in the order of their names, from behind a name on, at most so many."""

    def delete(self, names: Sequence[str]) -> None:
        """Remove objects; those that are gone are no error."""

    def tidy(self, age: float) -> None:
        """Remove what an interrupted `create` left, once it is so many seconds old."""

    def turn(self) -> AbstractContextManager[None]:
        """The right to be the only writer for a while, where a store can give it cheaply. Nothing depends on it but how
        often writers meet."""

    def ring(self, topics: set[str]) -> None:
        """Hint at topics to whoever watches; never fails."""

    def watch(self, topics: Sequence[str]) -> Watch | None:
        """Hints at topics, or None where the store has none to give."""

    def each(self, work: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """The answers for some items, several at a time where that is faster."""

    def erase(self) -> None:
        """Remove all objects of the namespace; it cannot be used afterwards."""

    def close(self) -> None:
        """Give back connections and files."""
