"""Shared memory in which each child marks what it runs, so that its parent knows after the child's death what was running,
what was waiting and what was done, and may take back what was not started without asking.

Taking back is safe without locks. The child first writes `current`, then reads `recall`; the parent first writes `recall`,
waits RECALL_WAIT, then reads `current`. When the child saw no recall, its `current` was written before, and has long become
visible; when it saw one, it does not start the task and says so.
"""

import mmap
import os
import tempfile
import time

RECALL_WAIT = 0.01
"""Seconds between writing `recall` and trusting `current`: thousands of times what a store buffer needs to drain."""

SIZE = 64
_CURRENT, _FINISHED, _STARTED_NS, _RECALL, _STOP = range(5)


class Slot:
    """One child's 64 bytes. The child writes all but `recall` and `stop`; of these the parent writes, the child clears."""

    def __init__(self, memory: memoryview) -> None:
        self._cells = memory.cast("Q")

    def begin(self, seq: int) -> bool:
        """Child: mark the task as running. False when the parent recalls tasks: it must not start."""
        cells = self._cells
        if cells[_RECALL]:
            return False
        before = cells[_CURRENT]
        cells[_STARTED_NS] = time.monotonic_ns()
        cells[_CURRENT] = seq
        if cells[_RECALL]:
            cells[_CURRENT] = before
            cells[_FINISHED] = before
            return False
        return True

    def finish(self, seq: int, now: int) -> int:
        """Child: mark the running task as done, at `now` (monotonic ns); gives the ns it took."""
        self._cells[_FINISHED] = seq
        return now - self._cells[_STARTED_NS]

    def resume(self) -> None:
        """Child: the recall is over."""
        self._cells[_RECALL] = 0

    def recall(self) -> None:
        """Parent: from now on the child starts nothing."""
        self._cells[_RECALL] = 1

    def stop(self, seq: int) -> None:
        """Parent: this is the task that the signal about to be sent means."""
        self._cells[_STOP] = seq

    def clear(self) -> None:
        """Parent: a new child will use the slot."""
        self._cells[0:8] = memoryview(bytes(SIZE)).cast("Q")

    @property
    def current(self) -> int:
        """The task started last."""
        return self._cells[_CURRENT]

    @property
    def finished(self) -> int:
        """The task finished last, when tasks run one after another."""
        return self._cells[_FINISHED]

    @property
    def recalled(self) -> bool:
        """Whether a recall is under way."""
        return bool(self._cells[_RECALL])

    @property
    def stopped(self) -> int:
        """The task that the parent wants stopped."""
        return self._cells[_STOP]

    def running_for(self) -> float:
        """Seconds since the running task began; 0 when none runs."""
        if self._cells[_FINISHED] >= self._cells[_CURRENT]:
            return 0.0
        return (time.monotonic_ns() - self._cells[_STARTED_NS]) / 1e9


class Slots:
    """The slots of a whole pool, in an unnamed file that its processes map."""

    def __init__(self, fd: int, count: int) -> None:
        self.fd = fd
        self._memory = memoryview(mmap.mmap(fd, count * SIZE))

    def __getitem__(self, index: int) -> Slot:
        return Slot(self._memory[index * SIZE : (index + 1) * SIZE])


def make_slots(count: int) -> Slots:
    """Fresh zeroed slots."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("jq-slots")
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.truncate(fd, count * SIZE)
    return Slots(fd, count)
