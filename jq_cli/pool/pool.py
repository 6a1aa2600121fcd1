"""A pool of forked children joined by socketpairs. Knows processes, not stores: jobs go in, ends of executions come out.

The pool keeps jobs in order, sends them ahead only as far as they are short (about AHEAD seconds of work for each child),
takes back what waits behind a job that turned out long, restarts children that die, and says for each of their jobs
whether it had not begun, was running, or was done but not reported.
"""

import selectors
import signal
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial

from jq_cli.handlers.spec import HandlerOptions, HandlerSpec
from jq_cli.job import Job
from jq_cli.pool.backlog import Backlog
from jq_cli.pool.crew import Crew
from jq_cli.pool.crews import Crews
from jq_cli.pool.ended import Ended, epitaph, manner, reported
from jq_cli.pool.link import Link
from jq_cli.pool.member import Member, Message
from jq_cli.pool.options import PoolOptions
from jq_cli.pool.orders import Notice, Order
from jq_cli.pool.slots import RECALL_WAIT, make_slots
from jq_cli.task import Live, Resume, Run, Stop

STUCK = 0.1
"""Seconds a task runs before those that wait behind it are taken back, when another child could take them."""

MAX_RESPAWN_DELAY = 30.0
KILL_MARGIN = 1.0
"""Seconds beyond timeout and grace after which a child that did not stop its own task is killed."""


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
        self._slots = make_slots(options.processes)
        self._children = [Member(i, self._slots[i]) for i in range(options.processes)]
        self._backlog = Backlog(self._children, options)
        self.room, self.idle = self._backlog.room, self._backlog.idle
        self._crews = Crews(
            lambda: Crew(self._order, self._slots, options.processes, env),
            self._children,
            selector,
            concurrent=options.concurrency > 1,
            exited=self._bury,
            changed=self._renew,
            tell=self.news.append,
        )
        self._respawn()

    # --- jobs in, jobs out ---

    def held(self) -> dict[str, Job]:
        """Every job given to the pool that is not among `ended`, by id."""
        jobs = {job.id: job for child in self._children for _, job in child.tasks.values()}
        return jobs | {job.id: job for job in self._backlog.jobs}

    def running(self) -> int:
        """How many jobs are with children."""
        return sum(len(child.tasks) for child in self._children)

    def submit(self, jobs: Iterable[Job]) -> None:
        """Take jobs in the order in which they must start; after `give_back` they come out unstarted."""
        if self.draining:
            self.ended += [Ended(job, "unstarted") for job in jobs]
            return
        self._backlog.jobs.extend(jobs)
        self._dispatch()

    def stop(self, id: str, why: str) -> None:
        """End one job early: politely first when it has begun; it comes out as `stopped` with `why`."""
        for child in self._children:
            if id in child.tasks:
                self._stop_task(child, id, why)
        for job in [job for job in self._backlog.jobs if job.id == id]:
            self._backlog.jobs.remove(job)
            self.ended.append(Ended(job, "stopped", why=why))

    def stop_all(self, why: str) -> None:
        """End everything that runs."""
        for child in self._children:
            for id in list(child.tasks):
                self._stop_task(child, id, why)

    def give_back(self) -> None:
        """Take nothing more; give back what was not started."""
        self.draining = True
        self.ended += [Ended(job, "unstarted") for job in self._backlog.jobs]
        self._backlog.jobs.clear()
        for child in self._children:
            if any(not child.begun(id) for id in child.tasks):
                self._recall(child)

    def kill_all(self, why: str) -> None:
        """Kill everything at once, without grace, and start afresh; what was there comes out as `stopped` with `why`."""
        self.ended += [Ended(job, "stopped", why=why) for job in self._backlog.jobs]
        self._backlog.jobs.clear()
        for child in self._children:
            child.stops |= dict.fromkeys(child.tasks, (why, 0.0))
        self._crews.restart()
        self._respawn()

    def reload(self) -> None:
        """Load the handlers afresh. Running jobs end first: each child is replaced when it has nothing left to do."""
        self._crews.replace()
        for child in self._children:
            child.retiring = True
        self._retire()

    def close(self) -> None:
        """Kill what is left and wait for its end."""
        self._crews.end()

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
        self._crews.end_old()
        self._respawn()
        self._dispatch()

    def _enforce_timeout(self, child: Member) -> None:
        job = child.running()
        if job is None or job.timeout is None or job.id in child.stops or self._crews.current.is_async:
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

    def _dispatch(self) -> None:
        self._backlog.deal()
        for child in self._children:
            if child.batch:
                self._send(child, Run(child.batch))
                child.batch = []

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
            self._backlog.jobs.extendleft(reversed(kept))

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
            self._backlog.learn(message.busy / 1e9 / len(message.done))
        if self.options.max_memory and message.memory > self.options.max_memory:
            child.retiring = True
        for done in message.done:
            if (entry := child.tasks.pop(done.id, None)) is None:
                continue
            if done.kind == "unstarted":
                self._return(child, [entry[1]])
            else:
                self.ended.append(reported(child, entry[1], done))

    # --- births and deaths ---

    def _renew(self) -> None:
        self._respawn()
        self._dispatch()

    def _respawn(self) -> None:
        for child in self._children:
            if child.crew is None and time.monotonic() >= child.respawn_at and not self.draining:
                self._spawn(child)

    def _spawn(self, child: Member) -> None:
        child.slot.clear()
        child.crew, child.retiring, child.respawn_at, child.seq = self._crews.current, False, 0.0, 0
        child.link = Link(child.crew.spawn(child.index), Message)  # type: ignore[arg-type]
        self._selector.register(child.link, selectors.EVENT_READ, partial(self._on_child, child))

    def _retire(self) -> None:
        for child in self._children:
            if child.retiring and not child.tasks and child.link is not None:
                self._selector.unregister(child.link)
                child.link.close()
                child.link = None

    def _bury(self, child: Member, notice: Notice) -> None:
        """Settle what a dead child had, from the marks it left."""
        self._last_words(child)
        current, finished = child.slot.current, child.slot.finished
        if not (child.retiring or child.stops or self.draining):
            self._count_crash(child, notice, idle=current == 0)
        unstarted = [job for seq, job in child.tasks.values() if seq > current]
        for seq, job in [entry for entry in child.tasks.values() if entry[0] <= current]:
            done = self.options.concurrency == 1 and (seq < current or finished >= current)
            self.ended.append(epitaph(child, job, notice, done=done))
        child.tasks.clear()
        self._return(child, unstarted)
        child.stops.clear()
        child.crew, child.pid, child.recalled_at = None, 0, 0.0

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
        self.news.append(f"child {notice.pid} {manner(notice.status)}")
        child.crashes = child.crashes + 1 if idle else 0
        if child.crashes:  # it dies before it does anything: do not burn the machine on forks
            child.respawn_at = time.monotonic() + min(MAX_RESPAWN_DELAY, 0.1 * 2**child.crashes)
