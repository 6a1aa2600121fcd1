"""A progress bar on stderr for a run over many things; nothing where no person looks."""

import os
import sys
import time
from types import TracebackType
from typing import Any, Self

REDRAW = 0.1
"""Seconds between two drawings at least."""

PATIENCE = 0.5
"""Seconds before the first drawing: what is over sooner needs no bar."""


class Bar:
    """Shows how far a run came. Use as a context manager; draws only on a terminal."""

    def __init__(self, *, color: bool = True) -> None:
        self._color = color
        self._shown = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._rich: Any = None
        self._task: Any = None
        self._next = time.monotonic() + PATIENCE

    def __enter__(self) -> Self:
        return self

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        console = Console(stderr=True, no_color=not self._color, highlight=False)
        count = TextColumn("{task.fields[count]}", markup=False)
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), count)
        self._rich = Progress(
            *columns,
            TimeRemainingColumn(),
            console=console,
            auto_refresh=False,
            transient=True,
            # Data goes where it was sent; only on a terminal it must make room for the bar.
            redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
        )
        self._rich.start()
        self._task = self._rich.add_task("", total=None, count="")

    def step(self, phase: str, count: int | None, done: float | None, total: float | None) -> None:
        """Draw the phase's name, how many jobs are done (None: not worth saying), and how much of the total (None: unknown)."""
        if not self._shown or time.monotonic() < self._next:
            return
        if self._rich is None:
            self._start()
        self._next = time.monotonic() + REDRAW
        told = "" if count is None else f"jobs: {count:,}"
        self._rich.update(self._task, description=phase, completed=done or 0, total=total, count=told)
        self._rich.refresh()

    def pause(self) -> None:
        """Take the bar away until the next step, which makes it wait again: what was counted before is told now."""
        if self._rich is not None:
            self._rich.stop()
            self._rich = None
        self._next = time.monotonic() + PATIENCE

    def stop(self) -> None:
        """Take the bar away for good."""
        self._shown = False
        self.pause()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
