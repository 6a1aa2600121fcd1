"""Tables of text: aligned columns where nobody looks, Rich where somebody does. Cells arrive safe (`safe_text`)."""

import unicodedata
from collections.abc import Sequence
from typing import Any

import msgspec

MAX_CELL = 300
"""Characters of a cell that a terminal is given; a table that nobody looks at gets all of them."""

GAP = 3
"""Cells between two columns; without headers one less."""

LEAST = 16
"""Cells that free text gets on the narrowest terminal."""

STYLES = {
    "ready": "cyan", "running": "blue", "scheduled": "yellow", "succeeded": "green", "dead": "red", "cancelled": "dim",
    "lost": "red",
}  # fmt: skip


class Column(msgspec.Struct, frozen=True):
    """A column's header and look. `whole` cells are never cut; `right` ones are numbers."""

    header: str
    whole: bool = False
    right: bool = False


def aligned(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, headers: bool) -> list[str]:
    """The lines of a table with columns two spaces apart; nothing is cut."""
    lines = [[column.header for column in columns], *rows] if headers else list(rows)
    widths = [max((width(line[i]) for line in lines), default=0) for i in range(len(columns) - 1)]
    return [_line(columns, line, widths) for line in lines]


def _line(columns: Sequence[Column], cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        " " * (size - width(cell)) + cell if column.right else cell + " " * (size - width(cell))
        for column, cell, size in zip(columns, cells, widths, strict=False)
    ]
    return "  ".join([*padded, cells[-1]]).rstrip()


def width(text: str) -> int:
    """Terminal cells a text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def print_rich(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, headers: bool, color: bool) -> None:
    """Print a table for a person. On a narrow terminal free text is cut; what is still too wide runs over the edge."""
    from rich.console import Console
    from rich.segment import Segment, Segments

    console = Console(force_terminal=True, color_system="auto" if color else None, highlight=False, markup=False)
    sizes = fitted(columns, rows, console.width, headers=headers)
    gap = " " * (GAP if headers else GAP - 1)
    lines = [_styled(columns, row, sizes, gap) for row in rows]
    if headers:
        head = _styled(columns, [column.header for column in columns], sizes, gap, always="bold")
        lines[:0] = [head, [Segment("─" * (sum(sizes) + GAP * (len(sizes) - 1)))]]
    # Not Rich's own table, which takes most of a second for a thousand rows: the widths are known here already.
    console.print(Segments([segment for line in lines for segment in (*line, Segment.line())]), end="", soft_wrap=True)


def _styled(
    columns: Sequence[Column], cells: Sequence[str], sizes: Sequence[int], gap: str, *, always: str = ""
) -> list[Any]:
    """A line of a table in pieces, each with its look."""
    from rich.segment import Segment
    from rich.style import Style

    pieces: list[tuple[str, str]] = []
    for column, cell, size in zip(columns, cells, sizes, strict=True):
        text = _cut(cell, size)
        room = " " * (size - width(text))
        before, after = (room, "") if column.right else ("", room)
        pieces += [(gap + before if pieces else before, ""), (text, always or STYLES.get(cell, "")), (after, "")]
    return [Segment(text, Style.parse(style) if style else None) for text, style in pieces if text]


def _cut(cell: str, size: int) -> str:
    """A cell that is no wider than its column."""
    if width(cell) <= size:
        return cell
    cell = cell[:size]
    while width(cell) >= size:
        cell = cell[:-1]
    return cell + "…"


def fitted(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int, *, headers: bool) -> list[int]:
    """Widths of the columns: as wide as their cells, but free text shares what room the others leave, 16 cells at least."""
    heads = [width(column.header) if headers else 1 for column in columns]
    sizes = [max([head, *(min(width(row[i]), MAX_CELL) for row in rows)]) for i, head in enumerate(heads)]
    flexible = [i for i, column in enumerate(columns) if not column.whole and sizes[i] > LEAST]
    fixed = sum(size for i, size in enumerate(sizes) if i not in flexible) + GAP * (len(columns) - 1)
    # The narrowest first: what it does not need goes to the others.
    for count, i in enumerate(sorted(flexible, key=lambda i: sizes[i])):
        share = max(LEAST, (room - fixed) // (len(flexible) - count))
        sizes[i] = min(sizes[i], share)
        fixed += sizes[i]
    return sizes
