"""A small plot as SVG: panels beside each other, each with lines over a logarithmic axis. No library is needed for that."""

from collections.abc import Mapping, Sequence
from html import escape
from math import log10
from typing import NamedTuple

WIDTH, HEIGHT = 250, 210
LEFT, TOP, RIGHT, BOTTOM = 44, 30, 12, 34
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
"""Told apart by colour-blind people too."""


class Panel(NamedTuple):
    """A title and lines: names, and for each the y of every x."""

    title: str
    lines: Mapping[str, Sequence[float]]


def plot(xs: Sequence[int], panels: Sequence[Panel], *, most: float, goal: float, y_name: str) -> str:
    """The picture. `most` is the top of the y axis, above which lines are cut; `goal` is drawn as a dashed line."""
    width, height = WIDTH * len(panels), HEIGHT + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="10" fill="#333">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for n, panel in enumerate(panels):
        parts.append(f'<g transform="translate({n * WIDTH} 0)">')
        parts += _axes(xs, panel.title, most, goal, y_name if n == 0 else "")
        for colour, values in zip(COLOURS, panel.lines.values(), strict=False):
            points = " ".join(f"{_x(x, xs):.1f},{_y(y, most):.1f}" for x, y in zip(xs, values, strict=True))
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
        parts.append("</g>")
    return "\n".join([*parts, *_legend(panels), "</svg>", ""])


def _axes(xs: Sequence[int], title: str, most: float, goal: float, y_name: str) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = [f'<text x="{LEFT}" y="{TOP - 12}" font-size="12" font-weight="bold">{escape(title)}</text>']
    for step in range(5):
        value = most * step / 4
        y = _y(value, most)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{right}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{y + 3:.1f}" text-anchor="end">{value:g}</text>')
    parts.append(f'<path d="M{LEFT} {_y(goal, most):.1f}H{right}" stroke="#999" stroke-dasharray="4 3"/>')
    for x in xs:
        parts.append(f'<text x="{_x(x, xs):.1f}" y="{bottom + 14}" text-anchor="middle">{x:,}</text>')
    if y_name:
        middle = (TOP + bottom) / 2
        parts.append(
            f'<text transform="translate(12 {middle}) rotate(-90)" text-anchor="middle">{escape(y_name)}</text>'
        )
    return parts


def _legend(panels: Sequence[Panel]) -> list[str]:
    parts: list[str] = []
    for n, (colour, name) in enumerate(zip(COLOURS, panels[0].lines, strict=False)):
        x, y = LEFT + n * 150, HEIGHT + 10
        parts.append(f'<path d="M{x} {y}h18" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<text x="{x + 23}" y="{y + 3}">{escape(name)}</text>')
    return parts


def _x(x: float, xs: Sequence[int]) -> float:
    span = log10(xs[-1]) - log10(xs[0]) or 1.0
    return LEFT + 14 + (WIDTH - LEFT - RIGHT - 28) * (log10(x) - log10(xs[0])) / span


def _y(y: float, most: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * min(y, most) / most
