"""A member of the pool: what the parent knows of one child."""

from jq_cli.job import Job
from jq_cli.pool.crew import Crew
from jq_cli.pool.link import Link
from jq_cli.pool.slots import Slot
from jq_cli.task import Live, Report, Task

Message = Report | Live


class Member:
    """The parent's view of one child: its tasks in the order in which they were sent, and what was asked of it."""

    def __init__(self, index: int, slot: Slot) -> None:
        self.index = index
        self.slot = slot
        self.crew: Crew | None = None
        self.link: Link[Message] | None = None
        self.pid = 0
        self.tasks: dict[str, tuple[int, Job]] = {}
        self.stops: dict[str, tuple[str, float]] = {}
        self.batch: list[Task] = []
        self.seq = 0
        self.retiring = False
        self.recalled_at = 0.0
        self.respawn_at = 0.0
        self.crashes = 0

    @property
    def open(self) -> bool:
        """Whether it takes tasks now."""
        return self.link is not None and not (self.retiring or self.recalled_at or self.slot.recalled)

    @property
    def alone(self) -> bool:
        """Whether it runs a job that was lost before, which shares its child with no other."""
        return len(self.tasks) == 1 and next(iter(self.tasks.values()))[1].losses > 0

    def begun(self, id: str) -> bool:
        """Whether the task was started."""
        return self.tasks[id][0] <= self.slot.current

    def running(self) -> Job | None:
        """The job started last, if it has not ended."""
        current = self.slot.current
        return next((job for seq, job in self.tasks.values() if seq == current), None)
