"""Reads lines from a file or a pipe in batches, in constant memory: a batch is what one read brought."""

import os
from collections.abc import Iterator

import msgspec

BLOCK = 256 * 1024


class TooLong(msgspec.Struct, frozen=True):
    """Stands for a line longer than allowed, which was skipped."""

    size: int


def read_lines(descriptor: int, longest: int) -> Iterator[list[bytes | TooLong]]:
    """Batches of lines without their ends. What a slow writer sent so far comes at once, a fast one's in large batches."""
    rest, dropped = b"", 0
    while block := os.read(descriptor, BLOCK):
        lines: list[bytes | TooLong] = []
        head, *others = block.split(b"\n")
        if dropped:
            dropped += len(head)
        else:
            rest += head
        if others:
            lines.append(TooLong(dropped) if dropped else rest)
            lines += others[:-1]
            rest, dropped = others[-1], 0
        if len(rest) > longest:
            rest, dropped = b"", len(rest)
        if lines:
            yield lines
    if rest or dropped:
        yield [TooLong(dropped) if dropped else rest]
