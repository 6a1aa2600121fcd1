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

from jq_cli.consumer import HEARTBEAT, HEARTBEAT_VALID, Consumer
from jq_cli.durations import format_duration
from jq_cli.errors import BackendError
from jq_cli.handlers.spec import HandlerSpec
from jq_cli.limits import bring_limits
from jq_cli.pool.pool import Pool
from jq_cli.process.lifeline import Lifeline, boot_time
from jq_cli.process.signals import Signals
from jq_cli.worker.emptiness import Emptiness
from jq_cli.worker.exchange import Exchange
from jq_cli.worker.options import Tally, WorkerOptions
from jq_cli.worker.outcomes import Outcomes
from jq_cli.worker.pace import EMPTY_CHECK, LOOK_UP, POLL, POLL_WITHOUT_HINTS, PRUNE, TICK, Pace
from jq_cli.worker.part import Part
from jq_cli.worker.registration import registration
from jq_cli.worker.served import Served
from jq_cli.worker.timers import Timers

State = Literal["working", "quiet", "stopping", "stopped"]


class Worker:
    """Runs until it is stopped by a signal, or its queues are empty when asked for that. `say` gets messages for people,
    `watch_tally` the tally about once a second; `parts` get their turns in the loop."""

    def __init__(
        self,
        consumer: Consumer,
        handlers: Mapping[str, HandlerSpec],
        options: WorkerOptions,
        *,
        env: Mapping[str, str],
        say: Callable[[str], None] = lambda _text: None,
        watch_tally: Callable[[Tally], None] = lambda _tally: None,
        parts: Sequence[Part] = (),
    ) -> None:
        self.consumer = consumer
        self.options = options
        self._say = consumer.notice = say
        self._watch_tally = watch_tally
        self._parts = parts
        self._started: list[Part] = []
        self._selector = selectors.DefaultSelector()
        self._signals = Signals([signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGTSTP])
        self._state: State = "working"
        self._ended_by: signal.Signals | None = None
        self._stop_at = 0.0
        self._timers = Timers("poll", "beat", "tick", "look", "empty", "prune")
        self._pace = Pace(consumer.backend.idle_poll, consumer.lease * HEARTBEAT / HEARTBEAT_VALID / 1_000)
        self._outcomes = Outcomes(consumer, say, lambda delay: self._timers.hasten("poll", delay / 1_000))
        self._served = Served(consumer.backend, options.queues, handlers, self._selector)
        self._emptiness = Emptiness(consumer.backend, say, wait_scheduled=options.wait_scheduled)
        self._hurried = False
        self._lifeline = Lifeline(consumer.lease)
        self._pool = Pool(handlers, options.pool, self._selector, env)
        self._exchange = Exchange(
            consumer, self._pool, self._outcomes, self._served, found=self._found, contact=self._lifeline.renewed
        )

    @property
    def tally(self) -> Tally:
        """What this run did so far."""
        return self._outcomes.tally

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
            for part in self._started:
                part.close()
            self._selector.close()
        return self._exit_code()

    def _exit_code(self) -> int:
        if self._ended_by is not None:
            return 128 + self._ended_by
        return 7 if self.options.until_empty and self.tally.dead else 0

    def _begin(self) -> None:
        for news in bring_limits(self.consumer.backend, self.options.max_running):
            self._say(news)
        self._served.look_up()
        self._register()
        for part in self._parts:
            part.start(self._selector)
            self._started.append(part)

    def _step(self) -> None:
        for key, _ in self._selector.select(self._patience()):
            key.data()
        self._fence()
        self._heed()
        self._pool.tick()
        self._collect()
        for part in self._parts:
            part.tick()
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
        if self._exchange.pressing:
            return 0.0
        names = ["beat", "tick"]
        if self._state == "working":
            names += ["poll", "empty"] if self.options.until_empty else ["poll"]
        waits = [self._pool.patience(), self._timers.wait(*names), *(part.patience() for part in self._parts)]
        if self._stop_at:
            waits.append(self._stop_at - time.monotonic())
        return max(0.0, min(waits))

    # --- talking to the store: at most one call of these may fail in a step ---

    def _talk(self) -> None:
        if not self._lifeline.may_call():
            return
        if self._undisturbed() and self._exchange.overlap():
            return
        landed = self._exchange.land()
        if not self._pool.running():  # the children wait: they come before the store
            self._pool.submit(landed)
            landed = []
        try:
            if self._lifeline.broken:
                self._make_up()
            self._keep_up()
            self._exchange.turn(len(landed))
        finally:
            self._pool.submit(landed)

    def _undisturbed(self) -> bool:
        """Whether nothing but turns is to be done with the store."""
        names = ("beat", "tick", "poll", *(() if self.options.queues else ("look",)))
        waits = [self._timers.wait(*names), *(part.patience() for part in self._parts)]
        return not self._lifeline.broken and min(waits) > 0

    def _keep_up(self) -> None:
        if self._timers.due("beat", self._pace.beat(bool(self._pool.held()))):
            self._beat()
        if self._timers.due("tick", self._pace.pause(TICK)):
            self._maintain()
        if not self.options.queues and self._timers.due("look", LOOK_UP):
            self._served.look_up()
        for part in self._parts:
            part.talk()
        if self._timers.due("poll", POLL if self._served.hinted else self._pace.pause(POLL_WITHOUT_HINTS)):
            self._served.dry = False

    def _make_up(self) -> None:
        """After trouble: renew first, then say again what may not have arrived, then give back what was claimed unheard."""
        self._beat()
        self._outcomes.write()
        released = self.consumer.release_unknown(self._pool.held())
        self._lifeline.answered()
        back = f"; gave back {released} job{'s' if released > 1 else ''} claimed meanwhile" if released else ""
        self._say(f"the store answers again{back}")

    def _found(self) -> None:
        """Jobs came, whose leases must be kept."""
        self._pace.found()
        self._timers.hasten("beat", self._pace.beat(True))

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
        beat = self._pace.beat(bool(self._pool.held()))
        about = registration(self.options, self._pool, self._parts, tally=self.tally, state=self._state, beat=beat)
        self.consumer.register(**about)

    def _maintain(self) -> None:
        if self.consumer.tick():
            self._served.dry = False
        if self._timers.due("prune", PRUNE):
            self.consumer.prune()
        self._watch_tally(self.tally)

    def _collect(self) -> None:
        ended, self._pool.ended = self._pool.ended, []
        self._outcomes.add(ended)
        news, self._pool.news = self._pool.news, []
        for text in news:
            self._say(text)

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
            self._state, self._exchange.claims = "quiet", False
            self._say("quiet: no more jobs are claimed; running ones go on")

    def _reload(self) -> None:
        self._say("loading the handlers afresh")
        try:
            self._pool.reload()
        except Exception as error:
            self._say(f"the old handlers stay: {error}")

    def _stop(self, number: signal.Signals) -> None:
        if self._state != "stopping":
            self._state, self._ended_by, self._exchange.claims = "stopping", number, False
            self._stop_at = time.monotonic() + self.options.shutdown_timeout
            self._pool.give_back()
            if running := self._pool.running():
                wait = format_duration(self.options.shutdown_timeout * 1_000)
                jobs, them = ("job", "it") if running == 1 else ("jobs", "them")
                self._say(f"stopping: {running} running {jobs} may take up to {wait}; Ctrl-C again stops {them} now")
        elif number == signal.SIGINT:
            self._pool.kill_all("shutdown")
            self._stop_at, self._hurried = 0.0, True

    def _judge_end(self) -> None:
        if self._state == "stopping":
            if self._stop_at and time.monotonic() >= self._stop_at:
                self._stop_at = 0.0
                self._pool.stop_all("shutdown")
            if self._lifeline.broken and not self._pool.held() and (self._hurried or self._outcomes.worthless):
                self._outcomes.abandon()
            if self._nothing_left():
                self._state = "stopped"
        elif self.options.until_empty and self._looks_empty() and self._exhausted():
            self._state = "stopped"

    def _looks_empty(self) -> bool:
        return self._nothing_left() and self._served.dry and self._timers.due("empty", self._pace.pause(EMPTY_CHECK))

    def _nothing_left(self) -> bool:
        return self._exchange.over and not (self._pool.ended or self._pool.held())

    def _exhausted(self) -> bool:
        try:
            return self._emptiness.reached(self._served.queues)
        except BackendError:
            self._lifeline.failed()
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
        self._served.close()
