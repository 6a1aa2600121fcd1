"""What the random runs draw from. All times are a few ms and all names few, so that moments, keys and leases meet often."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from msgspec import Raw

from jq_cli import lifecycle
from jq_cli.backends.base import Setting
from jq_cli.change import Change
from jq_cli.job import STATES, Backoff, Job, State
from jq_cli.lifecycle import Keeping, Outcome

QUEUES = ("a", "b")
WORKERS = ("w1", "w2")
KEY = "k"
REMEMBERED = 40
BACKOFF = Backoff(0.005, 2.0, 0.02, 0.5)

Deed = tuple[Callable[[Job, str], Change], State]
"""Something an operator does, and the state of the jobs it is done to."""

queues = st.sampled_from(["a", "a", "b"])
workers = st.sampled_from(WORKERS)
states = st.sampled_from(STATES)
orders = st.sampled_from([("a",), ("b",), ("a", "b"), ("b", "a"), ("a", "never", "b")])
idle = st.sampled_from([1_000, 1_000, 1, 1, 2, 0])
picks = st.lists(st.integers(0, REMEMBERED), min_size=1, max_size=4)
leases = st.sampled_from([5, 10, 20])
chances = st.sampled_from([0.0, 0.5, 1.0])
keepings = st.sampled_from([
    Keeping(0.02, 100), Keeping(10.0, 2), Keeping(10.0, 2), Keeping(0.005, 1, 0.01), Keeping(0.0, 5), Keeping(1.0, 0),
])  # fmt: skip
keys = st.sampled_from([
    {}, {},
    {"dedup_key": KEY}, {"dedup_key": KEY, "dedup_ttl": 0.01}, {"dedup_key": KEY, "dedup_until": "done"},
    {"dedup_key": KEY, "dedup_until": "done", "dedup_ttl": 0.02},
    {"idempotency_key": KEY}, {"idempotency_key": KEY, "idempotency_ttl": 0.01},
    {"dedup_key": KEY, "dedup_ttl": 0.005, "idempotency_key": KEY, "idempotency_ttl": 0.005},
])  # fmt: skip
options = st.sampled_from([
    {}, {}, {"delivery": "at_most_once"}, {"delivery": "at_most_once"}, {"delivery": "at_most_once"}, {"max_retries": 0},
    {"max_losses": 0}, {"backoff": Backoff(0.0)}, {"retention": 0.0}, {"retention": 0.06},
    {"headers": {"a": "b"}, "timeout": 1.5, "max_retries": 9, "max_losses": 9},
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
DEEDS: list[Deed] = [
    (lifecycle.promote, "scheduled"), (lifecycle.requeue, "dead"), (lifecycle.requeue, "dead"), (lifecycle.cancel, "ready"),
    (lifecycle.cancel, "scheduled"), (lifecycle.cancel, "running"), (lifecycle.cancel, "running"), (lifecycle.cancel, "running"),
    (lifecycle.remove, "ready"), (lifecycle.remove, "scheduled"), (lifecycle.remove, "succeeded"), (lifecycle.remove, "dead"),
    (lifecycle.remove, "cancelled"),
]  # fmt: skip
settings_of_a_queue = st.sampled_from([
    Setting(paused=True, reason="r", by="b"), Setting(paused=True, pause_for=8), Setting(paused=True, pause_for=8),
    Setting(paused=False), Setting(paused=False), Setting(max_running=1), Setting(max_running=2), Setting(max_running=0),
    Setting(max_running=0),
])  # fmt: skip
values = st.sampled_from([None, b"", b"1", b"2"])
early = st.sampled_from([0, 0, 1])
notes = st.sampled_from(["n:1", "n:2", "n%"])
prefixes = st.sampled_from(["", "n", "n:", "n:1", "n%"])
around = st.tuples(
    st.sampled_from(["nothing", "nothing", "nothing", "a heartbeat", "an end", "something"]),
    st.sampled_from(["nothing", "nothing", "a heartbeat", "an end", "a takeover"]),
)
"""What the workers of the jobs do between the moment somebody looks at them and the moment he writes, and after that."""

_ACTIONS: dict[str, tuple[int, dict[str, st.SearchStrategy[Any]]]] = {
    "advance": (1, {"ms": st.sampled_from([1, 1, 2, 5, 10, 200])}),
    "insert": (3, {"wanted": st.lists(drafts, min_size=1, max_size=3), "copies": st.sampled_from([1, 1, 3])}),
    "insert_when_a_key_ends": (1, {"which": st.integers(0, 9), "draft": drafts, "early": early}),
    "claim": (
        4,
        {"order": orders, "limit": st.sampled_from([5, 1, 2, 3]), "worker": workers, "lease": leases, "idle": idle},
    ),
    "settle": (2, {"which": picks, "outcome": outcomes, "rand": chances, "keeping": keepings}),
    "turn": (
        1,
        {"which": picks, "outcome": outcomes, "keeping": keepings, "order": orders, "limit": st.integers(1, 3)},
    ),
    "give_back": (1, {"which": picks, "lost": st.booleans(), "keeping": keepings}),
    "look_again_and_settle": (1, {"which": picks, "outcome": outcomes, "keeping": keepings}),
    "extend": (1, {"which": picks, "lease": leases, "live": st.booleans()}),
    "resend": (1, {"which": picks}),
    "tick": (2, {"wait": st.booleans(), "keeping": keepings, "around": around}),
    "recover": (1, {"worker": workers, "around": around}),
    "operate": (3, {"deed": st.integers(0, 99), "queue": queues, "which": picks, "around": around}),
    "control": (2, {"queue": queues, "setting": settings_of_a_queue}),
    "swap": (1, {"swaps": st.lists(st.tuples(notes, values, values), max_size=6), "prefix": prefixes}),
    "page": (1, {"queue": queues, "state": states, "limit": st.integers(1, 4), "reverse": st.booleans()}),
    "read": (1, {"which": picks, "counted": st.none() | st.lists(st.sampled_from(["a", "b", "never"]), max_size=3)}),
    "advance_to_the_next_moment_that_matters": (1, {"early": early}),
}
"""The steps of a run: how often each is taken, and its arguments. The first is what a failing run is made of when its other
steps do not matter."""

actions = st.one_of(
    [
        st.tuples(st.just(name), st.fixed_dictionaries(arguments))
        for name, (weight, arguments) in _ACTIONS.items()
        for _ in range(weight)
    ]
)
"""One step. A single choice among all steps, not a Hypothesis rule for each: it would leave out some rules in each run, and a
run without inserts or claims finds nothing."""
