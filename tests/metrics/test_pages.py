"""What a scraper gets: pages that its parser takes, a bounded number of series, and reads that cost the store little."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from jq_cli.backends.base import Backend, QueueCounts, Setting
from jq_cli.backends.memory.backend import MemoryBackend
from jq_cli.config.settings import QueueSettings, Settings
from jq_cli.consumer import Consumer
from jq_cli.cron.note import PREFIX, Note, encode
from jq_cli.cron.schedule import Schedule
from jq_cli.cron.schedules import Schedules
from jq_cli.draft import make_draft
from jq_cli.errors import UsageError
from jq_cli.ids import new_id
from jq_cli.job import STATES, Job
from jq_cli.lifecycle import Outcome
from jq_cli.metrics import snapshot as module
from jq_cli.metrics.address import Address, parse_address
from jq_cli.metrics.labels import MAX_QUEUES, OTHER, QueueLabels
from jq_cli.metrics.meters import Meters
from jq_cli.metrics.page import figures, page
from jq_cli.metrics.snapshot import Snapshots, take
from jq_cli.testing import ManualClock
from tests.metrics.scrape import Figures, plain, strict

OPEN_METRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> Backend:
    return MemoryBackend(clock=clock)


@pytest.fixture
def meters() -> Meters:
    return Meters(QueueLabels())


def put(store: Backend, *queues: str, **fields: Any) -> None:
    store.insert([make_draft(Job(id=new_id(), queue=queue, payload=b"1", **fields)) for queue in queues])


def scraped(store: Backend, meters: Meters, settings: Settings | None = None) -> Figures:
    body, kind = page(meters, take(store, settings or Settings()), "")
    assert kind.startswith("text/plain; version=0.0.4")
    return plain(body)


def test_the_figures_are_those_of_the_store(store: Backend, clock: ManualClock, meters: Meters) -> None:
    put(store, "q", "q", "q", dedup_key=None, max_retries=0)
    put(store, "q", dedup_key="k", dedup_ttl=60.0)
    put(store, "q", dedup_key="k", dedup_ttl=60.0)
    consumer = Consumer(store)
    done, failed = consumer.claim(["q"], 2)
    clock.advance(4_000)
    consumer.write([consumer.settle(done, Outcome("succeeded")), consumer.settle(failed, Outcome("failed"))])
    store.control("idle", Setting(paused=True))
    consumer.register()
    seen = scraped(store, meters)
    states = {state: seen("jq_queue_jobs", queue="q", state=state) for state in STATES}
    assert states == {"scheduled": 0, "ready": 2, "running": 0, "succeeded": 1, "dead": 1, "cancelled": 0}
    assert seen("jq_queue_oldest_ready_age_seconds", queue="q") == 4
    assert seen("jq_queue_oldest_ready_age_seconds", queue="idle") == 0
    assert (seen("jq_queue_paused", queue="q"), seen("jq_queue_paused", queue="idle")) == (0, 1)
    totals = {name: seen(f"jq_jobs_{name}_total", queue="q") for name in ("enqueued", "succeeded", "failed", "dead")}
    assert totals == {"enqueued": 4, "succeeded": 1, "failed": 1, "dead": 1}
    assert (seen("jq_jobs_duplicate_total", queue="q"), seen("jq_jobs_recovered_total", queue="q")) == (1, 0)
    assert (seen("jq_store_up"), seen("jq_queues"), seen("jq_workers"), seen("jq_schedules")) == (1, 2, 1, 0)
    clock.advance(60_000)
    assert scraped(store, meters)("jq_workers") == 0


def test_the_lag_is_that_of_the_latest_schedule(store: Backend, clock: ManualClock, meters: Meters) -> None:
    for name, cron in (("often", "* * * * *"), ("yearly", "0 0 1 1 *")):
        Schedules(store, Settings()).add(Schedule(name=name, cron=cron, queue="q"))
    clock.advance(3 * 60_000)
    seen = scraped(store, meters)
    assert seen("jq_schedules") == 2
    assert 120 <= seen("jq_scheduler_lag_seconds") <= 180
    Schedules(store, Settings()).pause("often")
    assert scraped(store, meters)("jq_scheduler_lag_seconds") == 0


def test_schedules_that_nobody_here_can_fire_are_not_late(store: Backend, clock: ManualClock, meters: Meters) -> None:
    now = clock.now // 1_000
    filed = Schedule(name="filed", cron="* * * * *", queue="q")
    strange = Schedule(name="strange", cron="* * * * *", timezone="Mars/Phobos", queue="q")
    kept = {"filed": Note().begun(filed.key, now), "strange": Note(schedule=strange).begun(strange.key, now)}
    for name, note in kept.items():
        assert store.swap(PREFIX + name, None, encode(note))
    assert store.swap(f"{PREFIX}damaged", None, b"{")
    clock.advance(3 * 60_000)
    seen = scraped(store, meters)
    assert (seen("jq_schedules"), seen("jq_scheduler_lag_seconds")) == (2, 0)
    assert scraped(store, meters, Settings(schedules={"filed": filed}))("jq_scheduler_lag_seconds") >= 120


def test_openmetrics_is_spoken_to_those_who_ask_for_it(store: Backend, meters: Meters) -> None:
    put(store, 'odd"\\name'.replace('"', "-").replace("\\", "."), "q")
    for tell in (meters.ran, meters.waited):
        tell("q", 0.2)
    meters.lost("q")
    meters.recovered(3)
    meters.called("claim", 0.001)
    meters.failed("claim")
    meters.watch_hooks(lambda: {"audit": {"sent": 3, "dropped": 1}})
    meters.watch_hooks(lambda: {"audit": {"sent": 4, "dropped": 0}, "other": {"sent": 0, "dropped": 0}})
    body, kind = page(meters, take(store, Settings()), OPEN_METRICS)
    assert kind.startswith("application/openmetrics-text; version=1.0.0")
    seen = strict(body)
    assert seen("jq_jobs_enqueued_total", queue="q") == 1
    assert seen("jq_hook_events_dropped_total", hook="audit") == 1
    assert seen("jq_hook_events_sent_total", hook="audit") == 7
    assert seen("jq_job_run_seconds_bucket", queue="q", le="0.25") == 1
    in_plain = plain(page(meters, take(store, Settings()), "")[0])
    assert {name for name in seen.names if name.startswith("jq_")} == {n for n in in_plain.names if n.startswith("jq_")}


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "application/openmetrics-text; version=x", "text/plain; version=..", "a" * 5_000, ";;,;=", "é"],
)
def test_whatever_a_client_says_it_takes_it_gets_a_page(meters: Meters, accept: str) -> None:
    assert plain(page(meters, None, accept)[0])("jq_store_up") == 0


def test_without_the_store_the_figures_of_the_process_are_there(meters: Meters) -> None:
    meters.waited("q", 1)
    seen = plain(page(meters, None, "")[0])
    assert seen("jq_store_up") == 0
    assert seen("jq_job_wait_seconds_count", queue="q") == 1
    assert not any(name.startswith(("jq_queue", "jq_jobs")) for name in seen.names)


def test_the_number_of_series_is_bounded_and_nothing_is_left_out(store: Backend, meters: Meters) -> None:
    names = [f"q{number:04}" for number in range(3 * MAX_QUEUES)]
    put(store, *names, "other")
    for name in names:
        meters.ran(name, 1)
        meters.waited(name, 1)
        meters.lost(name)
    seen = scraped(store, meters)
    labels = {dict(labels)["queue"] for _, labels in seen.samples if "queue" in dict(labels)}
    assert labels == {*names[:MAX_QUEUES], OTHER}
    assert seen("jq_queues") == len(names) + 1
    assert seen.sum("jq_jobs_enqueued_total") == len(names) + 1
    assert seen.sum("jq_job_run_seconds_count") == len(names)
    assert seen("jq_queue_jobs", queue=OTHER, state="ready") == 2 * MAX_QUEUES + 1


def test_a_queue_keeps_its_label_and_the_configured_ones_have_theirs(store: Backend) -> None:
    labels = QueueLabels(["named", "later"], most=3)
    assert [labels.of(queue) for queue in ("a", "b", "a", "later", "c", "named")] == [
        "a", OTHER, "a", "later", OTHER, "named",
    ]  # fmt: skip
    assert QueueLabels(["a", "b"], most=1).of("b") == OTHER


class Counting(MemoryBackend):
    reads = 0

    def counts(self, queues: Sequence[str] | None = None) -> list[QueueCounts]:
        self.reads += 1
        return super().counts(queues)


def test_scrapes_in_a_row_read_the_store_once(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Counting()
    put(store, "q")
    times = iter([100.0, 100.0, 100.1, 101.0, 101.0, 101.2, 101.2, 101.2, 105.2, 105.3])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(times))
    snapshots = Snapshots(Settings())
    monkeypatch.setattr(module, "take", lambda backend, settings: backend.counts(["q"]))
    assert snapshots.fresh() is None
    snapshots.refresh(store)  # takes 0.1 s, so it serves for a second
    snapshots.refresh(store)
    assert store.reads == 1


def test_a_slow_store_is_asked_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)

    def slow(_backend: Backend, _settings: Settings) -> object:
        nonlocal now
        now += 2.0
        return object()

    monkeypatch.setattr(module, "take", slow)
    snapshots = Snapshots(Settings())
    first = snapshots.refresh(MemoryBackend())
    now += 2.0 * module.SHARE - 0.1
    assert snapshots.refresh(MemoryBackend()) is first
    now += 0.2
    assert snapshots.refresh(MemoryBackend()) is not first


def test_many_queues_are_counted_in_several_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Counting()
    put(store, *(f"q{number}" for number in range(7)))
    monkeypatch.setattr(module, "AT_A_TIME", 3)
    assert len(take(store, Settings()).counts) == 7
    assert store.reads == 3


def test_a_configured_queue_is_there_before_its_first_job(store: Backend, meters: Meters) -> None:
    seen = scraped(store, meters, Settings(queues={"new": QueueSettings()}))
    assert seen("jq_queue_jobs", queue="new", state="ready") == 0


def test_an_autoscaler_gets_what_workers_are_needed_for(store: Backend, clock: ManualClock) -> None:
    put(store, "q", "q", "q")
    Consumer(store).claim(["q"])
    clock.advance(1_500)
    [counts] = store.counts(["q"])
    told = figures(counts)
    assert (told.ready, told.running, told.waiting, told.oldest_ready_age, told.paused) == (2, 1, 3, 1.5, False)
    assert figures(replace(counts, oldest_ready_at=None)).oldest_ready_age == 0


# --- where a worker listens ---


@pytest.mark.parametrize(
    ("text", "host", "port", "private"),
    [
        ("9464", "127.0.0.1", 9464, True),
        ("0", "127.0.0.1", 0, True),
        ("localhost:1", "localhost", 1, True),
        ("0.0.0.0:9464", "0.0.0.0", 9464, False),
        ("[::1]:9464", "::1", 9464, True),
        ("[::]:9464", "::", 9464, False),
        ("example.org:80", "example.org", 80, False),
    ],
)
def test_an_address_is_this_machines_alone_unless_it_says_otherwise(
    text: str, host: str, port: int, private: bool
) -> None:
    assert parse_address(text) == Address(host, port)
    assert parse_address(text).private is private


@pytest.mark.parametrize("text", ["", ":1", "x", "1:", "65536", "-1", "1.5", "１２", "host:", "host:x"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--metrics-port: expected"):
        parse_address(text)


def test_a_name_that_a_web_page_made_up_is_not_known() -> None:
    private, public = parse_address("9464"), parse_address("0.0.0.0:9464")
    assert [private.known_as(name) for name in ("127.0.0.1", "localhost", "[::1]", "evil.example.com", "")] == [
        True, True, True, False, False,
    ]  # fmt: skip
    assert public.known_as("evil.example.com")
