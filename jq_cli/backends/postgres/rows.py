"""What a row of the table `jobs` is: the place of a job in its queue as a phase and a number, and the job in a row."""

from typing import Any

from msgspec.structs import replace

from jq_cli.backends.base import Claim
from jq_cli.backends.phases import Row
from jq_cli.backends.postgres.statement import Rows
from jq_cli.draft import MAX_PRIORITY
from jq_cli.job import Job, decode

COLUMNS = """jobs.id, jobs.phase, jobs.rank, jobs.priority, jobs.ready_at, jobs.created_at, jobs.expires_at, jobs.started_at,
    jobs.generation, jobs.owner, jobs.token, coalesce(jobs.version, jobs.token, jobs.id), jobs.stop, jobs.body, jobs.payload"""

WIDTH = 15
"""How many columns these are."""

assert MAX_PRIORITY == 1_000  # the statements in sql/ count on it


def leased_of(rows: Rows, claim: Claim, now: int) -> list[Job]:
    """The jobs in rows of `claim_jobs`, in the order in which they must start. A record that is as that of another job is read
    once."""
    made: dict[tuple[Any, ...], Job] = {}
    jobs: list[Job] = []
    for queue, id, priority, ready_at, created_at, expires_at, generation, stop, body, payload, _ in sorted(
        rows, key=_place
    ):
        alike = (queue, priority, expires_at, generation, stop, body)
        job = made.get(alike)
        if job is None:
            job = made[alike] = _leased(alike, claim, now)
        jobs.append(replace(job, id=id, ready_at=ready_at, created_at=created_at, payload=payload))
    return jobs


def _place(row: Row) -> tuple[int, int, str]:
    return row[0], row[10], row[1]


def _leased(alike: tuple[Any, ...], claim: Claim, now: int) -> Job:
    queue, priority, expires_at, generation, stop, body = alike
    token = f"{generation}.{claim.nonce}"
    return decode(
        body,
        queue=claim.queues[queue - 1],
        state="running",
        priority=priority,
        expires_at=expires_at,
        started_at=now,
        generation=generation,
        owner=claim.worker,
        lease_until=now + claim.lease,
        token=token,
        version=token,
        stop=stop,
    )
