"""Which queues are told apart in metrics: a bounded number, because each label value costs the monitoring system memory. Pure."""

from collections.abc import Iterable

MAX_QUEUES = 100
"""Queues with a label of their own; all others share one."""

OTHER = "other"


class QueueLabels:
    """The label of each queue. A queue keeps its label for the life of the process, so that no counter ever jumps; `first` are
    queues that have theirs reserved. Threads may share it."""

    def __init__(self, first: Iterable[str] = (), *, most: int = MAX_QUEUES) -> None:
        self._most = most
        self._own = dict.fromkeys(list(first)[:most])

    def of(self, queue: str) -> str:
        """The queue's own name, or that of all others."""
        if queue in self._own:
            return queue
        if len(self._own) >= self._most:
            return OTHER
        self._own[queue] = None
        return queue
