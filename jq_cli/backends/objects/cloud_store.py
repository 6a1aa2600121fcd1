"""Objects in S3, Google Cloud Storage or Azure, through obstore."""

import random
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, TypeVar

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    GenericError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)  # fmt: skip

from jq_cli.backends.objects.requests import COALESCE, Requests, requests_for
from jq_cli.backends.objects.store import FOLDERS, Listed, Span
from jq_cli.errors import BackendError, BackendUnreachable, NotAuthorised

T = TypeVar("T")
R = TypeVar("R")

PARALLEL = 16
"""Requests that one process has under way at most."""

PAGE = 1_000
PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds of the first and the longest pause before a request is sent again."""

_ABSENT = (NotFoundError, FileNotFoundError)
"""There is no such object, or no such bucket."""

_HOPELESS = ("status code: 400", "status code: 404", "status code: 405", "status code: 411", "status code: 501")
"""What no repetition changes."""

_REFUSED = ("status code: 401", "status code: 403")
"""How obstore tells of a listing that is not allowed."""


class _Conflict(Exception):
    """Another request was under way for the same object."""


class CloudStore:
    """A namespace of a bucket. `store` is obstore's, `prefix` ends with a slash, `timeout` in seconds for each request with its
    repetitions."""

    far = True

    def __init__(self, store: Any, url: str, prefix: str, timeout: float) -> None:
        self.url = url
        self._store, self._prefix, self._timeout = store, prefix, timeout
        self._threads: ThreadPoolExecutor | None = None
        self._requests = Requests()

    @property
    def requests(self) -> dict[str, int]:
        return self._requests.counted

    def create(self, name: str, data: bytes) -> bool:
        def put() -> bool:
            try:
                obstore.put(self._store, self._prefix + name, data, mode="create", use_multipart=False)
            except (AlreadyExistsError, PreconditionError) as error:
                self._demand_object(name, error)
                return False
            return True

        return self._asked("put", put)

    def get(self, name: str) -> bytes | None:
        def get() -> bytes | None:
            try:
                return bytes(obstore.get(self._store, self._prefix + name).bytes())
            except _ABSENT:
                return None

        return self._asked("get", get)

    def spans(self, name: str, spans: Sequence[Span]) -> list[bytes] | None:
        wanted = [span for span in spans if span[1]]

        def get() -> list[bytes] | None:
            starts, lengths = [start for start, _ in wanted], [length for _, length in wanted]
            try:
                found = obstore.get_ranges(
                    self._store, self._prefix + name, starts=starts, lengths=lengths, coalesce=COALESCE
                )
            except _ABSENT:
                return None
            parts = iter(found)
            return [bytes(next(parts)) if length else b"" for _, length in spans]

        return self._asked("get", get, requests_for(wanted)) if wanted else [b""] * len(spans)

    def listing(self, folder: str, after: str = "", limit: int = 1_000_000) -> list[Listed]:
        def pages() -> list[Listed]:
            found: list[Listed] = []
            start = self._prefix + after if after else None
            for page in obstore.list(self._store, self._prefix + folder, offset=start, chunk_size=PAGE):
                self._requests.add("list", 1 if found else 0)
                found += [
                    Listed(each["path"].removeprefix(self._prefix), each["last_modified"].timestamp()) for each in page
                ]
                if len(found) >= limit:
                    break
            return found[:limit]

        return self._asked("list", pages)

    def delete(self, names: Sequence[str]) -> None:
        for start in range(0, len(names), PAGE):
            self._delete([self._prefix + name for name in names[start : start + PAGE]])

    def tidy(self, age: float) -> None:
        return None  # an interrupted request leaves nothing

    def turn(self) -> AbstractContextManager[None]:
        return nullcontext()

    def ring(self, topics: set[str]) -> None:
        return None

    def watch(self, topics: Sequence[str]) -> None:
        return None

    def each(self, work: Callable[[T], R], items: Iterable[T]) -> list[R]:
        some = list(items)
        if len(some) < 2:
            return [work(item) for item in some]
        if self._threads is None:
            self._threads = ThreadPoolExecutor(PARALLEL)
        return list(self._threads.map(work, some))

    def erase(self) -> None:
        for folder in (*FOLDERS, "want"):
            self.delete([each.name for each in self.listing(folder)])

    def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None

    def _delete(self, paths: list[str]) -> None:
        def remove() -> None:
            with suppress(*_ABSENT):
                obstore.delete(self._store, paths)

        self._asked("delete", remove)

    def _demand_object(self, name: str, error: BaseError) -> None:
        """A conflict (409) is told as if the object were there; it may not be, and then the request is sent again."""
        self._requests.add("get")
        try:
            obstore.head(self._store, self._prefix + name)
        except _ABSENT:
            raise _Conflict from error

    def _asked(self, kind: str, request: Callable[[], R], number: int = 1) -> R:
        """The answer to a request (`number` of a `kind` at once), sent again while the store is busy (503), in conflict
        (409) or silent. What it does may have been done by an earlier sending."""
        deadline, pause = time.monotonic() + self._timeout, PAUSE
        while True:
            self._requests.add(kind, number)
            try:
                return request()
            except GenericError as error:
                if any(word in str(error) for word in _REFUSED):
                    raise NotAuthorised(self._problem(error)) from error
                if any(word in str(error) for word in _HOPELESS):
                    raise BackendError(self._problem(error)) from error
                if time.monotonic() + pause >= deadline:
                    raise BackendUnreachable(self._problem(error)) from error
            except (_Conflict, AlreadyExistsError, PreconditionError) as error:
                if time.monotonic() + pause >= deadline:
                    raise BackendUnreachable(f"{self.url}: another request is in the way of each of ours") from error
            except (PermissionDeniedError, UnauthenticatedError) as error:
                raise NotAuthorised(self._problem(error)) from error
            except NotSupportedError as error:
                raise BackendError(f"{self.url}: the store has no conditional writes: {_gist(error)}") from error
            except (BaseError, FileNotFoundError) as error:
                raise BackendError(self._problem(error)) from error
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE)

    def _problem(self, error: Exception) -> str:
        return f"{self.url}: {_gist(error)}"


def _gist(error: Exception) -> str:
    """The first lines of an error; the rest is about the library's insides."""
    text = str(error).partition("\n\nDebug source")[0]
    return " ".join(text.split())[:300]
