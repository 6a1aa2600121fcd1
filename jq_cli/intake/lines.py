"""Reads lines from a file or a pipe in batches, in constant memory: a batch is what one read brought."""

import os
from collections.abc import Iterator

import msgspec

BLOCK = 256 * 1024
"""Bytes of one read."""


class TooLong(msgspec.Struct, frozen=True):
    """Stands for a line longer than allowed, which was skipped."""

    size: int


def read_lines(descriptor: int, longest: int) -> Iterator[list[bytes | TooLong]]:
    """Batches of lines without their ends. What a slow writer sent so far comes at once, a fast one's in large batches.

    A line of more than `longest` bytes is skipped, unless it came whole in one block: this bounds memory, not lines.
    """
    rest, dropped = b"", 0
    while block := os.read(descriptor, BLOCK):
        head, *others = block.split(b"\n")
        rest, dropped = (b"", dropped + len(head)) if dropped else (rest + head, 0)
        if others:
            first = _line(rest, dropped, longest)
            rest, dropped = others.pop(), 0
            yield [first, *others]
        if len(rest) > longest:
            rest, dropped = b"", len(rest)
    if rest or dropped:
        yield [_line(rest, dropped, longest)]


def _line(text: bytes, dropped: int, longest: int) -> bytes | TooLong:
    size = dropped or len(text)
    return TooLong(size) if size > longest else text
