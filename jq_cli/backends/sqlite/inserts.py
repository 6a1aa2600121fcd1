"""Drafts as writes of a step: each is judged and stored at once."""

from jq_cli.backends.base import Inserted
from jq_cli.backends.phases import READY
from jq_cli.backends.sqlite import keys
from jq_cli.backends.sqlite.rows import INLINE, INSERT, PUT_PAYLOAD, inserted
from jq_cli.backends.sqlite.space import Step
from jq_cli.draft import Draft


def insert(step: Step, draft: Draft) -> Inserted:
    """Store a draft, or say why not."""
    job = draft.job
    queue = step.queue(job.queue)
    keyed = job.dedup_key is not None or job.idempotency_key is not None
    refused = keys.judge(step.cursor, queue, draft, step.now) if keyed else None
    if refused is None and not _store(step, queue, draft):
        refused = Inserted("duplicate", job.id)
    if refused is not None:
        if refused.status != "mismatch":
            step.count(queue, "duplicates")
        return refused
    if keyed:
        keys.take(step.cursor, step.space.number, queue, draft, step.now)
    step.count(queue, "enqueued")
    return Inserted("created", job.id)


def _store(step: Step, queue: int, draft: Draft) -> bool:
    """Whether the id was free, and is the draft's now."""
    job, cursor = draft.job, step.cursor
    row = inserted(draft, step.space.number, queue, step.now)
    cursor.execute(INSERT, row)
    if cursor.rowcount == 0:
        return False
    if len(job.payload) > INLINE:
        cursor.execute(PUT_PAYLOAD, (cursor.lastrowid, job.payload))
    phase: int = row[3]
    step.moved(queue, 0, phase)
    if phase == READY:
        step.topics.add("ready:" + job.queue)
    return True
