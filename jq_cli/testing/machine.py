"""A Hypothesis state machine: random calls to the memory backend, as the model, and to the store under test; every answer is
compared. Stale leases, late writes and calls sent again are among them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from msgspec import Raw

from jq_cli import lifecycle
from jq_cli.backends.base import Claim, Setting
from jq_cli.change import Change
from jq_cli.draft import Draft, make_draft
from jq_cli.errors import Conflict
from jq_cli.job import Job, State
from jq_cli.lifecycle import Keeping, Outcome
from jq_cli.testing import draws
from jq_cli.testing.clock import ManualClock
from jq_cli.testing.draws import QUEUES, REMEMBERED, WORKERS, actions
from jq_cli.testing.store import Opener
from jq_cli.testing.twins import Changes, Pair, Twins

CROWD = 20
"""No more jobs are added while so many wait: few jobs meet more often."""


class StoreMachine(RuleBasedStateMachine):
    """Steps that producers, workers, tickers and operators take, in any order."""

    def __init__(self, opener: Opener, namespace: Callable[[], str]) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.twins = Twins(opener(self.clock, namespace()), self.clock)
        self.ids: list[tuple[str, str]] = []
        self.held: list[Pair] = []
        self.sent: list[Changes] = []
        self.number = 0

    @rule(action=actions)
    def step(self, action: tuple[str, dict[str, Any]]) -> None:
        name, arguments = action
        getattr(self, name)(**arguments)

    # --- producers ---

    def insert(self, wanted: list[dict[str, Any]], copies: int) -> None:
        if self.twins.waiting() < CROWD:
            self.twins.insert([self._draft(**draft) for draft in wanted for _ in range(copies)])

    def insert_when_a_key_ends(self, which: int, draft: dict[str, Any], early: int) -> None:
        keys = self.twins.keys()
        if not keys:
            return
        queue, field, until = keys[which % len(keys)]
        self.clock.advance(max(0, until - early - self.clock.now))
        self.twins.insert([self._draft(**{**draft, "queue": queue, "again": False, "keys": {field: draws.KEY}})])

    # --- workers ---

    def claim(self, order: tuple[str, ...], limit: int, worker: str, lease: int, idle: int) -> None:
        self._remember(self.twins.claim(Claim(order, limit, worker, lease, self._mark(), idle)))

    def settle(self, which: list[int], outcome: Outcome, rand: float, keeping: Keeping) -> None:
        self._send(self._settling(which, outcome, rand, keeping))

    def turn(self, which: list[int], outcome: Outcome, keeping: Keeping, order: tuple[str, ...], limit: int) -> None:
        changes = self._settling(which, outcome, 0.0, keeping)
        self._remember(self.twins.turn(changes, Claim(order, limit, "w1", 10, self._mark())))
        self._note(changes)

    def give_back(self, which: list[int], lost: bool, keeping: Keeping) -> None:
        """Release jobs that were not started, or report a child that died under them."""
        lose = partial(lifecycle.lose, now=self.clock.now, keeping=keeping)
        self._send(self._each(self._jobs(which), lose if lost else lifecycle.release))

    def look_again_and_settle(self, which: list[int], outcome: Outcome, keeping: Keeping) -> None:
        """As a worker does that was told to stop its jobs."""
        seen = [self.twins.get(pair[0].queue, pair[0].id) for pair in self._jobs(which)]
        make = partial(lifecycle.settle, outcome=outcome, now=self.clock.now, rand=0.0, keeping=keeping)
        self._send(self._each([pair for pair in seen if pair and pair[0].state == "running"], make))

    def extend(self, which: list[int], lease: int, live: bool) -> None:
        pairs = self._jobs(which)
        self.twins.extend(pairs, lease, {model.id: b'"%d"' % self._next() for model, _ in pairs} if live else {})

    def resend(self, which: list[int]) -> None:
        """Write changes that were made or sent earlier."""
        self._send(_distinct([self.sent[-1 - n % len(self.sent)] for n in which if self.sent]))

    # --- maintenance and operators ---

    def tick(self, wait: bool, keeping: Keeping, around: tuple[str, str]) -> None:
        if wait:
            self._wait(0)
        self._send_amid(around, self._due(keeping))

    def recover(self, worker: str, around: tuple[str, str]) -> None:
        make = partial(lifecycle.lose, now=self.clock.now, mark=self._mark())
        self._send_amid(around, self._each(self.twins.held(worker), make))

    def operate(self, deed: int, queue: str, which: list[int], around: tuple[str, str]) -> None:
        possible = [(what, ids) for what, state in draws.DEEDS if (ids := self.twins.ids(queue, state))]
        if not possible:
            return
        what, ids = possible[deed % len(possible)]
        mark = self._mark()
        pairs = [self.twins.get(queue, ids[n % len(ids)]) for n in which]
        changes = self._each(_distinct([pair for pair in pairs if pair]), lambda job: what(job, mark))
        self._send_amid(around, changes)

    def control(self, queue: str, setting: Setting) -> None:
        self.twins.ask(lambda backend: backend.control(queue, setting))

    def swap(self, swaps: list[tuple[str, bytes | None, bytes | None]], prefix: str) -> None:
        for key, old, new in swaps:
            self.twins.ask(lambda backend, args=(key, old, new): backend.swap(*args))  # type: ignore[misc]
        self.twins.ask(lambda backend: backend.read(prefix))

    # --- readers and time ---

    def page(self, queue: str, state: State, limit: int, reverse: bool) -> None:
        self.twins.compare_pages(queue, state, limit, reverse)

    def read(self, which: list[int], counted: list[str] | None) -> None:
        chosen = [self.ids[-1 - n % len(self.ids)] for n in which if self.ids]
        self.twins.jobs(lambda backend: [backend.find(id) for _, id in chosen[:1]])
        for queue in QUEUES:
            self.twins.look(queue, [id for _, id in chosen])
        for worker in WORKERS:
            self.twins.held(worker)
        self.twins.ask(lambda backend: backend.counts(counted))

    def advance(self, ms: int) -> None:
        self.clock.advance(ms)

    def advance_to_the_next_moment_that_matters(self, early: int) -> None:
        self._wait(early)

    def teardown(self) -> None:
        try:
            self.twins.compare_all(WORKERS)
            self._run_dry()
            for queue in QUEUES:
                self.twins.look(queue, [id for owner, id in self.ids if owner == queue])
        finally:
            self.twins.subject.close()

    # --- parts ---

    def _run_dry(self) -> None:
        """Finish everything: what an index forgot stays behind and shows."""
        for queue in QUEUES:
            self.control(queue, Setting(paused=False, max_running=0))
        keeping = Keeping(0.02, 1_000, 0.01)
        for _ in range(3):
            self.clock.advance(1_000_000)
            self._send(self._due(keeping))
            pairs = self.twins.claim(Claim(QUEUES, 1_000, "w1", 10, self._mark()))
            self._send(self._each(pairs, lambda job: lifecycle.succeed(job, Raw(b""), keeping)))
        self.twins.compare_all(WORKERS)

    def _draft(
        self,
        *,
        first: str,
        again: bool,
        queue: str,
        delay: int,
        expires_in: int | None,
        keys: dict[str, Any],
        options: dict[str, Any],
        **fields: Any,
    ) -> Draft:
        id = f"0{first}{self._next():024d}"
        if again and self.ids and self.twins.get(*self.ids[-1]):
            queue, id = self.ids[-1]
        self.ids.append((queue, id))
        fields = {"backoff": draws.BACKOFF, **fields, **keys, **options}
        return make_draft(Job(id=id, queue=queue, **fields), delay=delay, expires_in=expires_in)

    def _settling(self, which: Sequence[int], outcome: Outcome, rand: float, keeping: Keeping) -> list[Changes]:
        make = partial(lifecycle.settle, outcome=outcome, now=self.clock.now, rand=rand, keeping=keeping)
        return self._each(self._jobs(which), make)

    def _due(self, keeping: Keeping) -> list[Changes]:
        make = partial(lifecycle.on_due, now=self.clock.now, mark=self._mark(), keeping=keeping)
        return self._each(self.twins.due(), make)

    def _each(self, pairs: Sequence[Pair], make: Callable[[Job], Change]) -> list[Changes]:
        """The change of each pair, leaving out those that policy refuses."""
        changes = []
        for model, subject in pairs:
            try:
                changes.append((make(model), make(subject)))
            except Conflict:
                continue
        return changes

    def _send(self, changes: list[Changes]) -> None:
        if changes:
            self.twins.write(changes)
            self._note(changes)

    def _wait(self, early: int) -> None:
        """Until something becomes due or ends, or a little before."""
        moment = self.twins.next_moment()
        if moment is not None:
            self.clock.advance(max(0, moment - early - self.clock.now))

    def _send_amid(self, around: tuple[str, str], changes: list[Changes]) -> None:
        """Send changes amid what the workers of their jobs do; or not now, but whenever `resend` comes upon them."""
        ids = {change.id for change, _ in changes}
        touched = _distinct([pair for pair in self.held if pair[0].id in ids])
        meanwhile, afterwards = around
        if meanwhile == "something":
            self._note(changes)
            return
        self._happen(meanwhile, touched)
        self._send(changes)
        self._happen(afterwards, touched)

    def _happen(self, what: str, pairs: list[Pair]) -> None:
        """What workers do who believe that they hold these jobs."""
        if what == "a takeover":
            self._remember(self.twins.claim(Claim(QUEUES, 5, "w2", 10, self._mark())))
        if what in ("a heartbeat", "a takeover"):
            self.twins.extend(pairs, 10, {})
        if what in ("an end", "a takeover"):
            keeping = Keeping(10.0, 1 + self.number % 3)
            ends = (
                partial(lifecycle.succeed, result=Raw(b"4")),
                partial(lifecycle.snooze, delay=3),
                lifecycle.interrupt,
            )
            self._send(self._each(pairs, partial(ends[self.number % 3], keeping=keeping)))

    def _note(self, changes: list[Changes]) -> None:
        self.sent = [*self.sent, *changes][-REMEMBERED:]

    def _remember(self, pairs: list[Pair]) -> None:
        self.held = [*self.held, *pairs][-REMEMBERED:]

    def _jobs(self, which: Sequence[int]) -> list[Pair]:
        """Jobs in hand; one pick in eight takes one whose lease may be lost."""
        live = [pair for pair in self.held if self.twins.holds(pair[0])] or self.held
        chosen = [(live if n % 8 else self.held, n) for n in which if self.held]
        return _distinct([pairs[-1 - n % len(pairs)] for pairs, n in chosen])

    def _next(self) -> int:
        self.number += 1
        return self.number

    def _mark(self) -> str:
        return f"m{self._next()}"


def _distinct(pairs: Sequence[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    return list({(pair[0].queue, pair[0].id): pair for pair in pairs}.values())


def run_machine(opener: Opener, namespace: Callable[[], str], *, runs: int, steps: int, **options: Any) -> None:
    """Run the machine so many times for so many steps. `options` are those of `hypothesis.settings`."""
    usual: dict[str, Any] = {
        "deadline": None,
        "print_blob": True,
        "report_multiple_bugs": False,
        "phases": [phase for phase in Phase if phase is not Phase.explain],  # that takes longer than all else together
        "suppress_health_check": list(HealthCheck),
    }
    chosen = settings(max_examples=runs, stateful_step_count=steps, **{**usual, **options})
    factory: Any = partial(StoreMachine, opener, namespace)
    run_state_machine_as_test(factory, settings=chosen)
