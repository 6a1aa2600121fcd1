"""A store of objects in a dictionary, with a clock of its own: to be copied, cut, counted and aged in tests."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from jq_cli.backends.objects.store import Listed, Span

Happening = Callable[[str, str, str], None]


def nothing(request: str, name: str, phase: str) -> None:
    """Happens around a request that is left alone."""


class DictStore:
    """Objects, shared by all stores that are made from one another with `beside`. `happening(request, name, phase)` is called
    "before" and "after" each request; what it raises comes out of the request."""

    url = "dict://"
    far = True

    def __init__(self, happening: Happening = nothing) -> None:
        self.objects: dict[str, bytes] = {}
        self.modified: dict[str, float] = {}
        self.time = [1_000_000.0]
        self.happening = happening

    def beside(self, happening: Happening = nothing) -> "DictStore":
        """Another client of the same objects."""
        other = DictStore(happening)
        other.objects, other.modified, other.time = self.objects, self.modified, self.time
        return other

    def copy(self) -> "DictStore":
        """The same objects in a store of their own."""
        other = DictStore()
        other.objects, other.modified, other.time = dict(self.objects), dict(self.modified), list(self.time)
        return other

    def pass_time(self, seconds: float) -> None:
        """Let the objects grow older."""
        self.time[0] += seconds

    @property
    def requests(self) -> dict[str, int]:
        return {}

    def create(self, name: str, data: bytes) -> bool:
        def put() -> bool:
            if name in self.objects:
                return False
            self.objects[name], self.modified[name] = data, self.time[0]
            return True

        return bool(self._do("create", name, put))

    def get(self, name: str) -> bytes | None:
        found: bytes | None = self._do("get", name, lambda: self.objects.get(name))
        return found

    def spans(self, name: str, spans: Sequence[Span]) -> list[bytes] | None:
        def cut() -> list[bytes] | None:
            data = self.objects.get(name)
            return None if data is None else [data[start : start + length] for start, length in spans]

        parts: list[bytes] | None = self._do("spans", name, cut)
        return parts

    def listing(self, folder: str, after: str = "", limit: int = 1_000_000) -> list[Listed]:
        def names() -> list[Listed]:
            chosen = sorted(name for name in self.objects if name.startswith(folder + "/") and name > after)
            return [Listed(name, self.modified[name]) for name in chosen[:limit]]

        listed: list[Listed] = self._do("listing", folder, names)
        return listed

    def delete(self, names: Sequence[str]) -> None:
        for name in names:  # one by one, so that a sweep can be cut in its middle
            self._do("delete", name, lambda name=name: self.objects.pop(name, None))

    def tidy(self, age: float) -> None:
        return None

    def turn(self) -> AbstractContextManager[None]:
        return nullcontext()

    def ring(self, topics: set[str]) -> None:
        return None

    def watch(self, topics: Sequence[str]) -> None:
        return None

    def each(self, work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        return [work(item) for item in items]

    def erase(self) -> None:
        self.objects.clear()

    def close(self) -> None:
        return None

    def _do(self, request: str, name: str, work: Callable[[], Any]) -> Any:
        self.happening(request, name, "before")
        answer = work()
        self.happening(request, name, "after")
        return answer
