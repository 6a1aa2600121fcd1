"""A process that dies before or after any request of any call leaves the store as it was or as it should be, whole."""

import os
from collections.abc import Callable
from typing import Any

import pytest

from jq_cli.backends.base import Claim, Setting
from jq_cli.backends.objects import log
from jq_cli.backends.objects.backend import ObjectsBackend
from jq_cli.backends.objects.places import EVERY
from jq_cli.errors import BackendUnreachable
from jq_cli.job import lease_of
from jq_cli.testing import ManualClock
from tests.backends.dict_store import DictStore, Happening
from tests.backends.objects_jobs import backend, claim, draft, succeeded, told

CLOCK = ManualClock()
IDS = [f"01ARZ3NDEKTSV4RRFFQ69G5{n:03d}" for n in range(40)]
LARGE = b'"' + b"x" * 100_000 + b'"'
Call = Callable[[ObjectsBackend], Any]


class Died(BaseException):
    """The process is gone."""


class Cut:
    """Raises at one of the requests, before or after it takes effect."""

    def __init__(self, at: int, phase: str, error: BaseException) -> None:
        self.left, self.phase, self.error, self.hit = at, phase, error, False

    def __call__(self, request: str, name: str, phase: str) -> None:
        if phase == "before":
            self.left -= 1
        if self.left == 0 and phase == self.phase and not self.hit:
            self.hit = True
            raise self.error


def populated() -> DictStore:
    """A store with jobs in every state, keys, outputs, notes and controls."""
    store = DictStore()
    with backend(store, CLOCK) as jq:
        jq.insert([draft(id=IDS[n], idempotency_key=f"k{n}", headers={"n": str(n)}) for n in range(8)])
        jq.insert(
            [draft(LARGE, id=IDS[8]), draft(id=IDS[9], delay=60_000), draft(id=IDS[10], dedup_key="d", dedup_ttl=0.001)]
        )
        jobs = claim(jq, 6, name="first")
        jq.replace([succeeded(job, count=2) for job in jobs[:4]])
        jq.extend([lease_of(jobs[4])], lease=5_000, live={jobs[4].id: b'"live"'})
        jq.swap("note", None, b"1")
        jq.control("q", Setting(max_running=30))
    return store


def running(jq: ObjectsBackend) -> list[Any]:
    return jq.held("w")


def forget(jq: ObjectsBackend) -> Any:
    CLOCK.advance(10)
    try:
        return jq.due(10)
    finally:
        CLOCK.advance(-10)


CALLS: dict[str, Call] = {
    "insert": lambda jq: jq.insert(
        [draft(id=IDS[20], dedup_key="e"), draft(LARGE, id=IDS[21]), draft(id=IDS[22], dedup_key="e", queue="p"), draft(id=IDS[0])]
    ),
    "claim": lambda jq: claim(jq, 3, name="second"),
    "turn": lambda jq: jq.turn([succeeded(job) for job in running(jq)], Claim(("p", "q"), 2, "w2", 9_000, "third")),
    "extend": lambda jq: jq.extend([lease_of(job) for job in running(jq)], lease=70_000, live={IDS[4]: b'"more"'}),
    "replace": lambda jq: jq.replace([succeeded(job, count=1) for job in running(jq)]),
    "replace, large": lambda jq: jq.replace([succeeded(job) for job in claim(jq, 3, name="fourth")]),
    "swap": lambda jq: jq.swap("note", b"1", b"2"),
    "control": lambda jq: jq.control("q", Setting(paused=True, reason="r")),
    "due": forget,
    "readers": lambda jq: [jq.get("q", IDS), jq.page("q", "ready"), jq.counts(), jq.find(IDS[8]), jq.outputs("q", IDS)],
}  # fmt: skip


def contended(call: Call) -> Call:
    """The call when another process makes each of the next three commits first, so that a place in the line is taken."""

    def run(jq: ObjectsBackend) -> Any:
        store: Any = jq._store
        rival, cut, left = backend(store.beside(), CLOCK), store.happening, list("abc")

        def both(request: str, name: str, phase: str) -> None:
            if left and request == "create" and name.startswith("log/") and phase == "before":
                rival.control("other", Setting(paused=True, reason=left.pop()))
            cut(request, name, phase)

        store.happening = both
        return call(jq)

    return run


def polite(call: Call) -> Call:
    """The call at a commit which somebody has a place for that is gone."""

    def run(jq: ObjectsBackend) -> Any:
        store: Any = jq._store
        rival = backend(store.beside(), CLOCK)
        while rival._log.number % EVERY != EVERY - 1:
            rival.swap("number", next(iter(rival.read("number").values()), None), str(rival._log.number).encode())
        store.objects["want/" + "1".zfill(16)] = b"gone\n"
        return call(jq)

    return run


CALLS |= {f"{name}, contended": contended(CALLS[name]) for name in ("insert", "turn", "extend", "due")}
CALLS |= {f"{name}, polite": polite(CALLS[name]) for name in ("insert", "turn", "extend")}


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses of the log, in seconds; nothing else takes time."""
    made: list[float] = []
    monkeypatch.setattr(log, "boot_time", lambda: 5_000 + sum(made))
    monkeypatch.setattr(log, "_pause", lambda _number: made.append(0.25))
    return made


def outcomes(store: DictStore, call: Call) -> list[Any]:
    """What a store tells before, and after each commit of a call that nothing disturbs."""
    told_so_far = [told(backend(store.copy(), CLOCK))]
    with backend(store.copy(), CLOCK) as jq:
        number = max(commits(store))
        call(jq)
        last = max(commits(jq._store))  # type: ignore[arg-type]
        for end in range(number + 1, last + 1):
            part = jq._store.copy()  # type: ignore[attr-defined]
            part.objects = {k: v for k, v in part.objects.items() if "log/" not in k or int(k[4:]) <= end}
            told_so_far.append(told(backend(part, CLOCK)))
    return told_so_far


def commits(store: DictStore) -> list[int]:
    return [int(name[4:]) for name in store.objects if name.startswith("log/")]


def cut_everywhere(store: DictStore, call: Call, error: Callable[[], BaseException], check: Callable[..., None]) -> int:
    """Run a call on copies of a store, cut at each of its requests."""
    requests = 0
    while True:
        requests += 1
        for phase in ("before", "after"):
            cut = Cut(requests, phase, error())
            copy = store.copy()
            with backend(copy.beside(cut), CLOCK) as jq:
                try:
                    call(jq)
                except (Died, BackendUnreachable):
                    assert cut.hit
                if not cut.hit:
                    return requests - 1
                check(copy, jq)


@pytest.mark.parametrize("name", CALLS)
def test_a_process_that_dies_at_any_request_leaves_all_or_nothing(name: str) -> None:
    store = populated()
    possible = outcomes(store, CALLS[name])

    def check(copy: DictStore, _dead: ObjectsBackend) -> None:
        with backend(copy, CLOCK) as survivor:
            assert told(survivor) in possible
            runs_dry(survivor, IDS)

    assert cut_everywhere(store, CALLS[name], Died, check) >= 3


@pytest.mark.parametrize("name", CALLS)
def test_a_process_whose_request_fails_goes_on_with_the_truth(name: str) -> None:
    store = populated()
    possible = outcomes(store, CALLS[name])

    def check(copy: DictStore, itself: ObjectsBackend) -> None:
        with backend(copy, CLOCK) as other:
            assert told(itself) == told(other)
            assert told(other) in possible
            runs_dry(itself, IDS)

    cut_everywhere(store, CALLS[name], lambda: BackendUnreachable("cut"), check)


def test_a_process_that_dies_while_it_keeps_house_leaves_nothing_behind_that_matters() -> None:
    """The commit that is due to write a snapshot, when an older snapshot has aged, so that everything is swept."""
    store = populated()
    with backend(store, CLOCK) as jq:
        jq.insert([draft(LARGE, id=IDS[30]), draft(id=IDS[31])])
        jq.replace([succeeded(job, count=0) for job in claim(jq, 40, name="fifth")])
        while max(commits(store)) < 287:
            jq.swap("note", (jq.read("note") or {"note": None})["note"], os.urandom(4))
            store.pass_time(30)
    store.pass_time(10_000)
    possible = outcomes(store, CALLS["insert"])

    def check(copy: DictStore, _dead: ObjectsBackend) -> None:
        with backend(copy, CLOCK) as survivor:
            assert told(survivor) in possible
            runs_dry(survivor, IDS)

    assert sorted(name for name in store.objects if name.startswith("snap/"))[-1] == f"snap/{192:016d}"
    assert cut_everywhere(store, CALLS["insert"], Died, check) > 100


def runs_dry(jq: ObjectsBackend, ids: list[str]) -> None:
    """Every waiting job is handed out once, with its payload; every running one can be settled once."""
    jq.control("q", Setting(paused=False, max_running=0))
    waiting = {job.id for state in ("ready", "scheduled") for job in jq.page("q", state).jobs}  # type: ignore[arg-type]
    CLOCK.advance(100_000)
    try:
        handed_out = [job.id for _ in range(5) for job in claim(jq, 7)]
        assert sorted(handed_out) == sorted(waiting)
        left = jq.page("q", "running").jobs
        assert jq.replace([succeeded(job) for job in left]) == ["applied"] * len(left)
        assert jq.replace([succeeded(job) for job in left]) == ["already"] * len(left)
        counts = jq.counts(["q"])[0]
        assert counts.states["succeeded"] <= counts.totals["succeeded"] <= counts.totals["enqueued"]
    finally:
        CLOCK.advance(-100_000)


def test_the_calls_that_are_cut_take_places_and_wait_for_others(pauses: list[float]) -> None:
    for name, waits in (("insert, contended", 1), ("insert, polite", 8)):
        store = populated()
        with backend(store, CLOCK) as jq:
            CALLS[name](jq)
            assert any(name.startswith("want/") for name in store.objects)
            assert jq._log.tables.line.first == 2
        assert len(pauses) == waits
        pauses.clear()


def test_the_cut_itself_cuts() -> None:
    happening: Happening = Cut(1, "before", Died())
    with pytest.raises(Died):
        backend(DictStore(happening), CLOCK).queues()
