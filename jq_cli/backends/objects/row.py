"""What the log says about a job: its head, and where its body, payload and output lie. Pure."""

import msgspec
from msgspec.structs import replace

from jq_cli.backends.base import Claim
from jq_cli.change import Change
from jq_cli.draft import Draft
from jq_cli.job import FINAL, Job, State, decode

Where = int | str
"""An object that holds bytes: the number of a commit, or the name of a data object."""

Ref = tuple[Where, int, int]
"""Bytes in an object: which one, from where, how many."""

EMPTY = b"{}"
"""The body of a job without options, which is stored nowhere."""


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One job as the log and the snapshots hold it. Times in ms. `once`: it is `at_most_once`. `counted`: once finished, it
    is among those of which a queue keeps the last N. `until`: when a finished one may be forgotten. A `body` of None is EMPTY."""

    id: str
    state: State
    priority: int
    ready_at: int
    created_at: int
    expires_at: int | None
    started_at: int | None
    finished_at: int | None
    generation: int
    owner: str | None
    lease_until: int | None
    token: str | None
    version: str
    stop: bool
    once: bool
    counted: bool
    until: int | None
    body: Ref | None
    payload: Ref
    output: Ref | None = None

    @property
    def wake_at(self) -> int | None:
        """When the job needs attention if nothing else happens."""
        if self.state in FINAL:
            return self.until
        return self.lease_until if self.state == "running" else self.expires_at

    @property
    def place(self) -> tuple[int | str, ...]:
        """Where it stands among the jobs of its state, smallest first."""
        if self.state == "ready":
            return (-self.priority, self.ready_at, self.id)
        if self.state == "scheduled":
            return (self.ready_at, self.id)
        return ((self.lease_until if self.state == "running" else self.finished_at) or 0, self.id)

    @property
    def refs(self) -> tuple[Ref, ...]:
        """Everything that lies elsewhere."""
        return tuple(ref for ref in (self.body, self.payload, self.output) if ref is not None)


class Key(msgspec.Struct, frozen=True, array_like=True):
    """A dedup or idempotency key: whose it is, until when (None: until its job ends), and the outcome kept under it."""

    job: str
    until: int | None = None
    fingerprint: str = ""
    outcome: bytes | None = None


def new_row(draft: Draft, now: int, body: Ref | None, payload: Ref) -> Row:
    """The row of a job that is accepted now."""
    job = draft.job
    return Row(
        id=job.id,
        state="scheduled" if draft.delay > 0 else "ready",
        priority=job.priority,
        ready_at=now + draft.delay,
        created_at=now,
        expires_at=None if draft.expires_in is None else now + draft.expires_in,
        started_at=None,
        finished_at=None,
        generation=0,
        owner=None,
        lease_until=None,
        token=None,
        version=job.id,
        stop=False,
        once=job.delivery == "at_most_once",
        counted=job.counted,
        until=None,
        body=body,
        payload=payload,
    )


def leased(row: Row, claim: Claim, now: int) -> Row:
    """The row as a claim hands it out."""
    token = f"{row.generation + 1}.{claim.nonce}"
    return replace(
        row,
        state="running",
        generation=row.generation + 1,
        owner=claim.worker,
        token=token,
        version=token,
        started_at=now,
        lease_until=now + claim.lease,
    )


def changed(old: Row, change: Change, job: Job, now: int, body: Ref | None) -> Row:
    """The row after a change that writes `job`; its payload and output are still those of the old one."""
    final = job.state in FINAL
    finished_at = now if final and job.finished_at is None else job.finished_at
    return Row(
        id=job.id,
        state=job.state,
        priority=job.priority,
        ready_at=job.ready_at if change.delay is None else now + change.delay,
        created_at=job.created_at,
        expires_at=job.expires_at,
        started_at=job.started_at,
        finished_at=finished_at,
        generation=job.generation,
        owner=job.owner,
        lease_until=job.lease_until,
        token=job.token,
        version=change.mark,
        stop=not final and (job.stop or old.stop),
        once=job.delivery == "at_most_once",
        counted=job.counted,
        until=finished_at + change.keep if final and finished_at is not None and change.keep is not None else None,
        body=body,
        payload=old.payload,
        output=old.output,
    )


def job_of(queue: str, row: Row, body: bytes, payload: bytes, now: int) -> Job:
    """The job as a reader sees it at a moment: a scheduled one that is due is ready."""
    return decode(
        body,
        id=row.id,
        queue=queue,
        state="ready" if row.state == "scheduled" and row.ready_at <= now else row.state,
        priority=row.priority,
        ready_at=row.ready_at,
        created_at=row.created_at,
        expires_at=row.expires_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        generation=row.generation,
        owner=row.owner,
        lease_until=row.lease_until,
        token=row.token,
        version=row.version,
        stop=row.stop,
        payload=payload,
    )
