"""What triage looks like on a terminal of 80 and of 140 columns."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from jq_cli.draft import make_draft
from jq_cli.ids import nonce
from jq_cli.job import Job
from jq_cli.lifecycle import cancel
from tests.cli.program import Program
from tests.cli.snapshots import WIDTHS, check, seen
from tests.cli.stored import store_of

HOUR = 3_600_000
TRACEBACK = 'Traceback (most recent call last):\n  File "send.py", line 7, in send\nSMTPRecipientsRefused: 550 no such user {}@example.org'
TIMEOUT = "exit code 75: timeout after {} s while talking to smtp.example.org, which answered before but does not now"


def identity(number: int) -> str:
    return f"01KZ{number:022d}"


@pytest.fixture
def mails(jq: Program) -> Program:
    """A queue at night: waiting jobs, and dead ones of two errors since hours."""
    payloads = [
        b'{"to": "u%d@example.org", "template": "welcome", "lang": "%s"}' % (n, b"de" if n % 3 else b"en")
        for n in range(9)
    ]
    with store_of(jq) as backend:
        backend.insert(
            [make_draft(Job(id=identity(n), queue="emails", payload=text)) for n, text in enumerate(payloads)]
        )
        inserted = backend.now()
        while backend.now() == inserted:
            pass  # groups of one size are in the order of their last moment
        backend.insert(
            [
                make_draft(Job(id=identity(50 + n), queue="emails", payload=text), delay=72 * HOUR)
                for n, text in enumerate(payloads[:2])
            ]
        )
        now = backend.now()
        errors = [TRACEBACK.format(f"u{n}") if n < 5 else TIMEOUT.format(3 * n) for n in range(7)]
        dead(backend.get("emails", [identity(n) for n in range(7)]), errors, backend, now)
    return jq


def dead(jobs: Sequence[Job | None], errors: Sequence[str], backend: object, now: int) -> None:
    for number, (job, error) in enumerate(zip(jobs, errors, strict=True)):
        assert job is not None
        change = cancel(job, nonce())
        assert change.job is not None
        # Some seconds past the minute, so that the relative time stays the same while the test runs.
        died = now - (number + 1) * HOUR - 5_000
        new = replace(change.job, state="dead", reason="retries", failures=4, last_error=error, finished_at=died)
        assert backend.replace([replace(change, job=new, keep=None, cap=None)]) == ["applied"]  # type: ignore[attr-defined]


VIEWS: dict[str, list[str]] = {
    "dlq-ls": ["dlq", "ls", "emails"],
    "dlq-ls-filtered": ["dlq", "ls", "emails", "--error", "SMTP*", "--payload", "lang=en"],
    "dlq-group-by-error": ["dlq", "ls", "emails", "--group-by", "error"],
    "dlq-group-by-payload": ["dlq", "ls", "emails", "--group-by", "payload.lang", "--columns", "group,count,example"],
    "ls-group-by-state": ["ls", "emails", "--group-by", "state", "--columns", "count,group"],
    "dlq-requeue-dry-run": ["dlq", "requeue", "emails", "--error", "SMTP*", "--dry-run"],
    "cancel-dry-run": ["cancel", "emails", "--all", "--dry-run"],
    "rm-dry-run": ["rm", "emails", "--payload", "lang=de", "--dry-run"],
    "promote-dry-run": ["promote", "emails", "--all", "--dry-run"],
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", VIEWS)
def test_a_view_looks_as_it_did(mails: Program, name: str, width: int) -> None:
    check(f"{name}-{width}", seen(mails, width, *VIEWS[name]))


@pytest.mark.parametrize("width", WIDTHS)
def test_ls_looks_as_it_did(mails: Program, width: int) -> None:
    columns = "id,state,priority,failures,losses,payload"
    check(f"ls-{width}", seen(mails, width, "ls", "emails", "--columns", columns))


@pytest.mark.parametrize("width", WIDTHS)
def test_the_question_looks_as_it_did(mails: Program, width: int) -> None:
    check(f"dlq-purge-question-{width}", seen(mails, width, "dlq", "purge", "emails", "--error", "exit*", answer="y"))
