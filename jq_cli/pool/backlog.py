"""The backlog: jobs that no child has yet, in the order in which they must start, and which child gets the next."""

from collections import deque
from collections.abc import Sequence
from heapq import heapify, heappop, heapreplace

from jq_cli.job import Job
from jq_cli.pool.member import Member
from jq_cli.pool.options import PoolOptions
from jq_cli.task import Task

AHEAD = 0.05
"""Seconds of work that may wait in one child."""

MAX_AHEAD = 512


class Backlog:
    """Deals jobs out to children, only as far ahead as jobs are short."""

    def __init__(self, children: Sequence[Member], options: PoolOptions) -> None:
        self.jobs: deque[Job] = deque()
        self._children = children
        self._options = options
        self._average = AHEAD

    def learn(self, seconds: float) -> None:
        """A task took so long."""
        self._average += (seconds - self._average) * (0.5 if seconds > self._average else 0.25)

    def depth(self) -> int:
        """How many tasks one child may have."""
        if self._options.concurrency > 1:
            return self._options.concurrency
        return max(1, min(MAX_AHEAD, int(AHEAD / self._average)))

    def room(self) -> int:
        """How many more jobs could be put to use now. A child is filled up once it is half empty, so that jobs travel in
        batches."""
        depth = self.depth()
        free = sum(depth - len(c.tasks) for c in self._children if c.open and len(c.tasks) * 2 <= depth)
        return max(0, free - len(self.jobs))

    def idle(self) -> int:
        """How many jobs would start at once."""
        per = self._options.concurrency
        free = sum(per - len(c.tasks) for c in self._children if c.open and len(c.tasks) < per)
        return max(0, free - len(self.jobs))

    def deal(self) -> None:
        """Give jobs to children, as tasks in their `batch` to be sent: each to the one with least to do, until that one may not
        take it."""
        depth, jobs = self.depth(), self.jobs
        takers = [(len(child.tasks), child.index, child) for child in self._children if child.open]
        heapify(takers)
        while jobs and takers:
            load, index, child = takers[0]
            if load >= depth or (load and not self._joins(child, load, jobs[0])):
                return
            _give(child, jobs.popleft())
            if child.seq == self._options.max_jobs:
                child.retiring = True
                heappop(takers)
            else:
                heapreplace(takers, (load + 1, index, child))

    def _joins(self, child: Member, load: int, job: Job) -> bool:
        """Whether the child, which has something to do, may have the job now."""
        if job.losses or (load == 1 and child.alone):
            return False
        return job.delivery != "at_most_once" or load < self._options.concurrency


def _give(child: Member, job: Job) -> None:
    child.seq = seq = child.seq + 1
    child.tasks[job.id] = (seq, job)
    task = Task(
        seq, job.id, job.queue, job.payload, job.failures + job.losses + 1, job.priority, job.created_at, job.token or "",
        job.timeout, job.headers, job.schedule,
    )  # fmt: skip
    child.batch.append(task)
