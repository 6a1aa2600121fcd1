"""Counts the requests that a bucket's provider bills."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate
from threading import Lock

from jq_cli.backends.objects.store import Span

PRICES: Mapping[str, float] = {"put": 5.0, "list": 5.0, "get": 0.4, "delete": 0.0}
"""Dollars for a million requests of each kind: the list price of Amazon S3 Standard in us-east-1 (November 2026)."""

COALESCE = 1024 * 1024
"""Bytes between two parts of an object that are read by one request nevertheless."""


class Requests:
    """The number of requests of each kind, those included that were sent again. Threads may share it."""

    def __init__(self) -> None:
        self._counted: Counter[str] = Counter()
        self._lock = Lock()

    def add(self, kind: str, number: int = 1) -> None:
        """Count some more."""
        with self._lock:
            self._counted[kind] += number

    @property
    def counted(self) -> dict[str, int]:
        """What was counted until now."""
        with self._lock:
            return dict(self._counted)


def requests_for(spans: Sequence[Span]) -> int:
    """How many requests the parts of an object take."""
    ordered = sorted(spans)
    ends = [start + length for start, length in ordered]
    furthest = accumulate(ends, max)
    return 1 + sum(start > end + COALESCE for (start, _), end in zip(ordered[1:], furthest, strict=False))
