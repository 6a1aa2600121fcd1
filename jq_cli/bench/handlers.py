"""What the jobs of a benchmark do in the children of a pool."""

import os
import signal
import time
from typing import Any

NAP = 0.005
"""Seconds that a job of the measure `pool-5ms` takes."""


def nothing(payload: Any) -> None:
    """No work: what is measured is the queue."""


def nap(payload: Any) -> None:
    """A little work, of a kind that needs no processor."""
    time.sleep(NAP)


def since(payload: Any) -> int:
    """How long ago (ns) its producer noted the time in it. The clock is that of the machine, the same in all its processes."""
    return time.monotonic_ns() - int(payload["at"])


def since_its_death(payload: Any) -> int:
    """The first time it notes the time in a file and kills its own process; then it tells how long ago (ns) that was."""
    try:
        with open(payload["file"], "x", encoding="ascii") as file:
            file.write(str(time.monotonic_ns()))
    except FileExistsError:
        with open(payload["file"], encoding="ascii") as file:
            return time.monotonic_ns() - int(file.read())
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("survived SIGKILL")
