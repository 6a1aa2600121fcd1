"""A Hypothesis state machine: random calls to the memory backend, as the model, and to the store under test; every answer is
compared. All times are a few ms and all names few, so that moments, keys and leases meet often."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from msgspec import Raw

from jq_cli import lifecycle
from jq_cli.backends.base import Claim, Setting
from jq_cli.change import Change
from jq_cli.draft import Draft, make_draft
from jq_cli.errors import Conflict
from jq_cli.job import STATES, Backoff, Job, State
from jq_cli.lifecycle import Keeping, Outcome
from jq_cli.testing.clock import ManualClock
from jq_cli.testing.store import Opener
from jq_cli.testing.twins import Changes, Pair, Twins

QUEUES = ("a", "b")
WORKERS = ("w1", "w2")
BACKOFF = Backoff(0.005, 2.0, 0.02, 0.5)
REMEMBERED = 40

queues = st.sampled_from(QUEUES)
workers = st.sampled_from(WORKERS)
orders = st.sampled_from([("a",), ("b",), ("a", "b"), ("b", "a"), ("a", "never", "b")])
picks = st.lists(st.integers(0, REMEMBERED), min_size=1, max_size=4)
leases = st.sampled_from([5, 10, 20])
keepings = st.sampled_from([
    Keeping(0.02, 100), Keeping(0.02, 100), Keeping(10.0, 2), Keeping(0.005, 1, 0.01), Keeping(0.0, 5), Keeping(1.0, 0),
])  # fmt: skip
keys = st.sampled_from([
    {}, {}, {},
    {"dedup_key": "k"}, {"dedup_key": "k", "dedup_ttl": 0.01}, {"dedup_key": "k", "dedup_until": "done"},
    {"dedup_key": "k", "dedup_until": "done", "dedup_ttl": 0.02},
    {"idempotency_key": "k"}, {"idempotency_key": "k", "idempotency_ttl": 0.01},
    {"dedup_key": "k", "dedup_ttl": 0.005, "idempotency_key": "k", "idempotency_ttl": 0.005},
])  # fmt: skip
options = st.sampled_from([
    {}, {}, {}, {"delivery": "at_most_once"}, {"max_retries": 0}, {"max_losses": 0}, {"backoff": Backoff(0.0)},
    {"retention": 0.0}, {"retention": 0.01}, {"headers": {"a": "b"}, "timeout": 1.5, "max_retries": 9, "max_losses": 9},
])  # fmt: skip
drafts = st.fixed_dictionaries({
    "first": st.sampled_from("123"), "again": st.sampled_from([False] * 7 + [True]), "queue": queues,
    "priority": st.sampled_from([0, 0, 1, -1, 1_000]), "delay": st.sampled_from([0, 0, 0, 1, 5, 10]),
    "expires_in": st.sampled_from([None, None, None, 0, 7, 15]), "payload": st.sampled_from([b"1", b"1", b'{"n": 2}']),
    "keys": keys, "options": options,
})  # fmt: skip
outcomes = st.sampled_from([
    Outcome("succeeded"), Outcome("succeeded", result=Raw(b'{"sum": 3}'), output=b'"out"'), Outcome("failed", error="e"),
    Outcome("failed", error="f", delay=9, output=b'"err"'), Outcome("permanent", error="p"), Outcome("snoozed", delay=6),
    Outcome("snoozed"), Outcome("interrupted"), Outcome("undecodable", error="u"),
])  # fmt: skip
set_controls = st.sampled_from([
    Setting(paused=True, reason="r", by="b"), Setting(paused=True, pause_for=8), Setting(paused=False),
    Setting(paused=False), Setting(max_running=1), Setting(max_running=2), Setting(max_running=0), Setting(max_running=0),
])  # fmt: skip
values = st.sampled_from([None, b"", b"1", b"2"])


class StoreMachine(RuleBasedStateMachine):
    """Steps that producers, workers, tickers and operators take, in any order; stale ones and repeated ones among them."""

    def __init__(self, opener: Opener, namespace: Callable[[], str]) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.twins = Twins(opener(self.clock, namespace()), self.clock)
        self.ids: list[tuple[str, str]] = []
        self.held: list[Pair] = []
        self.sent: list[Changes] = []
        self.number = 0

    # --- producers ---

    @rule(wanted=st.lists(drafts, min_size=1, max_size=3))
    def insert(self, wanted: list[dict[str, Any]]) -> None:
        self.twins.insert([self._draft(**draft) for draft in wanted])

    @rule(queue=queues, priority=st.sampled_from([0, 1]), number=st.integers(2, 5), options=options)
    def insert_alike(self, queue: str, priority: int, number: int, options: dict[str, Any]) -> None:
        like: dict[str, Any] = {"queue": queue, "priority": priority, "delay": 0, "expires_in": None, "payload": b"1"}
        wanted = [self._draft(first="2", again=False, keys={}, options=options, **like) for _ in range(number)]
        self.twins.insert(wanted)

    # --- workers ---

    @rule(order=orders, limit=st.integers(1, 5), worker=workers, lease=leases, idle=st.sampled_from([1_000, 1, 0]))
    def claim(self, order: tuple[str, ...], limit: int, worker: str, lease: int, idle: int) -> None:
        self._remember(self.twins.claim(Claim(order, limit, worker, lease, self._mark(), idle)))

    @precondition(lambda self: self.held)
    @rule(which=picks, outcome=outcomes, rand=st.sampled_from([0.0, 0.5, 1.0]), keeping=keepings)
    def settle(self, which: list[int], outcome: Outcome, rand: float, keeping: Keeping) -> None:
        self._send(self._settling(which, outcome, rand, keeping))

    @precondition(lambda self: self.held)
    @rule(which=picks, outcome=outcomes, keeping=keepings, order=orders, limit=st.integers(1, 3))
    def turn(self, which: list[int], outcome: Outcome, keeping: Keeping, order: tuple[str, ...], limit: int) -> None:
        changes = self._settling(which, outcome, 0.0, keeping)
        self._remember(self.twins.turn(changes, Claim(order, limit, "w1", 10, self._mark())))
        self._note(changes)

    @precondition(lambda self: self.held)
    @rule(which=picks)
    def release(self, which: list[int]) -> None:
        self._send(self._each(self._jobs(which), lifecycle.release))

    @precondition(lambda self: self.held)
    @rule(which=picks, keeping=keepings)
    def report_lost_child(self, which: list[int], keeping: Keeping) -> None:
        self._send(self._each(self._jobs(which), partial(lifecycle.lose, now=self.clock.now, keeping=keeping)))

    @precondition(lambda self: self.held)
    @rule(which=picks)
    def hear_of_stop(self, which: list[int]) -> None:
        """Look again at jobs in hand, as a worker does that was told to stop them."""
        for pair in self._jobs(which):
            now = self.twins.get(pair[0].queue, pair[0].id)
            if now and now[0].state == "running":
                self._remember([now])

    @precondition(lambda self: self.held)
    @rule(which=picks, lease=leases, live=st.booleans())
    def extend(self, which: list[int], lease: int, live: bool) -> None:
        pairs = self._jobs(which)
        self.twins.extend(pairs, lease, {model.id: b'"%d"' % self.number for model, _ in pairs} if live else {})

    @precondition(lambda self: self.sent)
    @rule(which=picks)
    def resend(self, which: list[int]) -> None:
        """Write changes made or sent earlier."""
        self._send(_distinct([self.sent[-1 - n % len(self.sent)] for n in which]))

    # --- maintenance ---

    @rule(keeping=keepings)
    def tick(self, keeping: Keeping) -> None:
        self._send(self._due(keeping))

    @rule(keeping=keepings)
    def look_at_what_is_due_and_write_later(self, keeping: Keeping) -> None:
        self._note(self._due(keeping))

    @rule(worker=workers)
    def recover(self, worker: str) -> None:
        mark = self._mark()
        make = partial(lifecycle.lose, now=self.clock.now, mark=mark)
        self._send(self._each(self.twins.held(worker), make))

    # --- operators ---

    @precondition(lambda self: self.ids)
    @rule(
        what=st.sampled_from(
            [lifecycle.promote, lifecycle.requeue, lifecycle.cancel, lifecycle.cancel, lifecycle.remove]
        ),
        which=picks,
        later=st.booleans(),
    )
    def operate(self, what: Callable[[Job, str], Change], which: list[int], later: bool) -> None:
        mark = self._mark()
        pairs = [self.twins.get(*self.ids[-1 - n % len(self.ids)]) for n in which]
        changes = self._each(_distinct([pair for pair in pairs if pair]), lambda job: what(job, mark))
        if later:
            self._note(changes)
        else:
            self._send(changes)

    @rule(queue=queues, setting=set_controls)
    def control(self, queue: str, setting: Setting) -> None:
        self.twins.control(queue, setting)

    @rule(key=st.sampled_from(["n:1", "n:2", "n%"]), old=values, new=values)
    def swap(self, key: str, old: bytes | None, new: bytes | None) -> None:
        self.twins.swap(key, old, new)

    # --- readers and time ---

    @rule(queue=queues, state=st.sampled_from(STATES), limit=st.integers(1, 4), reverse=st.booleans())
    def page(self, queue: str, state: State, limit: int, reverse: bool) -> None:
        self.twins.compare_pages(queue, state, limit, reverse)

    @precondition(lambda self: self.ids)
    @rule(which=picks)
    def read(self, which: list[int]) -> None:
        chosen = [self.ids[-1 - n % len(self.ids)] for n in which]
        for queue in QUEUES:
            self.twins.look(queue, [id for _, id in chosen])
        self.twins.jobs(lambda backend: [backend.find(chosen[0][1])])

    @rule(worker=workers)
    def look_at_held(self, worker: str) -> None:
        self.twins.held(worker)

    @rule(prefix=st.sampled_from(["", "n", "n:", "n:1", "n%"]))
    def read_notes(self, prefix: str) -> None:
        self.twins.ask(lambda backend: backend.read(prefix))

    @rule(ms=st.sampled_from([1, 1, 2, 3, 5, 10, 10, 20, 200]))
    def advance(self, ms: int) -> None:
        self.clock.advance(ms)

    @invariant()
    def counts_agree(self) -> None:
        self.twins.compare_counts()

    def teardown(self) -> None:
        try:
            self.twins.compare_all(WORKERS)
            self._run_dry()
        finally:
            self.twins.subject.close()

    # --- parts ---

    def _run_dry(self) -> None:
        """Finish everything: what an index forgot stays behind and shows."""
        for queue in QUEUES:
            self.twins.control(queue, Setting(paused=False, max_running=0))
        keeping = Keeping(0.02, 1_000, 0.01)
        for _ in range(3):
            self.clock.advance(1_000_000)
            self._send(self._due(keeping))
            pairs = self.twins.claim(Claim(QUEUES, 1_000, "w1", 10, self._mark()))
            self._send(self._each(pairs, lambda job: lifecycle.succeed(job, Raw(b""), keeping)))
        self.twins.compare_all(WORKERS)

    def _draft(
        self, *, first: str, again: bool, queue: str, priority: int, delay: int, expires_in: int | None, payload: bytes,
        keys: dict[str, Any], options: dict[str, Any],
    ) -> Draft:  # fmt: skip
        id = f"0{first}{self._next():024d}"
        if again and self.ids and self.twins.get(*self.ids[-1]):
            queue, id = self.ids[-1]
        self.ids.append((queue, id))
        fields = {"backoff": BACKOFF, **keys, **options}
        job = Job(id=id, queue=queue, priority=priority, payload=payload, **fields)
        return make_draft(job, delay=delay, expires_in=expires_in)

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
        self.twins.write(changes)
        self._note(changes)

    def _note(self, changes: list[Changes]) -> None:
        self.sent = [*self.sent, *changes][-REMEMBERED:]

    def _remember(self, pairs: list[Pair]) -> None:
        self.held = [*self.held, *pairs][-REMEMBERED:]

    def _jobs(self, which: Sequence[int]) -> list[Pair]:
        return _distinct([self.held[-1 - n % len(self.held)] for n in which])

    def _next(self) -> int:
        self.number += 1
        return self.number

    def _mark(self) -> str:
        return f"m{self._next()}"


def _distinct(pairs: Sequence[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    return list({(pair[0].queue, pair[0].id): pair for pair in pairs}.values())


def run_machine(opener: Opener, namespace: Callable[[], str], *, runs: int, steps: int, **options: Any) -> None:
    """Run the machine so many times for so many steps. `options` are those of `hypothesis.settings`."""
    chosen = settings(
        max_examples=runs,
        stateful_step_count=steps,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        **options,
    )
    factory: Any = partial(StoreMachine, opener, namespace)
    run_state_machine_as_test(factory, settings=chosen)
