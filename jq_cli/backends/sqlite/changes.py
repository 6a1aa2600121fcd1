"""Changes as writes of a step, and what else happens with them: keys, totals, output, and the trimming of finished jobs."""

from collections.abc import Sequence

from jq_cli.backends.phases import READY, RUNNING, Row
from jq_cli.backends.sqlite import keys
from jq_cli.backends.sqlite.rows import COUNTED, FIELDS, INLINE, PAYLOAD_ASIDE, PUT_OUTPUT, PUT_PAYLOAD, changed
from jq_cli.backends.sqlite.space import Step
from jq_cli.change import Change, Verdict, caps_of
from jq_cli.job import Job

TRIM_BATCH = 10_000
"""Finished jobs dropped at once where a queue keeps fewer from now on."""

_LEASED = f"queue = ? AND id = ? AND phase = {RUNNING} AND token = ? AND coalesce(version, token) <> ?"
_SETTLE = f"UPDATE jobs SET {FIELDS} WHERE {_LEASED}"
_SETTLE_AWAY = f"DELETE FROM jobs WHERE {_LEASED}"
_SEEN = "SELECT serial, phase, coalesce(version, token, id) FROM jobs WHERE queue = ? AND id = ?"
_WRITE = f"UPDATE jobs SET {FIELDS} WHERE serial = ?"
_WRITE_AWAY = "DELETE FROM jobs WHERE serial = ?"
_INLINE = f"UPDATE jobs SET payload = ?, aside = aside & ~{PAYLOAD_ASIDE} WHERE serial = ?"
_ASIDE = f"UPDATE jobs SET payload = NULL, aside = aside | {PAYLOAD_ASIDE} WHERE serial = ?"
_OLDEST = "SELECT rank, id FROM (SELECT rank, id FROM jobs WHERE queue = ? AND phase = {} ORDER BY rank, id LIMIT ?)"
_LAST_TO_GO = f"{' UNION ALL '.join(_OLDEST.format(phase) for phase in COUNTED)} ORDER BY rank, id LIMIT 1 OFFSET ?"
_DROP = "DELETE FROM jobs WHERE queue = ? AND phase = ? AND (rank, id) <= (?, ?)"


def apply(step: Step, changes: Sequence[Change]) -> list[Verdict]:
    """Apply changes, then drop what queues do not keep any longer."""
    verdicts = [_apply(step, change) for change in changes]
    applied = (change for change, verdict in zip(changes, verdicts, strict=True) if verdict == "applied")
    for name, cap in caps_of(applied).items():
        _trim(step, step.queue(name), cap)
    return verdicts


def _apply(step: Step, change: Change) -> Verdict:
    queue = step.space.queue(change.queue)
    if queue is None:
        return "already" if change.job is None else "lost"
    row = None if change.job is None else changed(change.job, change, step.now)
    if change.fenced and _settle(step, queue, change, row):
        _account(step, queue, change, RUNNING, row)
        return "applied"
    # A removed row says nothing of its own about who removed it: gone is gone.
    seen = step.cursor.execute(_SEEN, (queue, change.id)).fetchone()
    if seen is None:
        return "already" if change.job is None else "lost"
    serial, phase, version = seen
    if version == change.mark:
        return "already"
    if change.fenced or version != change.expect:
        return "lost"
    if row is None:
        step.cursor.execute(_WRITE_AWAY, (serial,))
    else:
        step.cursor.execute(_WRITE, (*row, serial))
    _account(step, queue, change, phase, row)
    return "applied"


def _settle(step: Step, queue: int, change: Change, row: Row | None) -> bool:
    """Write a fenced change; whether the job was running under that token."""
    where = (queue, change.id, change.expect, change.mark)
    if row is None:
        step.cursor.execute(_SETTLE_AWAY, where)
    else:
        step.cursor.execute(_SETTLE, row + where)
    return step.cursor.rowcount > 0


def _account(step: Step, queue: int, change: Change, old: int, row: Row | None) -> None:
    """What happens in the same step as an applied change."""
    phase: int = 0 if row is None else row[0]
    step.moved(queue, old, phase)
    for total in change.totals:
        step.count(queue, total)
    if change.keys:
        keys.change(step.cursor, queue, change.id, change.keys, step.now)
    if change.job is not None and (change.payload or change.output is not None):
        _put_aside(step, queue, change, change.job)
    if phase == READY:
        step.topics.add("ready:" + change.queue)
    elif not 0 < phase <= RUNNING:
        step.topics.add("done:" + change.queue)


def _put_aside(step: Step, queue: int, change: Change, job: Job) -> None:
    serial = step.cursor.execute(_SEEN, (queue, change.id)).fetchone()[0]
    if change.output is not None:
        step.cursor.execute(PUT_OUTPUT, (serial, change.output))
    if change.payload and len(job.payload) > INLINE:
        step.cursor.execute(_ASIDE, (serial,))
        step.cursor.execute(PUT_PAYLOAD, (serial, job.payload))
    elif change.payload:
        step.cursor.execute(_INLINE, (job.payload, serial))
        step.cursor.execute("DELETE FROM payloads WHERE serial = ?", (serial,))


def _trim(step: Step, queue: int, cap: int) -> None:
    step.flush()
    row = step.cursor.execute("SELECT succeeded + cancelled FROM queues WHERE number = ?", (queue,)).fetchone()
    excess = min(row[0] - cap, TRIM_BATCH)
    if excess <= 0:
        return
    last = step.cursor.execute(_LAST_TO_GO, (queue, excess, queue, excess, excess - 1)).fetchone()
    for phase in COUNTED:
        step.cursor.execute(_DROP, (queue, phase, *last))
        step.moved(queue, phase, 0, step.cursor.rowcount)
