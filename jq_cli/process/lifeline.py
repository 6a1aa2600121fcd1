"""The lifeline: how long ago the store was last known to honour this worker's leases, and when to try again after trouble.

Time is the boot-time clock where there is one, because it goes on while a machine is suspended: a worker that wakes up after
its leases have ended must notice before it does anything else.
"""

import random
import time

FENCE_AT = 0.7
"""Share of the heartbeat's validity after which a worker without contact kills its own handlers: before anyone else may
start their jobs, with room for the store's deadline (2 s) and the kill."""

FIRST_RETRY = 0.1
LAST_RETRY = 2.0

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boot_time() -> float:
    """Seconds since the machine started, suspended time included where the system counts it."""
    return time.clock_gettime(_CLOCK)


class Lifeline:
    """Contact with the store, for a heartbeat valid for `valid` ms."""

    def __init__(self, valid: int) -> None:
        self._limit = FENCE_AT * valid / 1_000
        self._contact = boot_time()
        self._failures = 0
        self._retry_at = 0.0

    @property
    def broken(self) -> bool:
        """Whether the last call failed."""
        return self._failures > 0

    def may_call(self) -> bool:
        """Whether the store may be asked now: always, or after trouble when the wait is over."""
        return boot_time() >= self._retry_at

    def wait(self) -> float:
        """Seconds until the next try."""
        return max(0.0, self._retry_at - boot_time())

    def renewed(self, sent_at: float) -> None:
        """Every lease was renewed by a call sent at that moment."""
        self._contact = max(self._contact, sent_at)
        self._failures, self._retry_at = 0, 0.0

    def answered(self) -> None:
        """The store answered a call that renewed nothing."""
        self._failures, self._retry_at = 0, 0.0

    def failed(self) -> None:
        """The store did not answer: wait twice as long as last time, with jitter so that workers do not come back in step."""
        self._failures += 1
        delay = min(LAST_RETRY, FIRST_RETRY * 2 ** min(self._failures - 1, 10))
        self._retry_at = boot_time() + delay * (0.5 + random.random() / 2)

    def snapped(self) -> bool:
        """Whether contact was lost for so long that the leases may end before handlers could be stopped."""
        return boot_time() - self._contact > self._limit
