"""What the worker's loop does again and again, and when each is due. Monotonic seconds."""

import time


class Timers:
    """Named moments, all due at first."""

    def __init__(self, *names: str) -> None:
        self._next = dict.fromkeys(names, 0.0)

    def due(self, name: str, every: float) -> bool:
        """Whether it is due; if so, the next time is in `every` seconds."""
        now = time.monotonic()
        if now < self._next[name]:
            return False
        self._next[name] = now + every
        return True

    def hasten(self, name: str, seconds: float) -> None:
        """Have it due in so many seconds at the latest."""
        self._next[name] = min(self._next[name], time.monotonic() + seconds)

    def wait(self, *names: str) -> float:
        """Seconds until the first of these is due; below 0 when it already is."""
        return min(self._next[name] for name in names) - time.monotonic()
