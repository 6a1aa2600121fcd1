"""Many schedulers on one store in simulated time: each store call of each of them is a step of its own, and at each step the
scheduler may be killed, before the call or after it, or get no answer. One random seed gives one history.

The schedulers are real threads that run one at a time: a thread waits before each store call until the simulation gives it its
turn. Time stands still while they run and moves when all sleep; the store's clock may jump.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from jq_cli.backends.base import Backend, Inserted
from jq_cli.config.settings import Settings
from jq_cli.consumer import Consumer
from jq_cli.cron import scheduler as module
from jq_cli.cron.scheduler import BUDGET, RETRY, Scheduler
from jq_cli.draft import Draft
from jq_cli.errors import BackendUnreachable
from jq_cli.job import FINAL
from jq_cli.lifecycle import Keeping, Outcome

MINUTE = 60_000
HOUR = 60 * MINUTE
CALLS = frozenset({"now", "read", "swap", "insert", "get"})


def look_seldom(patch: pytest.MonkeyPatch) -> None:
    """Looks when nothing is due would only take time: nobody edits schedules here, and jobs end once in a while. Some turns end
    before everything had its turn, as chance has it and not the load of this machine: so a history follows from its seed."""
    chance = random.Random(0)
    patch.setattr(module, "LOOK", 30 * MINUTE)
    patch.setattr(module, "WAITING", MINUTE)
    patch.setattr(module, "time", SimpleNamespace(monotonic=lambda: chance.uniform(0, 1.2 * BUDGET)))


class Killed(BaseException):
    """The process is gone."""


class Watched:
    """A store as one scheduler sees it: every call is a step of the simulation."""

    def __init__(self, backend: Backend, actor: "Actor") -> None:
        self._backend = backend
        self._actor = actor

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._backend, name)
        if name not in CALLS:
            return call

        def stepped(*args: Any, **kwargs: Any) -> Any:
            fate = self._actor.next_step()
            self._actor.suffer(fate, "before")
            answer = call(*args, **kwargs)
            if name == "insert":
                self._actor.simulation.inserted(args[0], answer)
            self._actor.suffer(fate, "after")
            return answer

        return stepped


def _signal() -> threading.Lock:
    """What one thread releases and another waits for: a lock that is held, which is cheaper than a semaphore."""
    lock = threading.Lock()
    lock.acquire()
    return lock


class Actor:
    """One scheduler and its process. It sleeps until `wake`, ms of real time, which the store's clock need not follow."""

    def __init__(self, simulation: "Simulation", number: int) -> None:
        self.simulation = simulation
        self.wake = 0
        self.ended = False
        self.error: BaseException | None = None
        self._go, self._stopped = _signal(), _signal()
        self._thread = threading.Thread(target=self._run, name=f"scheduler-{number}", daemon=True)
        self._thread.start()

    def step(self) -> None:
        """Let it run up to its next store call."""
        self._go.release()
        self._stopped.acquire()
        if self.error is not None:
            raise self.error

    def next_step(self) -> tuple[str, str]:
        self._pause()
        return self.simulation.fate()

    def suffer(self, fate: tuple[str, str], when: str) -> None:
        if fate == ("kill", when):
            raise Killed
        if fate == ("silence", when):
            raise BackendUnreachable("no answer")

    def _pause(self) -> None:
        self._stopped.release()
        self._go.acquire()
        if self.simulation.over:
            raise SystemExit

    def _sleep(self, ms: int) -> None:
        self.wake = self.simulation.time + ms
        self._pause()

    def _run(self) -> None:
        self._go.acquire()
        try:
            with self.simulation.open() as backend:
                while True:
                    self._live(backend)
        except SystemExit:
            pass
        except BaseException as error:
            self.error = error
        self.ended = True
        self._stopped.release()

    def _live(self, backend: Backend) -> None:
        scheduler = Scheduler(Watched(backend, self), self.simulation.settings)  # type: ignore[arg-type]
        while True:
            try:
                started = self.simulation.clock()
                wait = scheduler.tick()
            except Killed:
                self.simulation.kills += 1
                self._sleep(self.simulation.chance.choice([0, MINUTE, 20 * MINUTE, 3 * HOUR]))
                return
            except BackendUnreachable:
                wait, started = 1_000, None
            if wait > RETRY and started == self.simulation.clock():
                self.simulation.looks.append(started)
            self._sleep(wait)


class Simulation:
    """`open` gives a connection to the store, whose clock must be `clock`; `harm` is the chance of a fate at each step."""

    def __init__(
        self, open: Callable[[], Backend], settings: Settings, clock: "Clock", *, seed: int, harm: float
    ) -> None:
        self.open = open
        self.settings = settings
        self.clock = clock
        self.chance = random.Random(seed)
        self.harm = harm
        self.over = False
        self.kills = self.jumps = self.silences = 0
        self.fired: Counter[tuple[str, int]] = Counter()
        self.looks: list[int] = []
        self.unfinished: dict[str, set[str]] = {}
        self._next_jump = self._next_outage = 0

    @property
    def time(self) -> int:
        return self.clock.time

    def run(self, actors: int, duration: int) -> None:
        """Let so many schedulers live for so many ms, then let one come to rest at the latest moment that the store ever told."""
        everybody = [Actor(self, number) for number in range(actors)]
        backend = self.open()
        consumer = self._consumer(backend)
        end, next_work = self.time + duration, self.time
        self._next_jump, self._next_outage = self.time + 8 * HOUR, self.time + 12 * HOUR
        try:
            while self.time < end:
                ready = [actor for actor in everybody if actor.wake <= self.time]
                if ready:
                    self.chance.choice(ready).step()
                    continue
                self.clock.time = min(min(actor.wake for actor in everybody), next_work)
                if self.time >= next_work:
                    self._work(consumer)
                    next_work = self.time + self.chance.randrange(10, 120) * MINUTE
                self._disturb(everybody)
        finally:
            self.over = True
            for actor in everybody:
                if not actor.ended:
                    actor._go.release()
                actor._thread.join(10)
        self._come_to_rest(backend, consumer)
        backend.close()

    def run_alone(self, moments: Sequence[tuple[int, int]]) -> None:
        """Let one scheduler look at these moments, each so many ms from the start and by a clock that is wrong by so many ms; then
        let one come to rest."""
        backend, start = self.open(), self.time
        scheduler = Scheduler(Recorder(backend, self), self.settings)  # type: ignore[arg-type]
        for passed, wrong in moments:
            self.clock.time, self.clock.skew = start + passed, wrong
            while scheduler.tick() <= RETRY:
                pass
            self.looks.append(self.clock())
        self._come_to_rest(backend, self._consumer(backend))

    def _consumer(self, backend: Backend) -> Consumer:
        return Consumer(backend, keeping=lambda _queue: Keeping(retention=0), rand=self.chance.random)

    def fate(self) -> tuple[str, str]:
        if self.chance.random() >= self.harm:
            return "none", ""
        kind = self.chance.choice(["kill", "silence"])
        self.silences += kind == "silence"
        return kind, self.chance.choice(["before", "after"])

    def inserted(self, drafts: Sequence[Draft], answers: Sequence[Inserted]) -> None:
        """Write down what the store accepted, whoever hears of it."""
        for draft, answer in zip(drafts, answers, strict=True):
            if answer.status == "created":
                name, _, tick = str(draft.job.dedup_key).removeprefix("cron:").rpartition(":")
                self.fired[name, int(tick)] += 1
                self._overlaps(name, answer.id)

    def _overlaps(self, name: str, id: str) -> None:
        others = self.unfinished.setdefault(name, set())
        others.add(id)
        if self.settings.schedules[name].overlap != "allow":
            assert len(others) == 1, f"two jobs of {name} at once: {others}"

    def _work(self, consumer: Consumer) -> None:
        """Finish some of the jobs, so that nothing but its key tells that a tick has fired."""
        consumer.tick()
        queues = sorted({schedule.queue for schedule in self.settings.schedules.values()})
        while jobs := consumer.claim(queues, self.chance.randrange(1, 50)):
            done = [job for job in jobs if self.chance.random() < 0.6]
            consumer.write([consumer.settle(job, Outcome("succeeded")) for job in done])
            if len(done) < len(jobs):
                consumer.release_unknown({job.id: job for job in done})
                break
        for name, ids in self.unfinished.items():
            jobs = consumer.backend.get(self.settings.schedules[name].queue, sorted(ids))
            self.unfinished[name] = {job.id for job in jobs if job is not None and job.state not in FINAL}

    def _disturb(self, everybody: list[Actor]) -> None:
        if self.time >= self._next_jump:
            self.jumps += 1
            self.clock.skew = 0 if self.clock.skew else self.chance.choice([HOUR, -HOUR])
            self._next_jump = self.time + self.chance.randrange(4, 20) * HOUR
        if self.time >= self._next_outage:
            for actor in everybody:
                if actor.wake > self.time:
                    actor.wake = max(actor.wake, self.time + self.chance.randrange(1, 8) * HOUR)
            self._next_outage = self.time + self.chance.randrange(24, 72) * HOUR

    def _come_to_rest(self, backend: Backend, consumer: Consumer) -> None:
        self.clock.skew = 0
        self.clock.time = self.clock.latest + MINUTE
        scheduler = Scheduler(Recorder(backend, self), self.settings)  # type: ignore[arg-type]
        for _ in range(200):
            if scheduler.tick() > RETRY:
                self.clock.time += 4_000
                self._work(consumer)
        self.end = self.clock() // 1_000


class Recorder:
    """A store that tells the simulation what was inserted, and does no harm."""

    def __init__(self, backend: Backend, simulation: Simulation) -> None:
        self._backend = backend
        self._simulation = simulation

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def insert(self, drafts: Sequence[Draft]) -> list[Inserted]:
        answers = self._backend.insert(drafts)
        self._simulation.inserted(drafts, answers)
        return answers


class Clock:
    """The store's clock: real time and what it is wrong by. `latest`: the latest that it ever showed."""

    def __init__(self, start: int) -> None:
        self.time = self.latest = start
        self.skew = 0

    def __call__(self) -> int:
        shown = self.time + self.skew
        self.latest = max(self.latest, shown)
        return shown
