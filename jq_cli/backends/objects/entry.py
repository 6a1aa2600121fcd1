"""The form of a commit and of a snapshot in the store. Pure.

A commit is one object, made to be read by people too: first the bytes that its rows refer to, each on a line of its own, then
one line of JSON that says what it sets. A snapshot is a commit that sets everything.
"""

import zlib

import msgspec

from jq_cli.backends.base import Controls
from jq_cli.backends.objects.row import Key, Row
from jq_cli.errors import BackendError

FORMAT = 1
"""Version of what this code writes. A log with a newer one in it is left to newer versions."""


class Entry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One commit. `n`: its number. `nonce`: random, by which its maker knows it again. `prev`: the nonce of the commit before.
    `at`: its maker's time in ms, `by`: who that was, for people. `ended`: places in the line of writers that end with it, `first`
    (of a snapshot): all below it have. The rest is what it sets; None removes."""

    n: int
    nonce: str
    at: int
    prev: str = ""
    by: str = ""
    format: int = 1
    first: int = 0
    ended: list[int] = []
    rows: list[tuple[str, str, Row | None]] = []
    keys: list[tuple[str, str, Key | None]] = []
    totals: list[tuple[str, str, int]] = []
    controls: list[tuple[str, Controls]] = []
    notes: list[tuple[str, bytes | None]] = []


class _Format(msgspec.Struct):
    format: int = 1


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Entry)


def encode(entry: Entry, blobs: bytes = b"") -> bytes:
    """The bytes of a commit."""
    return blobs + _encoder.encode(entry) + b"\n"


def decode(name: str, data: bytes) -> Entry:
    """The commit in an object. Raises BackendError when there is none, or one of a newer version."""
    line = data[data.rfind(b"\n", 0, -1) + 1 :]
    try:
        entry = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BackendError(_problem(name, line, str(error))) from error
    if entry.format > FORMAT:
        raise BackendError(_problem(name, line, ""))
    return entry


def _problem(name: str, line: bytes, problem: str) -> str:
    try:
        if msgspec.json.decode(line, type=_Format).format > FORMAT:
            return f"{name} was written by a newer version of jq: upgrade this one"
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    return f"{name} is damaged: {problem}"


def packed(data: bytes) -> bytes:
    """A snapshot for a store far away."""
    return zlib.compress(data, 1)


def unpacked(data: bytes) -> bytes:
    """A snapshot as it was before it was packed, if it was. Raises BackendError when it cannot be."""
    if data[:1] == b"{":
        return data
    try:
        return zlib.decompress(data)
    except zlib.error as error:
        raise BackendError(f"a snapshot is damaged: {error}") from error


def commit_name(number: int) -> str:
    """The object of a commit."""
    return f"log/{number:016d}"


def snapshot_name(number: int) -> str:
    """The object of the snapshot that holds everything up to this commit."""
    return f"snap/{number:016d}"


def number_of(name: str) -> int:
    """The number in a name; -1 for a stranger's file."""
    digits = name.rpartition("/")[2]
    return int(digits) if len(digits) == 16 and digits.isdigit() else -1
