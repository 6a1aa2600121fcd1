"""What a scheduler does with its schedules: policies, edits, files, trouble. On the memory store with a clock that stands still;
the ones that stores could differ in on all of them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from jq_cli.backends.base import Backend
from jq_cli.backends.memory.backend import MemoryBackend
from jq_cli.backends.registry import open_backend
from jq_cli.config.settings import QueueSettings, Settings
from jq_cli.consumer import Consumer
from jq_cli.cron import note as notes
from jq_cli.cron import scheduler as module
from jq_cli.cron.note import MOST_CAUGHT_UP, PREFIX, TAKEOVER, Note
from jq_cli.cron.schedule import Schedule, tick_id
from jq_cli.cron.scheduler import LOOK, Scheduler
from jq_cli.cron.schedules import Schedules
from jq_cli.errors import BackendUnreachable, Conflict, InvalidField, NotFound
from jq_cli.job import Job
from jq_cli.lifecycle import Outcome
from jq_cli.testing.clock import ManualClock

NOON = int(datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()) * 1_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


class Bench:
    """A store, its schedules and one scheduler."""

    def __init__(self, backend: Backend, clock: ManualClock, settings: Settings | None = None) -> None:
        self.backend = backend
        self.clock = clock
        self.settings = settings or Settings()
        self.said: list[str] = []
        self.told: list[tuple[str, int, str]] = []
        self.schedules = Schedules(backend, self.settings, wait=lambda seconds: clock.advance(round(seconds * 1_000)))
        self.scheduler = self.another()
        self.consumer = Consumer(backend)

    def another(self, settings: Settings | None = None) -> Scheduler:
        return Scheduler(
            self.backend, settings or self.settings, say=self.said.append,
            tell=lambda schedule, tick, job: self.told.append((schedule.name, tick, job)),
        )  # fmt: skip

    def add(self, name: str = "s", cron: str = "* * * * *", queue: str = "q", **fields: Any) -> None:
        self.schedules.add(Schedule(name=name, cron=cron, queue=queue, **fields))

    def rest(self, scheduler: Scheduler | None = None) -> int:
        """Give turns until there is nothing more to do now; the ms until there is."""
        for _ in range(100):
            wait = (scheduler or self.scheduler).tick()
            if wait > module.RETRY:
                return wait
        raise AssertionError("it never comes to rest")

    def after(self, ms: int) -> int:
        self.clock.advance(ms)
        return self.rest()

    def ticks(self, queue: str = "q") -> list[str]:
        """When the ticks of the jobs on a queue were, in the order of their ids."""
        return [job.headers["tick"][11:19] for job in sorted(self.jobs(queue), key=lambda job: job.id)]

    def jobs(self, queue: str = "q") -> list[Job]:
        states: Any = ("ready", "scheduled", "running", "succeeded", "dead")
        return [job for state in states for job in self.backend.page(queue, state, limit=2_000).jobs]

    def finish(self, queue: str = "q", kind: str = "succeeded") -> None:
        jobs = self.consumer.claim([queue], 1_000)
        self.consumer.write([self.consumer.settle(job, Outcome(kind, error="x")) for job in jobs])

    def note(self, name: str = "s") -> Note:
        note = notes.decode(self.backend.read(PREFIX + name)[PREFIX + name])
        assert note is not None
        return note


@pytest.fixture
def bench(clock: ManualClock) -> Bench:
    return Bench(MemoryBackend(clock), clock)


@pytest.fixture(params=["memory", "sqlite", "redis", "postgres", "folder"])
def each(request: pytest.FixtureRequest, clock: ManualClock, namespace: str) -> Any:
    url = "memory" if request.param == "memory" else request.getfixturevalue(f"{request.param}_url")
    with open_backend(url, namespace=namespace, clock=clock) as backend:
        yield Bench(backend, clock)


# --- firing ---


def test_a_tick_makes_the_job_that_the_schedule_describes(each: Bench) -> None:
    each.add(
        cron="*/5 * * * *", payload=msgspec.Raw(b'{"a": 1}'), priority=7, timeout=30.0, headers={"team": "x"}, ttl=60.0
    )
    assert each.rest() == LOOK
    each.clock.advance(4 * MINUTE + 58_000)
    assert each.rest() == 2_000
    assert each.jobs() == []
    assert each.after(2_000) == LOOK
    [job] = each.jobs()
    tick = NOON // 1_000 + 300
    assert (job.id, job.schedule, job.dedup_key) == (tick_id("s", tick), "s", f"cron:s:{tick}")
    assert (job.payload, job.priority, job.timeout, job.dedup_ttl) == (b'{"a": 1}', 7, 30.0, 7 * 86_400)
    assert job.headers == {"tick": "2026-06-01T12:05:00.000Z", "team": "x"}
    assert job.expires_at == each.clock.now + 60_000
    assert each.told == [("s", tick, job.id)]


def test_a_job_takes_from_its_queue_what_the_schedule_leaves_open(clock: ManualClock) -> None:
    settings = Settings(queues={"q": QueueSettings(priority=3, max_retries=9)})
    bench = Bench(MemoryBackend(clock), clock, settings)
    bench.add(max_retries=1)
    bench.after(MINUTE)
    [job] = bench.jobs()
    assert (job.priority, job.max_retries) == (3, 1)


def test_many_schedulers_fire_each_tick_once_and_count_no_duplicates(each: Bench) -> None:
    each.add(cron="* * * * * *")
    crowd = [each.another() for _ in range(5)]
    for _ in range(10):
        each.clock.advance(1_000)
        for scheduler in crowd:
            each.rest(scheduler)
    assert each.ticks() == [f"12:00:{second:02}" for second in range(1, 11)]
    [counts] = each.backend.counts(["q"])
    assert (counts.totals["enqueued"], counts.totals.get("duplicates", 0)) == (10, 0)


def test_ticks_that_are_a_little_late_all_fire_whatever_the_policy(bench: Bench) -> None:
    for policy in ("skip", "latest", "all"):
        bench.add(policy, "* * * * * *", policy, catch_up=policy)
    bench.after(4_000)
    assert [len(bench.jobs(policy)) for policy in ("skip", "latest", "all")] == [4, 4, 4]


@pytest.mark.parametrize(
    ("policy", "late", "expected"),
    [
        ("skip", 59_000, ["15:00:00"]), ("skip", 60_000, []), ("skip", 12 * MINUTE, []),
        ("latest", 59_000, ["15:00:00"]), ("latest", 12 * MINUTE, ["15:00:00"]),
        ("all", 12 * MINUTE, ["13:00:00", "14:00:00", "15:00:00"]),
    ],
)  # fmt: skip
def test_what_was_missed_is_caught_up_by_policy(each: Bench, policy: str, late: int, expected: list[str]) -> None:
    each.add(cron="0 * * * *", catch_up=policy)
    each.after(3 * HOUR + late)
    assert each.ticks() == expected
    each.after(HOUR - late)
    assert each.ticks() == [*expected, "16:00:00"]


def test_catching_up_is_bounded_and_keeps_the_newest(bench: Bench) -> None:
    bench.add(cron="* * * * * *", catch_up="all")
    bench.after(2 * DAY)
    ticks = sorted(job.headers["tick"] for job in bench.jobs())
    assert len(ticks) == MOST_CAUGHT_UP
    assert (ticks[0], ticks[-1]) == ("2026-06-03T11:43:21.000Z", "2026-06-03T12:00:00.000Z")


def test_one_turn_ends_within_its_budget_and_the_next_begins_with_the_others(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUDGET", -1.0)
    for name in ("a", "b", "c"):
        bench.add(name, queue=name)
    bench.clock.advance(MINUTE)
    assert [bench.scheduler.tick() for _ in range(3)] == [0, 0, 0]
    assert [len(bench.jobs(name)) for name in ("a", "b", "c")] == [1, 1, 1]


# --- schedulers that die, stores that do not answer ---


class Flaky(MemoryBackend):
    """Loses the answer of one call, before or after it took effect."""

    trouble: tuple[str, bool] | None = None

    def insert(self, drafts: Any) -> Any:
        return self._call("insert", lambda: super(Flaky, self).insert(drafts))

    def swap(self, key: str, old: bytes | None, new: bytes | None) -> bool:
        return bool(self._call("swap", lambda: super(Flaky, self).swap(key, old, new)))

    def _call(self, name: str, call: Callable[[], Any]) -> Any:
        if self.trouble is None or self.trouble[0] != name:
            return call()
        done, self.trouble = self.trouble[1], None
        if done:
            call()
        raise BackendUnreachable("no answer")


@pytest.mark.parametrize("trouble", [("insert", False), ("insert", True), ("swap", False), ("swap", True)])
def test_a_lost_answer_neither_loses_a_tick_nor_doubles_it(clock: ManualClock, trouble: tuple[str, bool]) -> None:
    backend = Flaky(clock)
    bench = Bench(backend, clock)
    bench.add()
    clock.advance(MINUTE)
    backend.trouble = trouble
    with pytest.raises(BackendUnreachable):
        bench.scheduler.tick()
    bench.rest()
    assert bench.ticks() == ["12:01:00"]
    assert bench.after(MINUTE)
    assert bench.ticks() == ["12:01:00", "12:02:00"]


@pytest.mark.parametrize("done", [False, True])
def test_another_scheduler_fires_what_one_that_died_had_decided(clock: ManualClock, done: bool) -> None:
    backend = Flaky(clock)
    bench = Bench(backend, clock)
    bench.add()
    clock.advance(MINUTE)
    backend.trouble = ("insert", done)
    with pytest.raises(BackendUnreachable):
        bench.scheduler.tick()
    other = bench.another()
    assert bench.rest(other) == TAKEOVER
    clock.advance(TAKEOVER)
    bench.rest(other)
    assert bench.ticks() == ["12:01:00"]
    assert bench.note().runs["* * * * * UTC"].firing == ()


def test_a_wrong_clock_in_the_future_silences_nothing_for_long(each: Bench) -> None:
    each.add(cron="0 * * * *")
    each.after(400 * DAY + HOUR)  # the clock shows another year, and a tick fires there
    each.clock.advance(-400 * DAY)
    each.rest()
    assert each.after(HOUR) == LOOK
    assert sorted(job.headers["tick"][:13] for job in each.jobs()) == [
        "2026-06-01T13",
        "2026-06-01T14",
        "2027-07-06T13",
    ]


def test_a_clock_that_goes_back_by_an_hour_fires_nothing_twice(each: Bench) -> None:
    each.add(cron="*/30 * * * *", catch_up="all")
    for minutes in (30, 30, 30, -60, 30, 30, 30):
        each.after(minutes * MINUTE)
    assert each.ticks() == ["12:30:00", "13:00:00", "13:30:00", "14:00:00"]


# --- overlap ---


def test_allow_fires_whether_or_not_the_last_job_has_ended(each: Bench) -> None:
    each.add()
    for _ in range(3):
        each.after(MINUTE)
    assert each.ticks() == ["12:01:00", "12:02:00", "12:03:00"]


def test_skip_lets_a_tick_go_while_the_last_job_has_not_ended(each: Bench) -> None:
    each.add(overlap="skip")
    for _ in range(3):
        each.after(MINUTE)
    assert each.ticks() == ["12:01:00"]
    each.finish()
    each.after(MINUTE)
    assert each.ticks() == ["12:01:00", "12:04:00"]
    assert each.note().runs["* * * * * UTC"].overlapped == 2


def test_queue_one_fires_one_tick_when_the_last_job_has_ended(each: Bench) -> None:
    each.add(overlap="queue-one")
    for _ in range(4):
        each.after(MINUTE)
    assert each.ticks() == ["12:01:00"]
    assert each.rest() == 1_000
    each.finish()
    each.after(2)
    assert each.ticks() == ["12:01:00", "12:02:00"]
    each.finish()
    each.after(2)
    assert each.ticks() == ["12:01:00", "12:02:00"]
    run = each.note().runs["* * * * * UTC"]
    assert (run.fired, run.overlapped, run.waiting) == (2, 2, None)


@pytest.mark.parametrize("kind", ["failed", "permanent"])
def test_a_job_that_is_retried_has_not_ended_and_a_dead_one_has(each: Bench, kind: str) -> None:
    each.add(overlap="skip", max_retries=1)
    each.after(MINUTE)
    each.finish(kind=kind)
    each.after(MINUTE)
    assert len(each.jobs()) == (1 if kind == "failed" else 2)


def test_the_store_itself_keeps_jobs_from_overlapping(each: Bench) -> None:
    """Even a scheduler that knows nothing of the last job, because somebody triggered it."""
    each.add(overlap="skip")
    triggered = each.schedules.trigger("s").id
    each.after(MINUTE)
    assert [job.id for job in each.jobs()] == [triggered]
    with pytest.raises(Conflict, match=f"job {triggered} has not ended"):
        each.schedules.trigger("s")
    each.schedules.trigger("s", force=True)
    assert len(each.jobs()) == 2


def test_a_changed_payload_does_not_open_the_lock(each: Bench) -> None:
    each.add(overlap="skip")
    each.after(MINUTE)
    each.schedules.edit("s", {"payload": msgspec.Raw(b"2")})
    each.after(MINUTE)
    assert each.ticks() == ["12:01:00"]


def test_of_several_missed_ticks_one_fires_where_jobs_may_not_overlap(bench: Bench) -> None:
    bench.add("alone", "0 * * * *", "a", catch_up="all", overlap="skip")
    bench.add("in-line", "0 * * * *", "b", catch_up="all", overlap="queue-one")
    bench.after(4 * HOUR)
    assert (bench.ticks("a"), bench.ticks("b")) == (["13:00:00"], ["13:00:00"])
    bench.finish("b")
    bench.after(2)
    assert bench.ticks("b") == ["13:00:00", "14:00:00"]


# --- changes ---


def test_nothing_fires_for_the_time_before_a_schedule_was_added(bench: Bench) -> None:
    bench.clock.advance(30_000)
    bench.add(catch_up="all")
    bench.rest()
    assert bench.jobs() == []


def test_a_paused_schedule_does_not_fire_and_what_it_missed_never_does(each: Bench) -> None:
    each.add(catch_up="all")
    each.schedules.pause("s", reason="why", by="me")
    each.after(HOUR)
    assert each.jobs() == []
    each.schedules.resume("s")
    each.rest()
    assert each.jobs() == []
    each.after(MINUTE)
    assert each.ticks() == ["13:01:00"]


def test_resuming_what_is_not_paused_loses_no_tick(bench: Bench) -> None:
    bench.add()
    bench.clock.advance(MINUTE)
    bench.schedules.resume("s")
    bench.rest()
    assert bench.ticks() == ["12:01:00"]


def test_a_new_expression_holds_from_now_on(each: Bench) -> None:
    each.add(cron="0 6 * * *", catch_up="all")
    each.clock.advance(2 * DAY)  # nobody ran: two ticks were missed
    each.schedules.edit("s", {"cron": "0 * * * *"})
    each.rest()
    assert each.jobs() == []
    each.after(HOUR)
    assert each.ticks() == ["13:00:00"]


def test_an_edit_of_something_else_loses_no_tick_that_is_on_time(each: Bench) -> None:
    each.add(catch_up="all")
    each.clock.advance(HOUR + 1_000)
    each.schedules.edit("s", {"payload": msgspec.Raw(b"2")})
    each.rest()
    assert each.ticks() == ["13:00:00"]
    assert each.jobs()[0].payload == b"2"


def test_an_edit_while_a_tick_is_decided_keeps_both(clock: ManualClock) -> None:
    backend = Flaky(clock)
    bench = Bench(backend, clock)
    bench.add()
    clock.advance(MINUTE)
    backend.trouble = ("insert", False)
    with pytest.raises(BackendUnreachable):
        bench.scheduler.tick()
    bench.schedules.edit("s", {"cron": "30 * * * *"})
    bench.rest()
    assert bench.ticks() == ["12:01:00"]


def test_a_removed_schedule_is_gone_and_may_come_back(each: Bench) -> None:
    each.add()
    each.after(MINUTE)
    each.schedules.remove("s")
    each.after(MINUTE)
    each.add()
    each.after(MINUTE)
    assert each.ticks() == ["12:01:00", "12:03:00"]
    with pytest.raises(NotFound):
        each.schedules.remove("t")


def test_what_no_job_can_be_made_of_is_refused(bench: Bench) -> None:
    for fields, problem in [
        ({"priority": 5_000}, "priority: expected -1000..1000"), ({"timezone": "Mars"}, "not an IANA"), ({"cron": "x"}, "5 fields"),
        ({"queue": "a b"}, "queue"), ({"name": "a b"}, "schedule"), ({"overlap": "no"}, "overlap: expected allow, skip or queue-one"),
        ({"catch_up": "no"}, "catch_up: expected skip, latest or all"), ({"timeout": -1.0}, "timeout"), ({"delivery": "x"}, "delivery"),
        ({"payload": msgspec.Raw(b'"' + b"x" * 2**20 + b'"')}, "max_payload"), ({"cron": "0 0 30 2 *"}, "never fires"),
    ]:  # fmt: skip
        with pytest.raises(InvalidField, match=problem):
            bench.add(**({"cron": "* * * * *"} | fields))  # type: ignore[arg-type]
    bench.add()
    with pytest.raises(Conflict, match="is there already"):
        bench.add()
    with pytest.raises(InvalidField, match="priority"):
        bench.schedules.edit("s", {"priority": 5_000})
    assert [known.name for known in bench.schedules.all()] == ["s"]


def test_a_note_that_cannot_be_read_stops_nobody_else(each: Bench) -> None:
    each.backend.swap(PREFIX + "broken", None, b"\xff{")
    each.backend.swap(
        PREFIX + "odd", None, notes.encode(Note(schedule=Schedule(name="odd", cron="not cron", queue="q")))
    )
    each.add()
    each.after(MINUTE)
    assert each.ticks() == ["12:01:00"]
    each.after(MINUTE)
    assert [line.partition(":")[0] for line in each.said] == ["schedule broken", "schedule odd cannot fire"]
    with pytest.raises(Conflict, match="damaged"):
        each.schedules.pause("broken")
    each.schedules.remove("broken")
    each.schedules.remove("odd")
    assert [known.name for known in each.schedules.all()] == ["s"]


def test_the_last_job_of_a_rare_schedule_stays_until_the_next_is_there(bench: Bench) -> None:
    bench.add("daily", "0 13 * * *", "a")
    bench.add("quick", "* * * * * *", "b")
    bench.add("own", "0 13 * * *", "c", retention=5.0)
    bench.add("minute", "* * * * *", "d")
    bench.after(HOUR)
    kept = {queue: bench.jobs(queue)[-1].retention for queue in "abcd"}
    assert kept == {"a": 86_400 + 60, "b": None, "c": 5.0, "d": 3_600.0}


# --- schedules of the configuration file ---


def in_file(*schedules: Schedule) -> Settings:
    sources = {("schedules", schedule.name): f"jq.yaml line {n}" for n, schedule in enumerate(schedules, 1)}
    return Settings(schedules={schedule.name: schedule for schedule in schedules}, sources=sources, file="jq.yaml")


NIGHTLY = Schedule(name="s", cron="0 * * * *", queue="q", catch_up="all")


def test_a_schedule_of_the_file_starts_when_it_is_first_seen_and_catches_up_later(clock: ManualClock) -> None:
    bench = Bench(MemoryBackend(clock), clock, in_file(NIGHTLY))
    bench.rest()
    assert bench.jobs() == []
    clock.advance(3 * HOUR)
    bench.rest(bench.another())
    assert bench.ticks() == ["13:00:00", "14:00:00", "15:00:00"]


def test_the_file_wins_over_a_schedule_of_the_store_with_its_name(clock: ManualClock) -> None:
    bench = Bench(MemoryBackend(clock), clock)
    bench.add(cron="*/30 * * * *", queue="other")
    bench.schedules.pause("s")
    with_file, without = bench.another(in_file(NIGHTLY)), bench.another()
    bench.rest(with_file)
    assert "schedule s of the store is replaced by the one in jq.yaml" in bench.said
    Schedules(bench.backend, in_file(NIGHTLY)).resume("s")
    clock.advance(HOUR)
    bench.rest(without)
    bench.rest(with_file)
    assert (bench.ticks(), bench.ticks("other")) == (["13:00:00"], [])


def test_a_schedule_of_the_file_is_changed_there_and_paused_anywhere(clock: ManualClock) -> None:
    bench = Bench(MemoryBackend(clock), clock, in_file(NIGHTLY))
    for change in (
        lambda: bench.schedules.edit("s", {"priority": 1}),
        lambda: bench.schedules.remove("s"),
        lambda: bench.add(),
    ):
        with pytest.raises(Conflict, match=r"defined in jq\.yaml line 1"):
            change()
    bench.rest()
    elsewhere = Schedules(bench.backend, Settings())
    elsewhere.pause("s")
    bench.after(2 * HOUR)
    assert bench.jobs() == []
    elsewhere.resume("s")
    bench.after(HOUR)
    assert bench.ticks() == ["15:00:00"]
    [known] = elsewhere.all()
    assert (known.source, known.schedule and known.schedule.cron) == ("elsewhere", "0 * * * *")
    for change in (lambda: elsewhere.edit("s", {}), lambda: elsewhere.add(NIGHTLY), lambda: elsewhere.trigger("s")):
        with pytest.raises(Conflict, match="the file of another host"):
            change()
    elsewhere.remove("s")
    assert elsewhere.all() == []


def test_paused_in_the_file_is_resumed_in_the_file(clock: ManualClock) -> None:
    bench = Bench(MemoryBackend(clock), clock, in_file(replace(NIGHTLY, paused=True)))
    bench.after(2 * HOUR)
    assert bench.jobs() == []
    with pytest.raises(Conflict, match=r"paused in jq\.yaml line 1"):
        bench.schedules.resume("s")


def test_a_changed_expression_in_the_file_fires_nothing_of_the_past(clock: ManualClock) -> None:
    bench = Bench(MemoryBackend(clock), clock, in_file(NIGHTLY))
    bench.rest()
    clock.advance(5 * HOUR + 45 * MINUTE)
    changed = bench.another(in_file(replace(NIGHTLY, cron="30 * * * *")))
    bench.rest(changed)
    assert bench.jobs() == []
    clock.advance(45 * MINUTE)
    bench.rest(changed)
    assert bench.ticks() == ["18:30:00"]
    # And back again: what the first expression missed meanwhile was not its to fire.
    clock.advance(45 * MINUTE)
    again = bench.another(in_file(NIGHTLY))
    bench.rest(again)
    assert bench.ticks() == ["18:30:00"]
    clock.advance(HOUR)
    bench.rest(again)
    assert bench.ticks() == ["18:30:00", "20:00:00"]


def test_while_the_files_of_two_hosts_differ_neither_loses_a_tick(clock: ManualClock) -> None:
    bench = Bench(MemoryBackend(clock), clock)
    old, new = bench.another(in_file(NIGHTLY)), bench.another(in_file(replace(NIGHTLY, cron="30 * * * *")))
    for _ in range(16):
        bench.rest(old)
        bench.rest(new)
        clock.advance(15 * MINUTE)
    assert bench.ticks() == ["12:30:00", "13:00:00", "13:30:00", "14:00:00", "14:30:00", "15:00:00", "15:30:00"]


def test_a_schedule_that_left_the_file_fires_no_more(clock: ManualClock) -> None:
    bench = Bench(MemoryBackend(clock), clock, in_file(NIGHTLY))
    bench.rest()
    bench.after(HOUR)
    bench.scheduler.use(Settings())
    bench.after(HOUR)
    assert bench.ticks() == ["13:00:00"]
