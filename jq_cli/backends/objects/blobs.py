"""Bodies, payloads and outputs: bytes that rows refer to. Small ones lie in the commit that brought them, large ones in data
objects of their own, so that who only counts jobs does not read them."""

from collections import OrderedDict, defaultdict
from collections.abc import Hashable, Iterable, Sequence

from jq_cli.backends.objects.entry import commit_name
from jq_cli.backends.objects.row import EMPTY, Ref, Row, Where, job_of
from jq_cli.backends.objects.store import Store
from jq_cli.ids import nonce
from jq_cli.job import Job

INLINE = 64 * 1024
"""Bytes that a commit carries; what is beyond them goes into data objects."""

DATA = 8 * 1024 * 1024
"""Bytes of a data object, unless a single blob is larger."""

CACHE = 32 * 1024 * 1024
"""Bytes of commits and blobs that a process keeps at hand."""


class Missing(Exception):
    """Bytes that a row refers to are gone: the row as it was seen here is out of date."""


class Shelf:
    """The blobs of one call. It may take several tries to commit it; data objects are written once for all of them."""

    def __init__(self) -> None:
        self.inline = bytearray()
        self.data: dict[str, bytearray] = {}
        self.written: dict[str, bytes] = {}
        self.since = float("inf")
        self._number = 0
        self._refs: dict[bytes, Ref] = {}
        self._kept: dict[bytes, Ref] = {}

    def begin(self, number: int) -> None:
        """Start a try to make this commit."""
        self._number = number
        self.inline, self.data, self._refs = bytearray(), {}, dict(self._kept)

    def put(self, blob: bytes) -> Ref:
        """Where these bytes will lie."""
        ref = self._refs.get(blob)
        if ref is None:
            ref = self._refs[blob] = self._inlined(blob) if self._fits(blob) else self._aside(blob)
        return ref

    def body(self, blob: bytes) -> Ref | None:
        """Where a body will lie, None for the one that lies nowhere."""
        return None if blob == EMPTY else self.put(blob)

    def get(self, ref: Ref) -> bytes | None:
        """The bytes, if they are of this call."""
        where, start, length = ref
        data = self.inline if where == self._number else self.data.get(str(where)) or self.written.get(str(where))
        return None if data is None else bytes(data[start : start + length])

    def keep(self, now: float) -> None:
        """The data objects are being written, the first of them at `since`: further tries refer to them too."""
        self.since = min(self.since, now)
        self.written |= {name: bytes(data) for name, data in self.data.items()}
        self._kept |= {blob: ref for blob, ref in self._refs.items() if isinstance(ref[0], str)}
        self.data = {}

    def _fits(self, blob: bytes) -> bool:
        return len(self.inline) + len(blob) < INLINE

    def _inlined(self, blob: bytes) -> Ref:
        start = len(self.inline)
        self.inline += blob + b"\n"
        return (self._number, start, len(blob))

    def _aside(self, blob: bytes) -> Ref:
        name, data = next(reversed(self.data.items()), ("", bytearray()))
        if not name or len(data) + len(blob) > DATA:
            name, data = f"data/{nonce()}{nonce()}", bytearray()
            self.data[name] = data
        start = len(data)
        data += blob + b"\n"
        return (name, start, len(blob))


class Cache:
    """Bytes read lately, the oldest of them forgotten first."""

    def __init__(self, most: int = CACHE) -> None:
        self._most, self._size = most, 0
        self._items: OrderedDict[Hashable, bytes] = OrderedDict()

    def get(self, key: Hashable) -> bytes | None:
        """The bytes, if they are at hand."""
        data = self._items.get(key)
        if data is not None:
            self._items.move_to_end(key)
        return data

    def put(self, key: Hashable, data: bytes) -> None:
        """Keep bytes at hand."""
        if key in self._items or len(data) > self._most // 4:
            return
        self._items[key] = data
        self._size += len(data)
        while self._size > self._most:
            self._size -= len(self._items.popitem(last=False)[1])


class Blobs:
    """Reads what rows refer to, a few objects at a time."""

    def __init__(self, store: Store) -> None:
        self.cache = Cache()
        self._store = store

    def jobs(self, rows: Sequence[tuple[str, Row]], now: int, shelf: Shelf | None = None) -> list[Job]:
        """The whole jobs of rows, each given with its queue; the rows of a step may lie on its shelf. Raises Missing."""
        refs = {ref for _, row in rows for ref in (row.body, row.payload) if ref is not None}
        found = {ref: blob for ref in refs if shelf is not None and (blob := shelf.get(ref)) is not None}
        found |= self.read(refs - found.keys())
        return [
            job_of(queue, row, EMPTY if row.body is None else found[row.body], found[row.payload], now)
            for queue, row in rows
        ]

    def read(self, refs: Iterable[Ref]) -> dict[Ref, bytes]:
        """The bytes of each. Raises Missing."""
        wanted: dict[Where, list[Ref]] = defaultdict(list)
        found: dict[Ref, bytes] = {}
        for ref in set(refs):
            if (data := self._at_hand(ref)) is None:
                wanted[ref[0]].append(ref)
            else:
                found[ref] = data
        for item, parts in zip(wanted.items(), self._store.each(self._fetch, wanted.items()), strict=True):
            found.update(self._taken(*item, parts))
        return found

    def _at_hand(self, ref: Ref) -> bytes | None:
        where, start, length = ref
        if isinstance(where, str):
            return self.cache.get(ref)
        whole = self.cache.get(where)
        return None if whole is None else whole[start : start + length]

    def _fetch(self, item: tuple[Where, list[Ref]]) -> list[bytes]:
        where, refs = item
        if isinstance(where, str):
            parts = self._store.spans(where, [(start, length) for _, start, length in refs])
        else:
            # A commit is small, and who needs one of its jobs often needs the others next.
            whole = self._store.get(commit_name(where))
            parts = None if whole is None else [whole]
        if parts is None:
            raise Missing(str(where))
        return parts

    def _taken(self, where: Where, refs: list[Ref], parts: list[bytes]) -> dict[Ref, bytes]:
        if isinstance(where, str):
            for ref, part in zip(refs, parts, strict=True):
                self.cache.put(ref, part)
            return dict(zip(refs, parts, strict=True))
        self.cache.put(where, parts[0])
        return {ref: parts[0][ref[1] : ref[1] + ref[2]] for ref in refs}
