"""How often a worker speaks to its store, and an idle one to a store where each request costs money."""

import time

TICK = 1.0
POLL = 1.0
POLL_WITHOUT_HINTS = 0.25
LOOK_UP = 5.0
"""Seconds between two looks for new queues, when none are named."""

EMPTY_CHECK = 0.25
PRUNE = 60.0
SHARE = 8
"""A pause lasts at most this part of the time for which nothing was found, so that work which comes often is found as fast as
ever."""

IDLE_BEAT = 30.0
"""Seconds between two renewals of the registration of a worker that holds no job, and so no lease."""


class Pace:
    """`longest`: seconds to which pauses may grow (`Backend.idle_poll`); 0: they never do. `beat`: seconds between heartbeats
    that keep leases."""

    def __init__(self, longest: float, beat: float) -> None:
        self._longest, self._beat = longest, beat
        self._found_at = time.monotonic()

    def found(self) -> None:
        """There was work."""
        self._found_at = time.monotonic()

    def pause(self, least: float) -> float:
        """Seconds until the next look, which comes after `least` where looks are free."""
        return max(least, min(self._longest, (time.monotonic() - self._found_at) / SHARE))

    def beat(self, busy: bool) -> float:
        """Seconds until the next heartbeat; `busy`: jobs are held."""
        return self._beat if busy or not self._longest else max(self._beat, IDLE_BEAT)
