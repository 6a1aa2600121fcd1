"""The result as Markdown and as JSON."""

import json
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.peers.row import Row


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}" if value >= 1 else f"{value:.3f}"


def _rounded(value: float) -> str:
    if value < 1_000:
        return _number(value)
    size = 10 ** (len(str(int(value))) - 3)
    return f"{round(value / size) * size:,.0f}"


def spread(values: Sequence[float]) -> str:
    """Median (least..greatest), of one value just the value."""
    median = _rounded(statistics.median(values))
    if len(values) == 1:
        return median
    return f"{median} ({_rounded(min(values))}..{_rounded(max(values))})"


def percentile(values: Sequence[float], percent: int) -> float:
    """The least value that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, -(-percent * len(ordered) // 100) - 1)]


def _percentiles(values: Sequence[float]) -> str:
    return f"{_number(percentile(values, 50))} / {_number(percentile(values, 99))}"


Column = tuple[str, str, Callable[[Sequence[float]], str]]
SPEED: tuple[Column, ...] = (
    ("drained, jobs/s", "drain", spread),
    ("enqueued one by one, jobs/s", "one", spread),
    ("enqueued in bulk, jobs/s", "bulk", spread),
    ("idle latency p50 / p99, ms", "latency", _percentiles),
)
COST: tuple[Column, ...] = (
    ("idle pool of 2, MiB", "memory", spread),
    ("bytes per queued job", "bytes", spread),
    ("cheapest look from the shell, ms", "look", spread),
    ("runs again after its process was killed, s", "process", spread),
    ("after its pool was killed, s", "pool", spread),
)


def markdown(rows: list[Row], facts: dict[str, str]) -> str:
    """Three tables: speed, cost, and what each is and promises; best drain first within each store."""
    ordered = sorted(rows, key=lambda row: -_median(row, "drain"))
    parts = [
        "\n".join(f"- {name}: {fact}" for name, fact in facts.items()),
        _table("Speed", SPEED, ordered),
        _table("Cost, and what a kill costs", COST, ordered),
        _promises(ordered),
    ]
    return "\n\n".join(parts) + "\n"


def as_json(rows: list[Row], facts: dict[str, str]) -> str:
    """Everything that was measured, every value of it."""
    told: list[dict[str, Any]] = [
        {
            "peer": row.peer.name,
            "store": row.peer.store,
            "versions": row.about.get("versions", {}),
            "settings": row.peer.how,
            "holds": row.peer.holds,
            "fenced": row.peer.fenced,
            "reason": row.reason,
            "notes": row.notes,
            "figures": row.figures,
        }
        for row in rows
    ]
    return json.dumps({"facts": facts, "rows": told}, indent=1) + "\n"


def _median(row: Row, figure: str) -> float:
    return statistics.median(row.figures.get(figure, [0]))


def _table(title: str, columns: Sequence[Column], rows: list[Row]) -> str:
    lines = [f"### {title}", ""]
    lines += _head(["queue", "store", *(title for title, _, _ in columns)])
    lines += [_line([_name(row), row.peer.store, *_cells(row, columns)]) for row in rows]
    return "\n".join(lines)


def _cells(row: Row, columns: Sequence[Column]) -> list[str]:
    if row.reason:
        return [f"not run: {row.reason}", *[""] * (len(columns) - 1)]
    return [_cell(row, figure, render) for _, figure, render in columns]


def _cell(row: Row, figure: str, render: Callable[[Sequence[float]], str]) -> str:
    values = row.figures.get(figure)
    text = render(values) if values else ""
    return "; ".join(filter(None, (text, row.notes.get(figure, "")))) or "–"


def _promises(rows: list[Row]) -> str:
    lines = ["### What was measured, and what each does about a job whose worker dies", ""]
    lines += _head(["queue", "store", "versions", "settings", "a worker holds a job by", "fenced"])
    for row in rows:
        versions = ", ".join(f"{name} {version}" for name, version in row.about.get("versions", {}).items())
        peer = row.peer
        lines.append(_line([_name(row), peer.store, versions or "–", peer.how, peer.holds, peer.fenced]))
    return "\n".join(lines)


def _name(row: Row) -> str:
    return f"**{row.peer.name}**" if row.peer.ours else row.peer.name


def _head(cells: list[str]) -> list[str]:
    return [_line(cells), _line(["---"] * len(cells))]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in cells) + " |"
