"""How the SQL stores keep the place of a job: a phase and a rank in it (so one index gives every order); and the job in a row."""

from typing import Any

import msgspec

from jq_cli.backends.base import Page
from jq_cli.job import Job, State, decode

SCHEDULED, READY, RUNNING, SUCCEEDED, CANCELLED, SUCCEEDED_KEPT, CANCELLED_KEPT, DEAD = range(1, 9)

PHASES: dict[State, tuple[int, ...]] = {
    "scheduled": (SCHEDULED,),
    "ready": (READY,),
    "running": (RUNNING,),
    "succeeded": (SUCCEEDED, SUCCEEDED_KEPT),
    "dead": (DEAD,),
    "cancelled": (CANCELLED, CANCELLED_KEPT),
}
STATE_OF: dict[int, State] = {phase: state for state, phases in PHASES.items() for phase in phases}

Row = tuple[Any, ...]
"""id, phase, rank, priority, ready_at, created_at, expires_at, started_at, generation, owner, token, version, stop, body,
payload."""


def phase_of(job: Job) -> int:
    """The phase of a job."""
    phases = PHASES[job.state]
    return phases[0 if job.retention is None else -1]


def job_of(row: Row, queue: str, now: int) -> Job:
    """The job in a row, as a reader sees it: a scheduled one that is due is ready."""
    phase, rank = row[1], row[2]
    return decode(
        row[13],
        id=row[0],
        queue=queue,
        state="ready" if phase == SCHEDULED and rank <= now else STATE_OF[phase],
        priority=row[3],
        ready_at=row[4],
        created_at=row[5],
        expires_at=row[6],
        started_at=row[7],
        finished_at=rank if phase > RUNNING else None,
        generation=row[8],
        owner=row[9],
        lease_until=rank if phase == RUNNING else None,
        token=row[10],
        version=row[11],
        stop=bool(row[12]),
        payload=row[14],
    )


def page_of(rows: list[Row], queue: str, now: int, *, limit: int, reverse: bool) -> Page:
    """The first `limit` jobs of rows of one state; that there are more rows says that another page follows."""
    rows.sort(key=_place_of, reverse=reverse)
    chosen = rows[:limit]
    more = msgspec.json.encode(_place_of(chosen[-1])).decode() if chosen and len(rows) > limit else None
    return Page([job_of(row, queue, now) for row in chosen], more)


def _place_of(row: Row) -> tuple[int, str]:
    return row[2], row[0]
