"""What `jq work` says while it works: messages on stderr, and on a terminal one line below them that counts along."""

import time
from typing import TextIO

from jq_cli.durations import format_duration
from jq_cli.view.safe_text import safe_text
from jq_cli.worker.options import Tally

_CLEAR = "\r\x1b[K"


class ProgressLine:
    """Messages above, a tally below; the latter only on a terminal. With `shown` False only the end is told, if there."""

    def __init__(self, stream: TextIO, *, shown: bool) -> None:
        self._stream = stream
        self._shown = shown
        self._line = shown and stream.isatty()
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        """A message on a line of its own."""
        self._write(f"{_CLEAR if self._line else ''}jq: {safe_text(text)}\n")

    def show(self, tally: Tally) -> None:
        """The tally, in place."""
        if self._line:
            self._write(f"{_CLEAR}jq: {self._told(tally)}")

    def end(self, tally: Tally) -> None:
        """The final tally."""
        if self._shown:
            self._write(f"{_CLEAR if self._line else ''}jq: {self._told(tally)}\n")

    def _told(self, tally: Tally) -> str:
        seconds = time.monotonic() - self._began
        parts = [f"{tally.succeeded:,} succeeded", f"{tally.failed:,} failed", f"{tally.dead:,} dead"]
        parts += [f"{tally.lost:,} lost"] if tally.lost else []
        parts += [f"{tally.interrupted:,} interrupted"] if tally.interrupted else []
        parts += [f"{tally.late:,} reported too late"] if tally.late else []
        rate = (tally.succeeded + tally.failed + tally.lost) / max(seconds, 0.001)
        return f"{', '.join(parts)} in {format_duration(seconds * 1_000)} ({rate:,.0f}/s)"

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._line = self._shown = False  # nobody reads it any more; the work goes on
