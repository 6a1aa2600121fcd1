"""What a row of the table `jobs` is: the place of a job in its queue as a phase and a number, and the job in a row.

Nothing is bound as None or bytes where it can be helped: Python's sqlite3 looks for an adapter for those each time, which costs
more than the rest of the binding. So -1 and '' stand for null in parameters, and bytes go in as bytearray.
"""

from jq_cli.backends.base import Claim
from jq_cli.backends.phases import CANCELLED, READY, RUNNING, SCHEDULED, SUCCEEDED, Row, phase_of
from jq_cli.change import Change
from jq_cli.draft import MAX_PRIORITY, Draft
from jq_cli.job import Job, decode, encode_body

COUNTED = (SUCCEEDED, CANCELLED)
"""Phases of finished jobs of which a queue keeps only the last N."""

MOMENT_BITS = 48
MOMENTS = (1 << MOMENT_BITS) - 1
INLINE = 512
"""Bytes up to which a payload lies in the row itself. (Measured: from about 400 bytes on, copying it at each move costs more than
a row of its own.)"""

PAYLOAD_ASIDE, OUTPUT_ASIDE = 1, 2

COLUMNS = """id, phase, rank, priority, ready_at, created_at, expires_at, started_at, generation, owner, token,
    coalesce(version, token, id), stop, CAST(body AS BLOB),
    CASE WHEN aside & 1 THEN (SELECT data FROM payloads WHERE payloads.serial = jobs.serial) ELSE CAST(payload AS BLOB) END"""


def ready_rank(priority: int, ready_at: int) -> int:
    """The place of a ready job: smaller for a higher priority, then for an earlier moment."""
    return (MAX_PRIORITY - priority << MOMENT_BITS) + ready_at


def place(job: Job, ready_at: int, now: int) -> tuple[int, int]:
    """The phase and the rank of a job that is ready from a moment on, and finishes now unless it finished before."""
    if job.state == "ready":
        return READY, ready_rank(job.priority, ready_at)
    if job.state == "scheduled":
        return SCHEDULED, ready_at
    if job.state == "running":
        return RUNNING, job.lease_until or 0
    return phase_of(job), now if job.finished_at is None else job.finished_at


def leased_of(row: Row, queue: str, claim: Claim, now: int) -> Job:
    """The job in a row of COLUMNS as a claim hands it out."""
    token = f"{row[8] + 1}.{claim.nonce}"
    return decode(
        row[13],
        id=row[0],
        queue=queue,
        state="running",
        priority=row[3],
        ready_at=row[4],
        created_at=row[5],
        expires_at=row[6],
        started_at=now,
        generation=row[8] + 1,
        owner=claim.worker,
        lease_until=now + claim.lease,
        token=token,
        version=token,
        stop=bool(row[12]),
        payload=row[14],
    )


INSERT = """INSERT INTO jobs (queue, space, id, phase, rank, wake_at, priority, ready_at, created_at, expires_at,
    generation, stop, aside, body, payload)
    VALUES (?, ?, ?, ?, ?, nullif(?, -1), ?, ?, ?, nullif(?, -1), 0, 0, ?, ?, ?) ON CONFLICT DO NOTHING"""

FIELDS = """phase = ?, rank = ?, wake_at = nullif(?, -1), priority = ?, ready_at = ?, created_at = ?,
    expires_at = nullif(?, -1), started_at = nullif(?, -1), generation = ?, stop = (stop | ?) & ?, aside = aside | ?,
    owner = nullif(?, ''), token = nullif(?, ''), version = ?, body = ?"""


PUT_PAYLOAD = (
    "INSERT INTO payloads (serial, data) VALUES (?, ?) ON CONFLICT (serial) DO UPDATE SET data = excluded.data"
)
PUT_OUTPUT = "INSERT INTO outputs (serial, data) VALUES (?, ?) ON CONFLICT (serial) DO UPDATE SET data = excluded.data"


def inserted(draft: Draft, space: int, queue: int, now: int) -> Row:
    """The parameters of INSERT for a new job."""
    job, ready_at = draft.job, now + draft.delay
    phase, rank = (SCHEDULED, ready_at) if draft.delay > 0 else (READY, ready_rank(job.priority, ready_at))
    expires_at = -1 if draft.expires_in is None else now + draft.expires_in
    payload, body = job.payload, bytearray(encode_body(job))
    large = len(payload) > INLINE
    return (
        queue, space, job.id, phase, rank, expires_at, job.priority, ready_at, now, expires_at,
        PAYLOAD_ASIDE if large else 0, body, None if large else bytearray(payload),
    )  # fmt: skip


def changed(job: Job, change: Change, now: int) -> Row:
    """The parameters of FIELDS for the new job of a change."""
    ready_at = job.ready_at if change.delay is None else now + change.delay
    phase, rank = place(job, ready_at, now)
    wake_at = expires_at = -1 if job.expires_at is None else job.expires_at
    if phase >= RUNNING:
        wake_at = -1 if phase == RUNNING or change.keep is None else rank + change.keep
    return (
        phase, rank, wake_at, job.priority, ready_at, job.created_at, expires_at,
        -1 if job.started_at is None else job.started_at, job.generation, int(job.stop), int(phase <= RUNNING),
        0 if change.output is None else OUTPUT_ASIDE, job.owner or "", job.token or "", change.mark, bytearray(encode_body(job)),
    )  # fmt: skip
