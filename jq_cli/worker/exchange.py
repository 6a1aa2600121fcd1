"""What a worker exchanges with its store in turns: outcomes one way, jobs the other. A turn may be under way while the loop goes
on, and the next one begin before it has landed."""

from collections.abc import Callable

from jq_cli.consumer import Consumer
from jq_cli.job import Job
from jq_cli.pool.pool import Pool
from jq_cli.process.lifeline import boot_time
from jq_cli.worker.outcomes import Outcomes
from jq_cli.worker.served import Served
from jq_cli.worker.turn import Answer, Begun, Turn

MAX_CLAIM = 500


class Exchange:
    """Settles what `outcomes` holds, claims from the queues `served`, submits to the pool. `found` is told when jobs came,
    `contact` when a turn was sent (`boot_time`) whose answer shows that the store hears this worker. Each call raises
    BackendError when the store does not do its part."""

    def __init__(
        self,
        consumer: Consumer,
        pool: Pool,
        outcomes: Outcomes,
        served: Served,
        *,
        found: Callable[[], None],
        contact: Callable[[float], None],
    ) -> None:
        self.claims = True
        """Whether to take jobs at all."""
        self._consumer = consumer
        self._pool = pool
        self._outcomes = outcomes
        self._served = served
        self._found = found
        self._contact = contact
        self._flight: Begun | None = None
        self._wants_idle = False

    @property
    def over(self) -> bool:
        """Whether no turn is under way and nothing waits to be written."""
        return not (self._flight or self._outcomes.pending)

    @property
    def pressing(self) -> bool:
        """Whether there is something to do at once."""
        return not self.over or (self._wants_jobs() and not self._served.dry)

    def turn(self, coming: int) -> None:
        """Settle and claim. A store that can be sent this without waiting works on it while the children and the loop do;
        `coming`: how many jobs came with the last turn, not with the pool yet."""
        # A job that ended may have made room under its queue's limit, which nobody announces: so outcomes always ask for more.
        if (self._served.dry and not self._outcomes.pending) or not self._wants_jobs(coming):
            self._outcomes.write()
        else:
            self._begin(coming)

    def land(self) -> list[Job]:
        """The jobs of the turn that is under way."""
        if self._flight is None:
            return []
        (turn, answer), self._flight = self._flight, None
        return self._landed(turn, answer())

    def overlap(self) -> bool:
        """If there is room for more jobs than the turn under way may bring, begin the next, on which the store works while the
        jobs of the one before are dealt. False: there is no turn under way, or no room."""
        if self._flight is None:
            return False
        turn, answer = self._flight
        if (self._served.dry and len(self._outcomes.pending) == turn.changes) or not self._wants_jobs(turn.limit):
            return False
        self._flight = None
        try:
            self._begin(turn.limit, turn.changes)
        finally:
            self._pool.submit(self._landed(turn, answer()))
        return True

    def _begin(self, coming: int, under_way: int = 0) -> None:
        """`coming`: jobs that the pool has not got yet; `under_way`: how many of the pending changes were sent already."""
        idle = max(0, self._pool.idle() - coming)
        limit = min(self._pool.room() - coming, MAX_CLAIM)
        changes = [change for change, _ in self._outcomes.pending[under_way:]]
        turn = Turn(boot_time(), idle, limit, len(changes), self._served.hints, not (coming or self._pool.running()))
        begun = self._consumer.begin(changes, self._served.turn(), limit, idle)
        if callable(begun):
            self._flight = (turn, begun)
        else:
            self._pool.submit(self._landed(turn, begun))

    def _landed(self, turn: Turn, answer: Answer) -> list[Job]:
        verdicts, jobs = answer
        self._outcomes.written(verdicts)
        if turn.quiet:
            self._contact(turn.sent_at)
        self._served.dry = not jobs and turn.idle > 0 and self._served.hints == turn.hints
        self._wants_idle = not jobs
        if jobs:
            self._found()
        return jobs

    def _wants_jobs(self, coming: int = 0) -> bool:
        """Whether to claim: there is room, and when the last claim brought nothing because the next job may not be fetched
        ahead (at_most_once), a child that would start it at once."""
        if not self.claims or not self._served.queues:
            return False
        return (self._pool.idle() if self._wants_idle else self._pool.room()) > coming
