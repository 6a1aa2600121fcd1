"""The worker: claims jobs, has the pool run them, settles what happened, keeps leases alive, and maintains the store.

One process, one loop, no threads: it alone talks to the store. Each step hears what is ready (children, signals, hints), then
writes outcomes and claims the next jobs in one call. Only one store call may fail in a step, so that a slow store can never
keep the loop from noticing that its leases are about to end.
"""

import selectors
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace

from jq_cli import lifecycle
from jq_cli.backends.base import Setting, Watch
from jq_cli.change import Change, Verdict
from jq_cli.consumer import HEARTBEAT, HEARTBEAT_VALID, Consumer
from jq_cli.durations import format_duration
from jq_cli.errors import BackendError
from jq_cli.handlers.spec import HandlerSpec
from jq_cli.job import Job, gist
from jq_cli.lifecycle import Outcome
from jq_cli.pool.pool import Ended, Pool, PoolOptions
from jq_cli.process.lifeline import Lifeline, boot_time
from jq_cli.process.signals import Signals

TICK = 1.0
POLL = 1.0
POLL_WITHOUT_HINTS = 0.25
LOOK_UP = 5.0
"""Seconds between two looks for new queues, when none are named."""

EMPTY_CHECK = 0.25
PRUNE = 60.0
MAX_CLAIM = 1_000

State = Literal["working", "quiet", "stopping", "stopped"]


class WorkerOptions(msgspec.Struct, frozen=True):
    """How a worker runs. Without `queues`, every queue that has a handler. Seconds.

    until_empty     end when the queues hold nothing ready or running and no retry is pending
    wait_scheduled  with it: wait for jobs delayed by their producers too
    max_running     limits to set on queues before the first claim
    """

    queues: tuple[str, ...] = ()
    until_empty: bool = False
    wait_scheduled: bool = False
    shutdown_timeout: float = 25.0
    max_running: Mapping[str, int] = {}
    pool: PoolOptions = PoolOptions()


class Tally(msgspec.Struct):
    """What this run of a worker did. `dead` counts jobs it sent to the DLQ, `lost` outcomes that came too late."""

    succeeded: int = 0
    failed: int = 0
    dead: int = 0
    lost: int = 0
    interrupted: int = 0


class Worker:
    """Runs until it is stopped by a signal, or its queues are empty when asked for that. `say` gets messages for people,
    `watch_tally` the tally about once a second."""

    def __init__(
        self,
        consumer: Consumer,
        handlers: Mapping[str, HandlerSpec],
        options: WorkerOptions,
        *,
        env: Mapping[str, str],
        say: Callable[[str], None] = lambda _text: None,
        watch_tally: Callable[[Tally], None] = lambda _tally: None,
    ) -> None:
        self.consumer = consumer
        self.options = options
        self.tally = Tally()
        self._handlers = handlers
        self._say = consumer.notice = say
        self._watch_tally = watch_tally
        self._selector = selectors.DefaultSelector()
        self._signals = Signals([signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGTSTP])
        self._state: State = "working"
        self._ended_by: signal.Signals | None = None
        self._stop_at = 0.0
        self._pending: list[tuple[Change, Ended]] = []
        self._queues: tuple[str, ...] = options.queues
        self._watch: Watch | None = None
        self._watched: tuple[str, ...] = ()
        self._dry = False
        self._wants_idle = False
        self._next = dict.fromkeys(("poll", "beat", "tick", "look", "empty", "prune"), 0.0)
        self._lifeline = Lifeline(consumer.lease)
        self._beat_every = consumer.lease * HEARTBEAT / HEARTBEAT_VALID / 1_000
        self._empty = False
        self._pool = Pool(handlers, options.pool, self._selector, env)

    # --- the loop ---

    def run(self) -> int:
        """Work to the end; gives the exit code."""
        try:
            with self._signals:
                self._selector.register(self._signals, selectors.EVENT_READ, lambda: None)
                self._begin()
                while self._state != "stopped":
                    self._step()
                self._finish()
        finally:
            self._pool.close()
            self._selector.close()
        return self._exit_code()

    def _exit_code(self) -> int:
        if self._ended_by is not None:
            return 128 + self._ended_by
        return 7 if self.options.until_empty and self.tally.dead else 0

    def _begin(self) -> None:
        for queue, limit in self.options.max_running.items():
            self.consumer.backend.control(queue, Setting(max_running=limit))
        self._look_up()
        self._register()

    def _step(self) -> None:
        for key, _ in self._selector.select(self._patience()):
            key.data()
        self._fence()
        self._heed()
        self._pool.tick()
        self._collect()
        try:
            self._talk()
        except BackendError as error:
            if not self._lifeline.broken:
                self._say(f"{error}; trying again")
            self._lifeline.failed()
        self._judge_end()

    def _patience(self) -> float:
        if self._lifeline.broken:
            return min(self._pool.patience(), max(0.001, self._lifeline.wait()), 0.5)
        if self._pending or (self._wants_jobs() and not self._dry):
            return 0.0
        return max(0.0, min([self._pool.patience(), *(at - time.monotonic() for at in self._timers())]))

    def _timers(self) -> list[float]:
        names = {"beat", "tick"}
        if self._state == "working":
            names |= {"poll"} | ({"empty"} if self.options.until_empty else set())
        return [self._next[name] for name in names] + ([self._stop_at] if self._stop_at else [])

    def _is_due(self, name: str, every: float) -> bool:
        now = time.monotonic()
        if now < self._next[name]:
            return False
        self._next[name] = now + every
        return True

    # --- talking to the store: at most one call of these may fail in a step ---

    def _talk(self) -> None:
        if not self._lifeline.may_call():
            return
        if self._lifeline.broken:
            self._make_up()
        self._turn()
        if self._is_due("beat", self._beat_every):
            self._beat()
        if self._is_due("tick", TICK):
            self._maintain()
        if not self.options.queues and self._is_due("look", LOOK_UP):
            self._look_up()

    def _make_up(self) -> None:
        """After trouble: renew first, then say again what may not have arrived, then give back what was claimed unheard."""
        self._beat()
        self._write()
        released = self.consumer.release_unknown(self._pool.held())
        self._lifeline.answered()
        self._say(f"the store answers again{f'; gave back {released} jobs claimed meanwhile' if released else ''}")

    def _turn(self) -> None:
        if self._is_due("poll", POLL if self._watch else POLL_WITHOUT_HINTS):
            self._dry = False
        if self._dry or not self._wants_jobs():
            self._write()
            return
        sent_at = boot_time()
        held = bool(self._pool.running())
        room, idle = min(self._pool.room(), MAX_CLAIM), self._pool.idle()
        batch = self._pending
        verdicts, jobs = self.consumer.turn([change for change, _ in batch], self._turn_queues(), room, idle)
        self._pending = []
        self._account(batch, verdicts)
        if not held:
            self._lifeline.renewed(sent_at)
        self._dry = not jobs and idle > 0
        self._wants_idle = not jobs
        self._pool.submit(jobs)

    def _wants_jobs(self) -> bool:
        """Whether to claim: there is room, and when the last claim brought nothing because the next job may not be fetched
        ahead (at_most_once), a child that would start it at once."""
        if self._state != "working" or not self._queues:
            return False
        return (self._pool.idle() if self._wants_idle else self._pool.room()) > 0

    def _turn_queues(self) -> tuple[str, ...]:
        queues = self._queues
        if not self.options.queues and len(queues) > 1:
            self._queues = (*queues[1:], queues[0])
        return queues

    def _write(self) -> None:
        if self._pending:
            batch = self._pending
            verdicts = self.consumer.write([change for change, _ in batch])
            self._pending = []
            self._account(batch, verdicts)

    def _beat(self) -> None:
        sent_at = boot_time()
        jobs = list(self._pool.held().values())
        holds = self.consumer.extend(jobs, self._pool.live) if jobs else []
        self._pool.live.clear()  # only now: without an answer it is shown with the next beat
        self._register()
        self._lifeline.renewed(sent_at)
        for job, hold in zip(jobs, holds, strict=True):
            if hold != "held":
                self._pool.stop(job.id, "cancel" if hold == "stop" else "lost")

    def _register(self) -> None:
        self.consumer.register(
            queues=self.options.queues,
            processes=self.options.pool.processes,
            running=self._pool.running(),
            done=self.tally.succeeded + self.tally.failed,
            state=self._state,
        )

    def _maintain(self) -> None:
        if self.consumer.tick():
            self._dry = False
        if self._is_due("prune", PRUNE):
            self.consumer.prune()
        self._watch_tally(self.tally)

    def _look_up(self) -> None:
        """Find the queues to serve, and watch them for new work."""
        if not self.options.queues:
            known = self.consumer.backend.queues()
            found = tuple(q for q in known if "*" in self._handlers or q in self._handlers)
            self._queues = tuple(q for q in self._queues if q in found) + tuple(
                q for q in found if q not in self._queues
            )
        served = tuple(sorted(self._queues))
        if served != self._watched:
            self._watched = served
            self._rewatch()

    def _rewatch(self) -> None:
        if self._watch is not None:
            self._selector.unregister(self._watch)
            self._watch.close()
        self._watch = self.consumer.backend.watch([f"ready:{queue}" for queue in self._watched])
        if self._watch is not None:
            self._selector.register(self._watch, selectors.EVENT_READ, self._on_hint)
        self._dry = False

    def _on_hint(self) -> None:
        assert self._watch is not None
        try:
            self._watch.drain()
        except BackendError:
            # Polling goes on; hints come back with the next look-up.
            self._selector.unregister(self._watch)
            self._watch.close()
            self._watch, self._watched = None, ()
        self._dry = False

    # --- outcomes ---

    def _collect(self) -> None:
        ended, self._pool.ended = self._pool.ended, []
        for each in ended:
            change = self._settle(each)
            if change is not None:
                self._pending.append((change, each))
        news, self._pool.news = self._pool.news, []
        for text in news:
            self._say(text)

    def _settle(self, ended: Ended) -> Change | None:
        job = ended.job
        match ended.how:
            case "outcome" if ended.outcome is not None:
                return self.consumer.settle(job, ended.outcome)
            case "unstarted":
                return lifecycle.release(job)
            case "lost":
                return self.consumer.lose(job, ended.why)
            case _:
                return self._settle_stopped(ended)

    def _settle_stopped(self, ended: Ended) -> Change | None:
        job = ended.job
        output = ended.outcome.output if ended.outcome else None
        if ended.why == "lost":
            self.tally.lost += 1
            return None
        if ended.why == "timeout":
            return self.consumer.settle(
                job, Outcome("failed", error=f"timed out after {job.timeout:g} s", output=output)
            )
        if ended.why == "cancel":
            job = replace(job, stop=True)
        return self.consumer.settle(job, Outcome("interrupted", output=output))

    def _account(self, batch: Sequence[tuple[Change, Ended]], verdicts: Sequence[Verdict]) -> None:
        for (change, ended), verdict in zip(batch, verdicts, strict=True):
            if verdict == "lost":
                self.tally.lost += 1
                self._say(f"job {change.id}: its lease was lost, so its outcome was not recorded")
            else:
                self._count(change, ended)

    def _count(self, change: Change, ended: Ended) -> None:
        if "succeeded" in change.totals:
            self.tally.succeeded += 1
            return
        self.tally.failed += "failed" in change.totals or "recovered" in change.totals
        self.tally.interrupted += ended.how == "stopped" and not change.totals
        if "dead" in change.totals:
            self.tally.dead += 1
        if change.job is not None and change.totals:
            self._say(_story(change.job, change))
        if change.delay is not None:
            self._next["poll"] = min(self._next["poll"], time.monotonic() + change.delay / 1_000)

    # --- signals and the end ---

    def _heed(self) -> None:
        for number in self._signals.take():
            if number in (signal.SIGUSR1, signal.SIGTSTP):
                self._quiet()
            elif number == signal.SIGHUP:
                self._reload()
            else:
                self._stop(number)

    def _quiet(self) -> None:
        if self._state == "working":
            self._state = "quiet"
            self._say("quiet: no more jobs are claimed; running ones go on")

    def _reload(self) -> None:
        self._say("loading the handlers afresh")
        try:
            self._pool.reload()
        except Exception as error:
            self._say(f"the old handlers stay: {error}")

    def _stop(self, number: signal.Signals) -> None:
        if self._state != "stopping":
            self._state, self._ended_by = "stopping", number
            self._stop_at = time.monotonic() + self.options.shutdown_timeout
            self._pool.give_back()
            if running := self._pool.running():
                wait = format_duration(self.options.shutdown_timeout * 1_000)
                self._say(f"stopping: {running} running jobs may take up to {wait}; Ctrl-C again stops them now")
        elif number == signal.SIGINT:
            self._interrupt_all()

    def _interrupt_all(self) -> None:
        self._pool.kill_all("shutdown")
        self._stop_at = 0.0

    def _judge_end(self) -> None:
        if self._state == "stopping":
            if self._stop_at and time.monotonic() >= self._stop_at:
                self._stop_at = 0.0
                self._pool.stop_all("shutdown")
            if self._nothing_left():
                self._state = "stopped"
        elif self.options.until_empty and self._looks_empty() and self._exhausted():
            self._state = "stopped"

    def _looks_empty(self) -> bool:
        return self._nothing_left() and self._dry and self._is_due("empty", EMPTY_CHECK)

    def _nothing_left(self) -> bool:
        return not (self._pending or self._pool.ended or self._pool.held())

    def _exhausted(self) -> bool:
        try:
            counts = self.consumer.backend.counts(self._queues)
            return not any(c.states["ready"] or c.states["running"] or self._comes_back(c.queue) for c in counts)
        except BackendError:
            self._lifeline.failed()
            return False

    def _comes_back(self, queue: str) -> bool:
        """Whether a scheduled job of the queue is waited for: one that ran before, or any if so asked."""
        cursor: str | None = ""
        while cursor is not None:
            page = self.consumer.backend.page(queue, "scheduled", cursor=cursor or None, limit=500)
            if any(self.options.wait_scheduled or job.generation for job in page.jobs):
                return True
            cursor = page.cursor
        return False

    def _fence(self) -> None:
        if not self._lifeline.snapped() or not self._pool.held():
            return
        self._say("no contact with the store for too long: stopping all handlers before their jobs start elsewhere")
        self._pool.kill_all("shutdown")

    def _finish(self) -> None:
        self._watch_tally(self.tally)
        try:
            self.consumer.unregister()
        except BackendError as error:
            self._say(f"could not remove this worker's registration: {error}")
        if self._watch is not None:
            self._selector.unregister(self._watch)
            self._watch.close()


def _story(job: Job, change: Change) -> str:
    """One line for people about a job that did not succeed."""
    what = gist(job.last_error or "")[:200]
    if job.state == "dead":
        return f"job {job.id} on {job.queue} is dead ({job.reason}): {what}"
    if change.delay is None:
        return f"job {job.id} on {job.queue} is ready again: {what}"
    return f"job {job.id} on {job.queue} failed, next try in {format_duration(change.delay)}: {what}"
