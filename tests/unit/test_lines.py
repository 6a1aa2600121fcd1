"""Reading lines in batches: whatever the blocks are, the lines are the same."""

import os
import threading
from pathlib import Path

import pytest

from jq_cli.intake import lines
from jq_cli.intake.lines import TooLong, read_lines


def read(tmp_path: Path, data: bytes, longest: int = 1_000) -> list[bytes | TooLong]:
    path = tmp_path / "lines"
    path.write_bytes(data)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return [line for batch in read_lines(descriptor, longest) for line in batch]
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("block", [1, 2, 3, 7, 64, 1_000_000])
def test_lines_are_the_same_whatever_the_blocks_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(lines, "BLOCK", block)
    data = b"one\n\ntwo\r\n" + b"x" * 50 + b"\nlast"
    assert read(tmp_path, data) == [b"one", b"", b"two\r", b"x" * 50, b"last"]


@pytest.mark.parametrize("block", [1, 10, 64])
@pytest.mark.parametrize("end", [b"", b"\n", b"\nnext\n"])
def test_a_line_that_is_too_long_is_skipped_and_its_size_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, end: bytes
) -> None:
    monkeypatch.setattr(lines, "BLOCK", block)
    found = read(tmp_path, b"a\n" + b"x" * 100 + end, longest=30)
    assert found == [b"a", TooLong(100), *([b"next"] if b"next" in end else [])]


def test_a_line_of_exactly_the_limit_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BLOCK", 10)
    assert read(tmp_path, b"x" * 30 + b"\n" + b"y" * 31 + b"\n", longest=30) == [b"x" * 30, TooLong(31)]


def test_nothing_holds_no_line(tmp_path: Path) -> None:
    assert read(tmp_path, b"") == []


def test_what_a_slow_writer_sent_comes_at_once() -> None:
    ours, theirs = os.pipe()
    os.write(theirs, b"first\npart")
    batches = read_lines(ours, 100)
    assert next(batches) == [b"first"]
    threading.Thread(target=lambda: (os.write(theirs, b" two\n"), os.close(theirs))).start()
    assert next(batches) == [b"part two"]
    assert list(batches) == []
    os.close(ours)
