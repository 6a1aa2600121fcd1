"""Signals as events of a select loop: handlers only note the signal, a pipe wakes the loop, the loop acts."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType
from typing import Any, Self


class Signals:
    """Notes signals while it is open, as a context manager; afterwards the former handlers are back."""

    def __init__(self, numbers: Iterable[signal.Signals]) -> None:
        self._numbers = list(numbers)
        self._noted: list[signal.Signals] = []
        self._former: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe()
        for fd in (self._read, self._write):
            os.set_blocking(fd, False)
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in self._numbers:
            self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._read)
        os.close(self._write)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._noted.append(signal.Signals(number))

    def fileno(self) -> int:
        """Readable when a signal came."""
        return self._read

    def take(self) -> list[signal.Signals]:
        """The signals that came since the last call, in order."""
        with suppress(BlockingIOError):
            os.read(self._read, 4096)
        count = len(self._noted)
        taken = self._noted[:count]
        del self._noted[:count]
        return taken
