"""The store's clock. DynamoDB has none that a request could read, but every answer carries the service's time, in whole seconds.
Many answers together tell it better: each says that the service's clock is within a second of something, and all must hold."""

import time
from email.utils import parsedate_to_datetime


def _local() -> int:
    return time.time_ns() // 1_000_000


class ServiceClock:
    """This host's clock, corrected by what the service's answers say."""

    def __init__(self) -> None:
        self._least: int | None = None
        self._most: int | None = None
        self._offset = 0

    def __call__(self) -> int:
        """Ms since the epoch."""
        return _local() + self._offset

    def heard(self, date: str, sent: int) -> None:
        """Learn from the `Date` of an answer to a request that was sent at a moment of the local clock."""
        second = int(parsedate_to_datetime(date).timestamp()) * 1_000
        # The service read its clock between `sent` and now, and it showed second .. second + 999.
        least, most = second - _local(), second + 999 - sent
        if self._least is None or self._most is None or least > self._most or most < self._least:
            self._least, self._most = least, most  # the first answer, or one of the clocks was set
        else:
            self._least, self._most = max(least, self._least), min(most, self._most)
        if not self._least <= self._offset <= self._most:
            self._offset = min(max(self._offset, self._least), self._most)


def sent_at() -> int:
    """The local moment to remember when a request is sent."""
    return _local()
