"""What a row of the table `jobs` is: the place of a job in its queue as a phase and a number, and the job in a row."""

from jq_cli.backends.base import Claim
from jq_cli.backends.phases import Row
from jq_cli.draft import MAX_PRIORITY
from jq_cli.job import Job, decode

COLUMNS = """jobs.id, jobs.phase, jobs.rank, jobs.priority, jobs.ready_at, jobs.created_at, jobs.expires_at, jobs.started_at,
    jobs.generation, jobs.owner, jobs.token, coalesce(jobs.version, jobs.token, jobs.id), jobs.stop, jobs.body, jobs.payload"""

WIDTH = 15
"""How many columns these are."""

assert MAX_PRIORITY == 1_000  # the statements in sql/ count on it


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
