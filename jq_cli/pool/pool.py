"""A pool of forked children joined by socketpairs. Knows processes, not stores: jobs go in, ends of executions come out.

The pool keeps jobs in order, sends them ahead only as far as they are short (about AHEAD seconds of work for each child),
takes back what waits behind a job that turned out long, restarts children that die, and says for each of their jobs
whether it had not begun, was running, or was done but not reported.
"""

import os
import selectors
import signal
import time
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial

import msgspec

from jq_cli.errors import UsageError
from jq_cli.handlers.spec import HandlerOptions, HandlerSpec
from jq_cli.job import Job
from jq_cli.lifecycle import Outcome
from jq_cli.pool.crew import Crew
from jq_cli.pool.link import Link
from jq_cli.pool.member import Member, Message
from jq_cli.pool.orders import Notice, Order
from jq_cli.pool.slots import RECALL_WAIT, make_slots
from jq_cli.task import Done, Live, Resume, Run, Stop, Task

AHEAD = 0.05
"""Seconds of work that may wait in one child."""

MAX_AHEAD = 256
STUCK = 0.1
"""Seconds a task runs before those that wait behind it are taken back, when another child could take them."""

MAX_RESPAWN_DELAY = 30.0
KILL_MARGIN = 1.0
"""Seconds beyond timeout and grace after which a child that did not stop its own task is killed."""


class PoolOptions(msgspec.Struct, frozen=True):
    """How a pool runs. Times in seconds, memory in bytes; `max_jobs` and `max_memory` recycle a child, 0: never."""

    processes: int = 2
    concurrency: int = 1
    grace: float = 5.0
    max_jobs: int = 0
    max_memory: int = 0
    pass_backend: str | None = None


class Ended(msgspec.Struct, frozen=True):
    """A job the pool is done with. `how`: outcome (see `outcome`), lost (its child died under it, `why`), unstarted (give
    it back), or stopped for the reason `why` that was given to `stop`."""

    job: Job
    how: str
    outcome: Outcome | None = None
    why: str = ""


class Pool:
    """The children and the jobs they were given. The owner selects on `selector`, calls the ready keys' data, and `tick`
    at least every `patience` seconds; `ended`, `live` and `news` collect what happened until the owner takes it."""

    def __init__(
        self,
        handlers: Mapping[str, HandlerSpec],
        options: PoolOptions,
        selector: selectors.BaseSelector,
        env: Mapping[str, str],
    ) -> None:
        self.options = options
        self.ended: list[Ended] = []
        self.live: dict[str, bytes] = {}
        self.news: list[str] = []
        self.draining = False
        self._order = Order(
            dict(handlers), HandlerOptions(options.grace, options.pass_backend), memory=options.max_memory > 0
        )
        self._selector = selector
        self._env = dict(env)
        self._slots = make_slots(options.processes)
        self._children = [Member(i, self._slots[i]) for i in range(options.processes)]
        self._waiting: deque[Job] = deque()
        self._average = AHEAD
        self._crew = self._start_crew()
        self._old_crews: list[Crew] = []
        self._respawn()

    # --- jobs in, jobs out ---

    def held(self) -> dict[str, Job]:
        """Every job given to the pool that is not among `ended`, by id."""
        jobs = {job.id: job for child in self._children for _, job in child.tasks.values()}
        return jobs | {job.id: job for job in self._waiting}

    def running(self) -> int:
        """How many jobs are with children."""
        return sum(len(child.tasks) for child in self._children)

    def room(self) -> int:
        """How many more jobs could be put to use now. A child is filled up once it is half empty, so that jobs travel in
        batches."""
        depth = self._depth()
        free = sum(depth - len(c.tasks) for c in self._children if c.open and len(c.tasks) * 2 <= depth)
        return max(0, free - len(self._waiting))

    def idle(self) -> int:
        """How many jobs would start at once."""
        per = self.options.concurrency
        free = sum(per - len(c.tasks) for c in self._children if c.open and len(c.tasks) < per)
        return max(0, free - len(self._waiting))

    def submit(self, jobs: Iterable[Job]) -> None:
        """Take jobs in the order in which they must start."""
        self._waiting.extend(jobs)
        self._dispatch()

    def stop(self, id: str, why: str) -> None:
        """End one job early: politely first when it has begun; it comes out as `stopped` with `why`."""
        for child in self._children:
            if id in child.tasks:
                self._stop_task(child, id, why)
        for job in [job for job in self._waiting if job.id == id]:
            self._waiting.remove(job)
            self.ended.append(Ended(job, "stopped", why=why))

    def stop_all(self, why: str) -> None:
        """End everything that runs."""
        for child in self._children:
            for id in list(child.tasks):
                self._stop_task(child, id, why)

    def give_back(self) -> None:
        """Take nothing more; give back what was not started."""
        self.draining = True
        self.ended += [Ended(job, "unstarted") for job in self._waiting]
        self._waiting.clear()
        for child in self._children:
            if any(not child.begun(id) for id in child.tasks):
                self._recall(child)

    def kill_all(self, why: str) -> None:
        """Kill everything at once, without grace, and start afresh; what was there comes out as `stopped` with `why`."""
        self.ended += [Ended(job, "stopped", why=why) for job in self._waiting]
        self._waiting.clear()
        for child in self._children:
            child.stops |= dict.fromkeys(child.tasks, (why, 0.0))
        for crew in [*self._old_crews, self._crew]:
            self._disband(crew)
        self._crew = self._start_crew()
        self._respawn()

    def reload(self) -> None:
        """Load the handlers afresh. Running jobs end first: each child is replaced when it has nothing left to do."""
        crew = self._start_crew()
        self._old_crews.append(self._crew)
        self._crew = crew
        for child in self._children:
            child.retiring = True
        self._retire()

    def close(self) -> None:
        """Kill what is left and wait for its end."""
        for crew in [*self._old_crews, self._crew]:
            self._disband(crew)

    # --- time ---

    def patience(self) -> float:
        """Seconds until `tick` has something to do, at most 60."""
        waits = [60.0]
        now = time.monotonic()
        for child in self._children:
            if child.recalled_at:
                waits.append(child.recalled_at + RECALL_WAIT - now)
            elif len(child.tasks) > 1 or child.stops:
                waits.append(STUCK / 2)
            if child.respawn_at:
                waits.append(child.respawn_at - now)
            job = child.running()
            if job is not None and job.timeout is not None:
                waits.append(job.timeout - child.slot.running_for())
        return max(0.001, min(waits))

    def tick(self) -> None:
        """Do what became due: enforce timeouts, take back what is stuck, replace children."""
        now = time.monotonic()
        for child in self._children:
            self._enforce_timeout(child)
            self._enforce_stops(child, now)
            if child.recalled_at and now >= child.recalled_at + RECALL_WAIT:
                self._finish_recall(child)
        if self.idle():
            self._recall_stuck()
        self._retire()
        self._end_old_crews()
        self._respawn()
        self._dispatch()

    def _enforce_timeout(self, child: Member) -> None:
        job = child.running()
        if job is None or job.timeout is None or job.id in child.stops or self._crew.is_async:
            return
        if child.slot.running_for() >= job.timeout:
            self._stop_task(child, job.id, "timeout")

    @staticmethod
    def _enforce_stops(child: Member, now: float) -> None:
        if child.crew and any(now >= kill_at for _, kill_at in child.stops.values()):
            child.crew.kill(child.index, signal.SIGKILL)

    def _stop_task(self, child: Member, id: str, why: str) -> None:
        if id in child.stops or child.crew is None or child.link is None:
            return
        child.stops[id] = (why, time.monotonic() + self.options.grace + KILL_MARGIN)
        if not child.begun(id):
            self._recall(child)
            return
        child.slot.stop(child.tasks[id][0])
        child.link.send(Stop(child.tasks[id][0]))
        child.crew.kill(child.index, signal.SIGTERM)

    # --- sending tasks, and taking them back ---

    def _depth(self) -> int:
        """How many tasks one child may have."""
        if self.options.concurrency > 1:
            return self.options.concurrency
        return max(1, min(MAX_AHEAD, int(AHEAD / self._average)))

    def _dispatch(self) -> None:
        takers = [child for child in self._children if child.open]
        depth = self._depth()
        while self._waiting and (child := self._taker(self._waiting[0], takers, depth)):
            child.seq += 1
            job = self._waiting.popleft()
            child.tasks[job.id] = (child.seq, job)
            child.batch.append(_task(child.seq, job))
            if child.seq == self.options.max_jobs:
                child.retiring = True
                takers.remove(child)
        for child in self._children:
            if child.batch:
                self._send(child, Run(child.batch))
                child.batch = []

    def _taker(self, job: Job, takers: list[Member], depth: int) -> Member | None:
        """The child that should run the job next: the one with least to do, if it may take it."""
        child = min(takers, key=_load, default=None)
        if child is None or len(child.tasks) >= depth or child.alone:
            return None
        if job.losses and child.tasks:
            return None
        if job.delivery == "at_most_once" and len(child.tasks) >= self.options.concurrency:
            return None
        return child

    def _send(self, child: Member, message: Run | Resume) -> None:
        assert child.link is not None
        try:
            child.link.send(message)
        except OSError:
            return  # it died; the keeper's notice settles its tasks
        self._watch(child)

    def _watch(self, child: Member) -> None:
        assert child.link is not None
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if child.link.unsent else 0)
        self._selector.modify(child.link, events, partial(self._on_child, child))

    def _recall_stuck(self) -> None:
        for child in self._children:
            if len(child.tasks) > 1 and child.slot.running_for() > STUCK and self.options.concurrency == 1:
                self._recall(child)

    @staticmethod
    def _recall(child: Member) -> None:
        # While an earlier recall is not over, the child has nothing that was not started.
        if not child.recalled_at and not child.slot.recalled:
            child.slot.recall()
            child.recalled_at = time.monotonic()

    def _finish_recall(self, child: Member) -> None:
        child.recalled_at = 0.0
        taken = [job for id, (_, job) in child.tasks.items() if not child.begun(id)]
        for job in taken:
            del child.tasks[job.id]
        self._return(child, taken)
        if child.link is not None:
            self._send(child, Resume())

    def _return(self, child: Member, jobs: list[Job]) -> None:
        """Put jobs that were not started back to where they came from, in front of the others."""
        stopped = [job for job in jobs if job.id in child.stops]
        self.ended += [Ended(job, "stopped", why=child.stops.pop(job.id)[0]) for job in stopped]
        kept = [job for job in jobs if job not in stopped]
        if self.draining:
            self.ended += [Ended(job, "unstarted") for job in kept]
        else:
            self._waiting.extendleft(reversed(kept))

    # --- hearing from children ---

    def _on_child(self, child: Member) -> None:
        if child.link is None:
            return
        with suppress(OSError):
            child.link.flush()
        messages = child.link.receive()
        if messages is None:
            self._selector.unregister(child.link)
            child.link.close()
            child.link = None
            return
        self._watch(child)
        for message in messages:
            self._hear(child, message)
        self._dispatch()

    def _hear(self, child: Member, message: Message) -> None:
        if isinstance(message, Live):
            self.live[message.id] = message.record
            return
        if message.busy:
            each = message.busy / 1e9 / len(message.done)
            self._average += (each - self._average) * (0.5 if each > self._average else 0.25)
        if self.options.max_memory and message.memory > self.options.max_memory:
            child.retiring = True
        for done in message.done:
            self._end(child, done)

    def _end(self, child: Member, done: Done) -> None:
        entry = child.tasks.pop(done.id, None)
        if entry is None:
            return
        job = entry[1]
        if done.kind == "unstarted":
            self._return(child, [job])
            return
        why, _ = child.stops.pop(done.id, ("", 0.0))
        if done.kind == "stopped":
            self.ended.append(Ended(job, "stopped", _outcome(done), why or "shutdown"))
        else:
            self.ended.append(Ended(job, "outcome", _outcome(done)))

    # --- births and deaths ---

    def _start_crew(self) -> Crew:
        crew = Crew(self._order, self._slots, len(self._children), self._env)
        if self.options.concurrency > 1 and not crew.is_async:
            crew.end()
            raise UsageError("concurrency above 1 needs handlers that are async functions; use processes instead")
        self._selector.register(crew, selectors.EVENT_READ, partial(self._on_crew, crew))
        return crew

    def _respawn(self) -> None:
        for child in self._children:
            if child.crew is None and time.monotonic() >= child.respawn_at and not self.draining:
                self._spawn(child)

    def _spawn(self, child: Member) -> None:
        child.slot.clear()
        child.crew, child.retiring, child.respawn_at, child.seq = self._crew, False, 0.0, 0
        child.link = Link(self._crew.spawn(child.index), Message)  # type: ignore[arg-type]
        self._selector.register(child.link, selectors.EVENT_READ, partial(self._on_child, child))

    def _retire(self) -> None:
        for child in self._children:
            if child.retiring and not child.tasks and child.link is not None:
                self._selector.unregister(child.link)
                child.link.close()
                child.link = None

    def _on_crew(self, crew: Crew) -> None:
        notices = crew.notices()
        if notices is None:
            self._disband(crew)
            self.news.append("the keeper process died; starting another")
            if crew is self._crew:
                self._crew = self._start_crew()
            notices = []
        for notice in notices:
            child = self._children[notice.slot]
            if notice.what == "spawned":
                child.pid = notice.pid
            elif notice.what == "exited" and child.crew is crew:
                self._bury(child, notice)
        self._respawn()
        self._dispatch()

    def _end_old_crews(self) -> None:
        """End the keepers that a reload replaced, once their last child is gone."""
        for crew in [crew for crew in self._old_crews if all(child.crew is not crew for child in self._children)]:
            self._disband(crew)

    def _disband(self, crew: Crew) -> None:
        """End a keeper and with it its children."""
        if crew in self._old_crews:
            self._old_crews.remove(crew)
        self._selector.unregister(crew)
        crew.end()
        for child in self._children:
            if child.crew is crew:
                self._bury(child, Notice("exited", child.index, child.pid, signal.SIGKILL))

    def _bury(self, child: Member, notice: Notice) -> None:
        """Settle what a dead child had, from the marks it left."""
        self._last_words(child)
        current, finished = child.slot.current, child.slot.finished
        if not (child.retiring or child.stops or self.draining):
            self._count_crash(child, notice, idle=current == 0)
        unstarted = [job for seq, job in child.tasks.values() if seq > current]
        for seq, job in [entry for entry in child.tasks.values() if entry[0] <= current]:
            done = self.options.concurrency == 1 and (seq < current or finished >= current)
            self.ended.append(self._epitaph(child, job, notice, done=done))
        child.tasks.clear()
        self._return(child, unstarted)
        child.stops.clear()
        child.crew, child.pid, child.recalled_at = None, 0, 0.0

    @staticmethod
    def _epitaph(child: Member, job: Job, notice: Notice, *, done: bool) -> Ended:
        if job.id in child.stops:
            return Ended(job, "stopped", why=child.stops[job.id][0])
        if done:  # ended, but its outcome was not reported: it may run again and counts nothing
            return Ended(job, "outcome", Outcome("interrupted"))
        return Ended(job, "lost", why=f"the process running it {_manner(notice.status)}")

    def _last_words(self, child: Member) -> None:
        """Take the reports a dead child had sent."""
        if child.link is None:
            return
        for message in child.link.receive() or ():
            self._hear(child, message)
        self._selector.unregister(child.link)
        child.link.close()
        child.link = None

    def _count_crash(self, child: Member, notice: Notice, *, idle: bool) -> None:
        self.news.append(f"child {notice.pid} {_manner(notice.status)}")
        child.crashes = child.crashes + 1 if idle else 0
        if child.crashes:  # it dies before it does anything: do not burn the machine on forks
            child.respawn_at = time.monotonic() + min(MAX_RESPAWN_DELAY, 0.1 * 2**child.crashes)


def _load(child: Member) -> int:
    return len(child.tasks)


def _task(seq: int, job: Job) -> Task:
    return Task(
        seq, job.id, job.queue, job.payload, job.attempt, job.priority, job.created_at, job.token or "",
        job.timeout, job.headers, job.schedule,
    )  # fmt: skip


def _outcome(done: Done) -> Outcome:
    return Outcome(done.kind, msgspec.Raw(done.result), done.error, done.delay, done.output)


def _manner(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"was killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exited with code {os.waitstatus_to_exitcode(status)}"
