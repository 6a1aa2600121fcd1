"""Whose turn it is to commit to a folder. Commits are safe without it; with it nobody prepares one in vain, and nobody starves.

Who wants to write takes the *gate*, waits there for the *turn*, and opens the gate when it has it: who just had the turn must
pass the gate first and cannot overtake the one that waits. Both are file locks that the system drops when their holder dies,
asked for again and again because a wait in the kernel knows no deadline.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, flock

from jq_cli.errors import BackendUnreachable

LOOK_EVERY = {"gate": 0.0005, "turn": 0.00005}
"""Seconds between two looks. Only one process looks at the turn, so it may look often."""


class Turnstile:
    """The turns of a folder. `folder`: its descriptor, `timeout`: seconds to wait."""

    def __init__(self, folder: int, url: str, timeout: float) -> None:
        self._url, self._timeout = url, timeout
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._files = {name: os.open(name, flags, 0o600, dir_fd=folder) for name in LOOK_EVERY}

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Have the turn. Raises BackendUnreachable when it does not come in time."""
        deadline = time.monotonic() + self._timeout
        try:
            self._take("gate", deadline)
            self._take("turn", deadline)
            flock(self._files["gate"], LOCK_UN)
            yield
        finally:
            for file in self._files.values():
                flock(file, LOCK_UN)

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            os.close(file)
        self._files = {}

    def _take(self, name: str, deadline: float) -> None:
        while True:
            try:
                return flock(self._files[name], LOCK_EX | LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise BackendUnreachable(f"{self._url}: busy: another process is writing") from None
            time.sleep(LOOK_EVERY[name] * (1 + os.urandom(1)[0] / 256))
