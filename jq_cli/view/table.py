"""Tables of text: aligned columns where nobody looks, Rich where somebody does. Cells arrive safe (`safe_text`)."""

import unicodedata
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

MAX_CELL = 300
"""Characters of a cell that a terminal is given; a table that nobody looks at gets all of them."""

GAP = 3
"""Cells that Rich puts between two columns."""

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
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console(force_terminal=True, color_system="auto" if color else None, highlight=False, markup=False)
    table = Table(box=SIMPLE_HEAD if headers else None, show_header=headers, pad_edge=False, show_edge=False)
    sizes = fitted(columns, rows, console.width, headers=headers)
    for column, size in zip(columns, sizes, strict=True):
        side: Literal["left", "right"] = "right" if column.right else "left"
        table.add_column(column.header, no_wrap=True, overflow="ellipsis", justify=side, width=size)
    for row in rows:
        table.add_row(*[_text(cell) for cell in row])
    console.width = max(console.width, sum(sizes) + GAP * len(sizes))
    console.print(table, crop=False, soft_wrap=True)


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


def _text(cell: str) -> Any:
    from rich.text import Text

    shown = cell if len(cell) <= MAX_CELL else cell[:MAX_CELL] + "…"
    return Text(shown, style=STYLES.get(cell, ""))
