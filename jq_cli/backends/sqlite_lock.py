"""Whose turn it is to write. SQLite's own busy handler sleeps ever longer while whoever just wrote begins again at once, so
one busy writer starves the others; here they go one after another.

Two file locks make the turn: a process takes the *gate*, waits there for the *turn*, and opens the gate when it has it. Who
just had the turn must pass the gate first, so it cannot overtake the one that waits. Both are asked for, never waited for in
the kernel, because such a wait knows no deadline. (Measured with four processes that write without a pause: each gets the
same number of turns to within 1 %, and the longest wait is 10 ms; with SQLite's handler alone one got 90 times the turns
of another, and waited 2 s.)
"""

import os
import time
from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, flock

from jq_cli.errors import BackendError, BackendUnreachable, NotAuthorised

GATE_SLEEP = 0.0005
TURN_SLEEP = 0.00005
"""Seconds between two looks at a lock held by another; each is lengthened by up to as much again at random. Only one process
looks at the turn, so it may look often."""


class Turnstile:
    """The right to write to a database, one process (and one connection of it) at a time. `timeout` in seconds."""

    def __init__(self, path: str, timeout: float) -> None:
        self._path = path
        self._mode = os.stat(path).st_mode & 0o666
        self._timeout = timeout
        self._fds: tuple[int, int] | None = None

    def enter(self) -> float:
        """Wait for the turn; gives the seconds left of the timeout. Raises BackendUnreachable when it does not come in time."""
        gate, turn = self._fds or self._open()
        deadline = time.monotonic() + self._timeout
        self._take(gate, deadline, GATE_SLEEP)
        try:
            self._take(turn, deadline, TURN_SLEEP)
        finally:
            flock(gate, LOCK_UN)
        return deadline - time.monotonic()

    def leave(self) -> None:
        """Pass the turn on."""
        if self._fds is not None:
            flock(self._fds[1], LOCK_UN)

    def close(self) -> None:
        """Give back the files. In a child after a fork this takes nothing from the parent but its hold on the child's life:
        a lock ends when all who share its file are gone."""
        fds, self._fds = self._fds, None
        for fd in fds or ():
            os.close(fd)

    def _open(self) -> tuple[int, int]:
        self._fds = (self._open_one(".gate"), self._open_one(".turn"))
        return self._fds

    def _open_one(self, ending: str) -> int:
        try:
            return os.open(self._path + ending, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, self._mode)
        except OSError as error:
            kind = NotAuthorised if isinstance(error, PermissionError) else BackendError
            raise kind(f"sqlite://{self._path}{ending}: {error.strerror}") from error

    def _take(self, fd: int, deadline: float, sleep: float) -> None:
        while True:
            try:
                return flock(fd, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise BackendUnreachable(f"sqlite://{self._path}: busy: another process is writing") from None
            time.sleep(sleep * (1 + os.urandom(1)[0] / 256))
