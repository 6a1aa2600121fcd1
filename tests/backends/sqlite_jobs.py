"""Short words for the tests of the SQLite backend."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Raw

from jq_cli import lifecycle
from jq_cli.backends.base import Backend, Claim
from jq_cli.backends.sqlite.space import COUNTERS
from jq_cli.change import Verdict
from jq_cli.draft import Draft, make_draft
from jq_cli.ids import new_id, nonce
from jq_cli.job import Job


def draft(payload: bytes = b"1", *, queue: str = "q", delay: int = 0, **fields: Any) -> Draft:
    """A draft of a job with an id of its own."""
    return make_draft(Job(id=new_id(), queue=queue, payload=payload, **fields), delay=delay)


def claim(store: Backend, limit: int = 1, *, worker: str = "w", queue: str = "q") -> list[Job]:
    """Jobs leased for ten seconds."""
    return store.claim(Claim((queue,), limit, worker, 10_000, nonce())).jobs


def succeed(store: Backend, jobs: list[Job]) -> list[Verdict]:
    """The verdicts on the success of jobs."""
    return store.replace([lifecycle.succeed(job, Raw(b"1")) for job in jobs])


def child(deed: Callable[[], object]) -> int:
    """The id of a forked process that does something and ends: with code 0, or 1 if it raised."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            deed()
            code = 0
        finally:
            os._exit(code)
    return pid


def code_of(pid: int) -> int:
    """How a child ended; negative: by which signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def path_of(store: Backend) -> Path:
    """The file of a store."""
    return Path(store.url.removeprefix("sqlite://"))


def check_file(path: Path) -> None:
    """Check that the file is whole, and that what it counts and keeps aside is what it holds."""
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    counted = raw.execute(f"SELECT number, {', '.join(COUNTERS)} FROM queues ORDER BY number").fetchall()
    sums = ", ".join(f"sum(phase = {phase})" for phase in range(1, 9))
    held = {row[0]: row[1:] for row in raw.execute(f"SELECT queue, {sums} FROM jobs GROUP BY queue")}
    assert {row[0]: row[1:] for row in counted} == {row[0]: held.get(row[0], (0,) * 8) for row in counted}
    for table, flag in (("payloads", 1), ("outputs", 2)):
        aside = raw.execute(f"SELECT serial FROM jobs WHERE aside & {flag} ORDER BY serial").fetchall()
        assert raw.execute(f"SELECT serial FROM {table} ORDER BY serial").fetchall() == aside
    raw.close()
