"""Claims: taking in what became due, and leasing jobs in their order."""

from collections.abc import Mapping

from jq_cli.backends.base import Claim, Hold
from jq_cli.backends.phases import READY, RUNNING, SCHEDULED
from jq_cli.backends.sqlite.rows import COLUMNS, MOMENT_BITS, OUTPUT_ASIDE, PUT_OUTPUT, leased_of
from jq_cli.backends.sqlite.space import QueueState, Space, Step
from jq_cli.draft import MAX_PRIORITY
from jq_cli.job import Job, Token

TAKE_IN_BATCH = 5_000
"""Due jobs taken in by one step: more would keep other writers waiting."""

_FIRST_READY = f"SELECT {COLUMNS} FROM jobs WHERE queue = ? AND phase = {READY} ORDER BY rank, id LIMIT ?"
_LEASE = f"""UPDATE jobs SET phase = {RUNNING}, rank = ?, wake_at = NULL, generation = generation + 1, owner = ?,
    token = (generation + 1) || '.' || ?, version = NULL, started_at = ?
    WHERE queue = ? AND phase = {READY} AND (rank, id) <= (?, ?)"""
_DUE = f"SELECT rank, id FROM jobs WHERE queue = ? AND phase = {SCHEDULED} AND rank <= ? ORDER BY rank, id LIMIT 1 OFFSET ?"
_TAKE_IN = f"""UPDATE jobs SET phase = {READY}, rank = rank + ({MAX_PRIORITY} - priority << {MOMENT_BITS})
    WHERE queue = ? AND phase = {SCHEDULED} AND (rank, id) <= (?, ?)"""
_HELD = f"SELECT serial, stop FROM jobs WHERE queue = ? AND id = ? AND phase = {RUNNING} AND token = ?"
_EXTEND = "UPDATE jobs SET rank = ?, version = token || '~' || ?, aside = aside | ? WHERE serial = ?"


def offers(space: Space, claim: Claim, now: int) -> bool:
    """Whether a claim might get something. Only reads, so that idle workers are in nobody's way."""
    return any(_offers(space, state, now) for name in claim.queues if (state := space.state(name)))


def _offers(space: Space, state: QueueState, now: int) -> bool:
    if state.controls.holds(now) or not _room(state, 1):
        return False
    return state.ready > 0 or (state.scheduled > 0 and due(space, state.number, now))


def due(space: Space, queue: int, now: int) -> bool:
    """Whether a queue has a scheduled job whose delay ended."""
    return space.cursor.execute(_DUE, (queue, now, 0)).fetchone() is not None


def take_in(step: Step, queue: int, name: str) -> bool:
    """Make due scheduled jobs ready; they compete by the moment their delay ended. Whether none is left."""
    more = step.cursor.execute(_DUE, (queue, step.now, TAKE_IN_BATCH - 1)).fetchone()
    step.cursor.execute(_TAKE_IN, (queue, *(more or (step.now, "~"))))
    if taken := step.cursor.rowcount:
        step.moved(queue, SCHEDULED, READY, taken)
        step.topics.add("ready:" + name)
    return more is None


def claim_jobs(step: Step, claim: Claim) -> list[Job] | None:
    """Lease jobs; None when so many became due that another step must first go on taking them in."""
    step.flush()
    states = [step.space.state(name) for name in dict.fromkeys(claim.queues)]
    queues = [queue for queue in states if queue and not queue.controls.holds(step.now)]
    if not all(take_in(step, queue.number, queue.name) for queue in queues if queue.scheduled):
        return None
    jobs: list[Job] = []
    for queue in queues:
        if _lease(step, queue, claim, jobs):
            break
    return jobs


def _lease(step: Step, queue: QueueState, claim: Claim, jobs: list[Job]) -> bool:
    """Add a queue's jobs to those claimed; whether the claim ends with them because the next must not be fetched ahead."""
    room = _room(queue, claim.limit - len(jobs))
    rows = step.cursor.execute(_FIRST_READY, (queue.number, max(0, room))).fetchall()
    ended, leased, last = False, 0, None
    for row in rows:
        job = leased_of(row, queue.name, claim, step.now)
        if job.delivery == "at_most_once" and len(jobs) >= claim.idle:
            ended = True
            break
        jobs.append(job)
        leased, last = leased + 1, row
    if last is not None:
        until = step.now + claim.lease
        step.cursor.execute(_LEASE, (until, claim.worker, claim.nonce, step.now, queue.number, last[2], last[0]))
        step.moved(queue.number, READY, RUNNING, leased)
    return ended


def _room(queue: QueueState, wanted: int) -> int:
    limit = queue.controls.max_running
    return min(wanted, limit - queue.running) if limit else wanted


def extend(step: Step, lease: Token, until: int, live: Mapping[str, bytes]) -> Hold:
    """Move the end of one lease."""
    queue = step.space.queue(lease.queue)
    row = step.cursor.execute(_HELD, (queue, lease.id, lease.token)).fetchone()
    if row is None:
        return "lost"
    shown = live.get(lease.id)
    step.cursor.execute(_EXTEND, (until, until, 0 if shown is None else OUTPUT_ASIDE, row[0]))
    if shown is not None:
        step.cursor.execute(PUT_OUTPUT, (row[0], shown))
    return "stop" if row[1] else "held"
