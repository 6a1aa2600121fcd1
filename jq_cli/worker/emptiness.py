"""Whether a worker that is to end when its queues are empty may end: nothing ready, running or coming back."""

from collections.abc import Callable, Sequence

from jq_cli.backends.base import Backend, QueueCounts
from jq_cli.pausing import pause_words


class Emptiness:
    """Asks the store. `wait_scheduled`: jobs delayed by their producers are waited for too, not only those that ran before.
    `say` hears once for which paused queues an end is waited for."""

    def __init__(self, backend: Backend, say: Callable[[str], None], *, wait_scheduled: bool) -> None:
        self._backend = backend
        self._say = say
        self._wait_scheduled = wait_scheduled
        self._told_paused: set[str] = set()

    def reached(self, queues: Sequence[str]) -> bool:
        """Whether nothing is left in these queues. Raises BackendError."""
        counts = self._backend.counts(queues)
        self._tell_paused(counts)
        return not any(c.states["ready"] or c.states["running"] or self._comes_back(c.queue) for c in counts)

    def _tell_paused(self, counts: Sequence[QueueCounts]) -> None:
        paused = {each.queue: each for each in counts if each.states["ready"] and each.controls.holds(each.now)}
        for queue in paused.keys() - self._told_paused:
            words = pause_words(paused[queue].controls)
            self._say(f"waiting for queue {queue}, which has jobs and is {words} (jq resume {queue} ends that)")
        self._told_paused = set(paused)

    def _comes_back(self, queue: str) -> bool:
        """Whether a scheduled job of the queue is waited for."""
        cursor: str | None = ""
        while cursor is not None:
            page = self._backend.page(queue, "scheduled", cursor=cursor or None, limit=500)
            if any(self._wait_scheduled or job.generation for job in page.jobs):
                return True
            cursor = page.cursor
        return False
