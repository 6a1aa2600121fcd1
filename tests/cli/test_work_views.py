"""What workers, totals, the history, schedules and waiting look like on a terminal of 80 and of 140 columns.

What is told relative to now lies days and half an hour away, so that it reads the same while the tests run.
"""

import re
import time
from datetime import UTC, datetime

import msgspec
import pytest

from jq_cli import lifecycle
from jq_cli.backends.base import Backend
from jq_cli.consumer import WORKER_NOTE, Consumer, Registration
from jq_cli.cron.note import PREFIX, Note, Run, encode
from jq_cli.cron.schedule import Schedule
from jq_cli.draft import make_draft
from jq_cli.hooks.event import Event
from jq_cli.hooks.history.writer import HistoryHook
from jq_cli.job import Job
from jq_cli.lifecycle import Outcome
from jq_cli.task import SideRecord
from tests.cli.program import Program
from tests.cli.snapshots import WIDTHS, check, seen
from tests.cli.stored import store_of

HOUR, DAY = 3_600_000, 86_400_000
TIMEOUT = "TimeoutError: no answer from smtp.example.org within 30 s, though it had said hello before"
REFUSED = (
    'Traceback (most recent call last):\n  File "send.py", line 7, in send\nSMTPRecipientsRefused: 550 no such user'
)


def identity(number: int) -> str:
    return f"01KZ{number:022d}"


def ago(days: int) -> int:
    return time.time_ns() // 1_000_000 - days * DAY - HOUR // 2


def insert(backend: Backend, queue: str, *numbers: int) -> None:
    backend.insert([make_draft(Job(id=identity(n), queue=queue, payload=b'{"n":%d}' % n)) for n in numbers])


def end(backend: Backend, queue: str, *outcomes: Outcome) -> None:
    consumer = Consumer(backend)
    for job, outcome in zip(consumer.claim([queue], len(outcomes)), outcomes, strict=True):
        consumer.write([consumer.settle(job, outcome)])


each_width = pytest.mark.parametrize("width", WIDTHS)


# --- workers ---


@pytest.fixture
def staffed(jq: Program) -> Program:
    """A store with a pool that works, one that ends, and one that is dead."""
    pools = [
        Registration(
            "mail-1.example.org:812:9f0c52a1d7e3", "mail-1.example.org", 812, ago(9), ago(2), 30 * DAY,
            ("emails", "reports.monthly"), 8, 5, 1_234_567,
        ),
        Registration("mail-2:77:0badc0ffee00", "mail-2", 77, ago(8), ago(1), 30 * DAY, (), 2, 1, 12, "stopping"),
        Registration("old-host:4711:c0ffee123456", "old-host", 4711, ago(40), ago(3), queues=("emails",), running=1),
    ]  # fmt: skip
    with store_of(jq) as backend:
        for pool in pools:
            assert backend.swap(WORKER_NOTE + pool.id, None, msgspec.json.encode(pool))
    return jq


@each_width
def test_workers_look_as_they_did(staffed: Program, width: int) -> None:
    check(f"workers-{width}", seen(staffed, width, "workers"))


@each_width
def test_no_workers_look_as_they_did(jq: Program, width: int) -> None:
    check(f"workers-none-{width}", seen(jq, width, "workers"))


# --- totals ---


@pytest.fixture
def busy(jq: Program) -> Program:
    """Two queues that did something, and one that did nothing yet."""
    (jq.home / "jq.yaml").write_text("queues: {unused: {}}\n")
    with store_of(jq) as backend:
        insert(backend, "emails", *range(9))
        insert(backend, "emails", 1)
        end(backend, "emails", Outcome("succeeded"), Outcome("succeeded"), Outcome("permanent", error=REFUSED))
        end(backend, "emails", Outcome("failed", error=TIMEOUT, delay=DAY))  # or it is ready again a second later
        insert(backend, "reports.monthly", *range(20, 23))
    return jq


@each_width
@pytest.mark.parametrize(("name", "options"), [("stats", []), ("stats-over", ["--over", "100ms"])])
def test_stats_look_as_they_did(busy: Program, name: str, options: list[str], width: int) -> None:
    check(f"{name}-{width}", seen(busy, width, "stats", *options))


# --- history ---


@pytest.fixture
def remembered(jq: Program, postgres_url: str, namespace: str) -> Program:
    """A history of two jobs: one failed, was retried and succeeded, the other died."""
    schema = f"h_{namespace}"
    (jq.home / "jq.yaml").write_text(f"hooks: {{history: {{schema: {schema}}}}}\n")
    jq.env["POSTGRES_DSN"] = postgres_url
    worker = "mail-1.example.org:812:9f0c52a1d7e3"
    first, second = {"queue": "emails", "job": identity(1)}, {"queue": "reports.monthly", "job": identity(2)}
    told = [
        Event(event="enqueued", attempt=1, **first),
        Event(event="started", attempt=1, worker=worker, **first),
        Event(event="failed", attempt=1, worker=worker, error=TIMEOUT, **first),
        Event(event="retried", attempt=1, worker=worker, **first),
        Event(event="started", attempt=2, worker=worker, **first),
        Event(event="succeeded", attempt=2, worker=worker, **first),
        Event(event="enqueued", attempt=1, **second),
        Event(event="started", attempt=1, worker="mail-2:77:0badc0ffee00", **second),
        Event(event="dead", attempt=1, worker="mail-2:77:0badc0ffee00", reason="permanent", error=REFUSED, **second),
    ]
    for number, event in enumerate(told):
        event.id, event.namespace, event.at = identity(number), "jq", ago(20 - 2 * number)
    hook = HistoryHook(postgres_url, schema=schema, retention=None)
    hook.deliver(told)
    hook.close()
    return jq


@each_width
def test_the_history_looks_as_it_did(remembered: Program, width: int) -> None:
    check(f"history-{width}", seen(remembered, width, "history"))


@each_width
def test_the_history_of_a_job_looks_as_it_did(remembered: Program, width: int) -> None:
    columns = ("--columns", "at,event,attempt,worker,error")
    check(f"history-job-{width}", seen(remembered, width, "history", identity(1), *columns))


# --- schedules ---


class Calendar:
    """Expressions that fire so many days and half an hour from now. In what is seen they become one text."""

    def __init__(self) -> None:
        self._expressions: set[str] = set()

    def inside(self, days: int) -> str:
        at = datetime.fromtimestamp((ago(-days) + HOUR) // 1_000, UTC)
        self._expressions.add(found := f"{at.minute} {at.hour} {at.day} {at.month} *")
        return found

    def steady(self, text: str) -> str:
        for each in self._expressions:
            text = text.replace(each.ljust(13), "MM HH DD MO *")
        return text


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
def scheduled(jq: Program, calendar: Calendar) -> Program:
    """Schedules of the store and of the file: one that runs, one that is paused, one that never ran."""
    (jq.home / "jq.yaml").write_text(f"schedules: {{invoices: {{cron: {calendar.inside(5)}, queue: invoices}}}}\n")
    now = time.time_ns() // 1_000_000_000
    nightly = Schedule(name="nightly-report", cron=calendar.inside(3), timezone="UTC", queue="reports.monthly")
    ran = Run(
        since=ago(90) // 1_000, cursor=now, last=ago(2) // 1_000, job=identity(1), queue="reports.monthly", fired=88
    )
    office = Schedule(name="office-hours", cron="*/15 8-18 * * MON-FRI", timezone="Europe/Berlin", queue="emails")
    paused = Note(
        schedule=office, paused=True, paused_by="ada@desk", paused_reason="the office is being moved", paused_at=ago(1)
    )
    with store_of(jq) as backend:
        insert(backend, "reports.monthly", 1)
        end(backend, "reports.monthly", Outcome("succeeded"))
        for note in (Note(schedule=nightly, runs={nightly.key: ran}), paused.begun(office.key, now)):
            assert note.schedule is not None
            assert backend.swap(PREFIX + note.schedule.name, None, encode(note))
    return jq


@each_width
def test_schedules_look_as_they_did(scheduled: Program, calendar: Calendar, width: int) -> None:
    check(f"cron-ls-{width}", calendar.steady(seen(scheduled, width, "cron", "ls")))


@each_width
def test_the_next_ticks_of_a_schedule_look_as_they_did(scheduled: Program, width: int) -> None:
    text = seen(scheduled, width, "cron", "next", "nightly-report", "--count", "1")
    moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:00\+00:00"
    assert len(re.findall(moment, text)) == 1
    check(f"cron-next-{width}", re.sub(moment, "YYYY-MM-DDTHH:MM:00+00:00", text))


@each_width
def test_the_ticks_around_a_change_of_clocks_look_as_they_did(jq: Program, width: int) -> None:
    given = ("30 2 * * *", "--tz", "Europe/Berlin", "--after", "2026-03-27T12:00:00Z", "--count", "4", "--time", "iso")
    check(f"cron-next-clocks-{width}", seen(jq, width, "cron", "next", *given))


# --- waiting ---

DIED, GONE, DONE, STUCK = identity(1), identity(2), identity(3), identity(4)


@pytest.fixture
def waited(jq: Program) -> Program:
    """A queue with a job that died, one that was cancelled, one that succeeded, and one that runs on for a day."""
    with store_of(jq) as backend:
        for id, outcome in ((DIED, Outcome("permanent", error=REFUSED)), (DONE, Outcome("succeeded"))):
            backend.insert([make_draft(Job(id=id, queue="emails", payload=b"1"))])
            end(backend, "emails", outcome)
        backend.insert([make_draft(Job(id=id, queue="emails", payload=b"1")) for id in (GONE, STUCK)])
        [gone] = backend.get("emails", [GONE])
        assert gone is not None
        assert backend.replace([lifecycle.cancel(gone, "mark")]) == ["applied"]
        consumer = Consumer(backend, lease=DAY)
        progress = SideRecord(progress=40, message="2 of 5 parts sent")
        consumer.extend(consumer.claim(["emails"]), {STUCK: msgspec.json.encode(progress)})
    return jq


def frames(text: str) -> str:
    """What stood on the terminal one after the other: each state of the line that is written in place, once."""
    shown = [re.sub(r"\(\d+m?s\)", "(TIME)", line) for line in re.split(r"\r\x1b\[K|\r?\n", text)]
    return "\n".join(line for at, line in enumerate(shown) if line and line != shown[at - 1])


WAITS: dict[str, tuple[list[str], str | None]] = {
    "wait": (["wait", DONE], None),
    "wait-dead": (["wait", DIED], None),
    "wait-several": (["wait", DIED, GONE, DONE], None),
    "wait-json": (["wait", DIED, GONE, "--json"], None),
    "wait-running": (["wait", STUCK], "is running, 40 %"),
    "wait-many-running": (["wait", DIED, DONE, STUCK], "jobs have ended"),
    "enqueue-wait-ready": (["enqueue", "reports", "1", "--id", identity(9), "--wait"], "is ready"),
    "enqueue-wait-too-long": (["enqueue", "reports", "1", "--id", identity(9), "--wait", "--wait-timeout", "0"], None),
    "enqueue-wait-dead": (["enqueue", "emails", "1", "--id", DIED, "--wait"], None),
}


@each_width
@pytest.mark.parametrize("name", WAITS)
def test_waiting_looks_as_it_did(waited: Program, name: str, width: int) -> None:
    arguments, interrupt_after = WAITS[name]
    text = waited.on_terminal(*arguments, columns=width, interrupt_after=interrupt_after, env={"NO_COLOR": "1"}).out
    check(f"{name}-{width}", frames(text))
