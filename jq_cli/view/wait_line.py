"""What a command shows while it waits for jobs: one line on a terminal, in place; nothing where no person looks."""

import os
import time
from collections import Counter
from contextlib import suppress
from typing import TextIO

from jq_cli.client import Client
from jq_cli.durations import format_duration
from jq_cli.errors import BackendError
from jq_cli.view.output import is_terminal
from jq_cli.view.safe_text import safe_text
from jq_cli.waiting import Waiter

_CLEAR = "\r\x1b[K"


class WaitLine:
    """The line. `looked` is for `Waiter`; `clear` makes room for something else."""

    def __init__(self, stream: TextIO | None, client: Client) -> None:
        self._stream = stream
        self._client = client
        self._began = time.monotonic()
        self.shown = is_terminal(stream) and os.environ.get("TERM") != "dumb"

    def looked(self, waiter: Waiter) -> None:
        """Show what is waited for."""
        if self.shown and waiter.left:
            passed = format_duration(int(time.monotonic() - self._began) * 1_000)
            self._write(f"{_CLEAR}jq: {self._told(waiter)} ({passed})")

    def clear(self) -> None:
        """Take the line away."""
        if self.shown:
            self._write(_CLEAR)

    def _told(self, waiter: Waiter) -> str:
        if waiter.total == 1:
            [(queue, ids)] = waiter.left.items()
            [(id, state)] = ids.items()
            return f"job {id} on {queue} is {state or 'not seen yet'}{self._progress(queue, id, state)}"
        states = Counter(state or "not seen yet" for each in waiter.left.values() for state in each.values())
        told = ", ".join(f"{count:,} {state}" for state, count in states.most_common())
        return f"{waiter.total - waiter.count:,} of {waiter.total:,} jobs have ended; {told}"

    def _progress(self, queue: str, id: str, state: str | None) -> str:
        if state != "running":
            return ""
        with suppress(BackendError):
            record = self._client.output(queue, id)
            if record is not None and record.progress is not None:
                return safe_text(f", {record.progress:g} % {record.message}").rstrip()
        return ""

    def _write(self, text: str) -> None:
        assert self._stream is not None
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self.shown = False  # nobody reads it any more; the waiting goes on
