"""Arrays as Postgres takes them in binary form, made at the speed of `bytes.join`: a batch is a handful of arrays, and the
general way, an adapter for each element, costs more than the statement does."""

from array import array
from collections.abc import Sequence
from struct import Struct
from sys import byteorder

from psycopg.adapt import AdaptersMap, Dumper
from psycopg.pq import Format

_BYTEA, _INT8, _TEXT = 17, 20, 25
_HEAD = Struct("!iiIii")
_LENGTH = Struct("!i").pack
_NULL = _LENGTH(-1)
_WORD = _LENGTH(8) + bytes(8)


class Blobs(bytes):
    """A `bytea[]`."""


class Texts(bytes):
    """A `text[]`."""


class Numbers(bytes):
    """A `bigint[]` without nulls."""


def blobs(values: Sequence[bytes | None]) -> Blobs:
    """The array of these."""
    return Blobs(_packed(_BYTEA, values))


def texts(values: Sequence[str | None]) -> Texts:
    """The array of these."""
    return Texts(_packed(_TEXT, [None if value is None else value.encode() for value in values]))


def numbers(values: Sequence[int]) -> Numbers:
    """The array of these."""
    words = array("q", values)
    if byteorder == "little":
        words.byteswap()
    raw, packed = words.tobytes(), bytearray(_WORD * len(words))
    for at in range(8):
        packed[4 + at :: 12] = raw[at::8]
    return Numbers(_head(_INT8, len(words)) + packed)


def some_blobs(values: Sequence[bytes | None]) -> Blobs | None:
    """The array of these; None, which the statements take for as many nulls, where there is none."""
    return None if values.count(None) == len(values) else blobs(values)


def some_texts(values: Sequence[str | None]) -> Texts | None:
    """As `some_blobs`."""
    return None if values.count(None) == len(values) else texts(values)


def teach(adapters: AdaptersMap) -> None:
    """Let a cursor take these arrays as parameters."""
    for kind, dumper in _DUMPERS.items():
        adapters.register_dumper(kind, dumper)


def _packed(element: int, values: Sequence[bytes | None]) -> bytes:
    parts = [_head(element, len(values))]
    for value in values:
        if value is None:
            parts.append(_NULL)
        else:
            parts += (_LENGTH(len(value)), value)
    return b"".join(parts)


def _head(element: int, count: int) -> bytes:
    # Dimensions, whether there may be nulls, the element's type; then of the one dimension its length and first subscript.
    return _HEAD.pack(1, 1, element, count, 1)


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: bytes) -> bytes:
        return obj


class _BlobsDumper(_ArrayDumper):
    oid = 1001


class _TextsDumper(_ArrayDumper):
    oid = 1009


class _NumbersDumper(_ArrayDumper):
    oid = 1016


_DUMPERS: dict[type, type[Dumper]] = {Blobs: _BlobsDumper, Texts: _TextsDumper, Numbers: _NumbersDumper}
