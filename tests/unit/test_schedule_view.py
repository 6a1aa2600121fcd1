"""How schedules look on a terminal, as wide as most and wider."""

import re
from datetime import UTC, datetime

import msgspec
import pytest

from jq_cli.backends.memory.backend import MemoryBackend
from jq_cli.commands.cron_ls import LISTING
from jq_cli.config.settings import Settings
from jq_cli.consumer import Consumer
from jq_cli.cron.schedule import Schedule
from jq_cli.cron.scheduler import RETRY, Scheduler
from jq_cli.cron.schedules import Schedules
from jq_cli.lifecycle import Outcome
from jq_cli.testing.clock import ManualClock
from jq_cli.view import output
from jq_cli.view.output import Answer, Form, emit
from jq_cli.view.schedule_records import schedule_record

START = int(datetime(2026, 10, 24, 22, tzinfo=UTC).timestamp()) * 1_000


@pytest.fixture
def answer() -> Answer:
    clock = ManualClock(START)
    backend = MemoryBackend(clock)
    in_file = Schedule(name="hourly-sync", cron="0 * * * *", queue="sync", overlap="queue-one")
    settings = Settings(
        schedules={"hourly-sync": in_file}, sources={("schedules", "hourly-sync"): "jq.yaml line 12"}, file="jq.yaml"
    )
    schedules = Schedules(backend, settings)
    schedules.add(Schedule(name="nightly-report", cron="30 2 * * MON-FRI", timezone="Europe/Berlin", queue="reports"))
    schedules.add(Schedule(name="paused-one", cron="@daily", queue="q", payload=msgspec.Raw(b'"\\u001b[31m"')))
    schedules.pause("paused-one", reason="holidays", by="ada")
    scheduler, consumer = Scheduler(backend, settings), Consumer(backend)
    for _ in range(3):
        while scheduler.tick() <= RETRY:
            pass
        jobs = consumer.claim(["sync"], 10)
        consumer.write([consumer.settle(job, Outcome("permanent", error="x")) for job in jobs])
        clock.advance(3_600_000)
    clock.advance(95_000)
    known = schedules.all()
    jobs_by_id = schedules.last_jobs(known)
    return Answer([schedule_record(each, jobs_by_id, clock.now) for each in known], clock.now)


WIDE = """\
name             state    cron               timezone        queue     last_fire   next_fire     lag   last_outcome
───────────────────────────────────────────────────────────────────────────────────────────────────────────────────
hourly-sync      active   0 * * * *          UTC             sync      -1h1m       +58m25s     1m35s   dead
nightly-report   active   30 2 * * MON-FRI   Europe/Berlin   reports   -           +1d           0ms   -
paused-one       paused   @daily             UTC             q         -           -               -   -
"""

NARROW = """\
name             cron               last_fire   next_fire     lag   last_outcome
────────────────────────────────────────────────────────────────────────────────
hourly-sync      0 * * * *          -1h1m       +58m25s     1m35s   dead
nightly-report   30 2 * * MON-FRI   -           +1d           0ms   -
paused-one       @daily             -           -               -   -
"""


@pytest.mark.parametrize(("columns", "expected"), [("140", WIDE), ("80", NARROW)])
def test_the_listing_on_a_terminal(
    answer: Answer, columns: str, expected: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(output, "is_terminal", lambda _stream: True)
    monkeypatch.setattr(output, "prepare", lambda _stream: None)
    emit(LISTING, answer, Form(color="never"))
    shown = [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()]
    assert shown == [line.rstrip() for line in expected.splitlines()]


def test_the_listing_in_a_pipe(
    answer: Answer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "prepare", lambda _stream: None)
    emit(
        LISTING,
        answer,
        Form(kind="plain", columns=("name", "source", "where", "payload", "fired", "paused_by")),
    )
    assert capsys.readouterr().out.splitlines()[1:] == [
        "hourly-sync\tfile\tjq.yaml line 12\tnull\t2\t",
        "nightly-report\tstore\t\tnull\t0\t",
        'paused-one\tstore\t\t"\\u001b[31m"\t0\tada',
    ]
