"""What a row of the table `jobs` is: the place of a job in its queue as a phase and a number, and the job in a row."""

from typing import Any

from jq_cli.backends.base import Claim
from jq_cli.draft import MAX_PRIORITY
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

COLUMNS = """jobs.id, jobs.phase, jobs.rank, jobs.priority, jobs.ready_at, jobs.created_at, jobs.expires_at, jobs.started_at,
    jobs.generation, jobs.owner, jobs.token, coalesce(jobs.version, jobs.token, jobs.id), jobs.stop, jobs.body, jobs.payload"""

WIDTH = 15
"""How many columns these are."""

Row = tuple[Any, ...]

assert MAX_PRIORITY == 1_000  # the statements in sql/ count on it


def phase_of(job: Job) -> int:
    """The phase of a job."""
    phases = PHASES[job.state]
    return phases[0 if job.retention is None else -1]


def job_of(row: Row, queue: str, now: int) -> Job:
    """The job in a row of COLUMNS, as a reader sees it: a scheduled one that is due is ready."""
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
        stop=row[12],
        payload=row[14],
    )


def leased_of(row: Row, claim: Claim, now: int) -> Job:
    """The job in a row of `claim_jobs`."""
    queue, id, priority, ready_at, created_at, expires_at, generation, stop, body, payload = row
    token = f"{generation}.{claim.nonce}"
    return decode(
        body,
        id=id,
        queue=claim.queues[queue - 1],
        state="running",
        priority=priority,
        ready_at=ready_at,
        created_at=created_at,
        expires_at=expires_at,
        started_at=now,
        generation=generation,
        owner=claim.worker,
        lease_until=now + claim.lease,
        token=token,
        version=token,
        stop=stop,
        payload=payload,
    )
