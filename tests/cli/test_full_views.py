"""What one job and the queues look like on a terminal of 80 and of 140 columns, in full."""

import time

import msgspec
import pytest
from msgspec.structs import replace

from jq_cli import lifecycle
from jq_cli.backends.base import Setting
from jq_cli.backends.registry import open_backend
from jq_cli.consumer import Consumer
from jq_cli.draft import make_draft
from jq_cli.job import Backoff, Deed, Job
from jq_cli.lifecycle import Outcome
from jq_cli.task import SideRecord
from jq_cli.testing.clock import ManualClock
from tests.cli.program import Program
from tests.cli.snapshots import WIDTHS, check, seen

HOUR = 3_600_000
ID = f"01KZ{7:022d}"
TRACEBACK = 'Traceback (most recent call last):\n  File "send.py", line 7, in send\nSMTPRecipientsRefused: 550 no such user ada@example.og'
OUTPUT = SideRecord(stdout="connecting to smtp.example.org\n", stderr="550 no such user ada@example.og\n")


@pytest.fixture
def mails(jq: Program) -> Program:
    """A queue that an operator paused and limited, and in it a job that failed, died and was edited, each hours apart."""
    clock = ManualClock()
    # Some seconds past the minute, so that the relative times stay the same while the test runs.
    clock.now = time.time_ns() // 1_000_000 - 9 * HOUR - 5_000
    with open_backend(jq.env["JQ_BACKEND"], clock=clock) as backend:
        consumer = Consumer(backend, worker="mailer-3", rand=lambda: 0.5)

        def run(outcome: Outcome) -> None:
            [job] = consumer.claim(["emails"], 1)
            clock.advance(1_000)
            consumer.write([consumer.settle(job, outcome)])

        job = Job(
            id=ID, queue="emails", payload=b'{"to":"ada@example.og","kind":"invoice"}', headers={"tenant": "acme"}
        )
        backend.insert([make_draft(replace(job, backoff=Backoff(base=3_600, factor=1, jitter=0)))])
        run(
            Outcome(
                "failed",
                error="TimeoutError: no answer from smtp.example.org within 30 s, though it had said hello before",
            )
        )
        clock.advance(2 * HOUR)
        run(Outcome("permanent", error=TRACEBACK, output=msgspec.json.encode(OUTPUT)))
        clock.advance(HOUR)
        edit(backend.find(ID), consumer, clock.now)
        backend.insert([make_draft(Job(id=f"01KZ{n:022d}", queue="emails")) for n in range(20, 23)])
        backend.insert([make_draft(Job(id=f"01KZ{n:022d}", queue="reports.monthly")) for n in range(30, 32)])
        backend.control(
            "emails", Setting(paused=True, reason="the mail server is being moved", by="ada@desk", max_running=4)
        )
    return jq


def edit(job: Job | None, consumer: Consumer, now: int) -> None:
    assert job is not None
    deed = Deed(now, "ada@desk", "edited", job.payload)
    new = replace(job, payload=b'{"to":"ada@example.org","kind":"invoice"}', history=(deed,))
    assert consumer.write([lifecycle.edit(job, new, "mark-of-ada")]) == ["applied"]


VIEWS: dict[str, list[str]] = {
    "show": ["show", ID],
    "dlq-show": ["dlq", "show", "emails", ID],
    "ls-queues": ["ls-queues"],
    "queue-show": ["queue", "show", "emails", "reports.monthly"],
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", VIEWS)
def test_a_full_view_looks_as_it_did(mails: Program, name: str, width: int) -> None:
    check(f"{name}-{width}", seen(mails, width, *VIEWS[name]))
