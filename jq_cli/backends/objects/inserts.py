"""Drafts as settings of a step."""

from jq_cli.backends.base import Inserted
from jq_cli.backends.objects.queue import Queue
from jq_cli.backends.objects.row import Key, new_row
from jq_cli.backends.objects.step import Step
from jq_cli.change import DEDUP, IDEMPOTENCY
from jq_cli.draft import Draft
from jq_cli.errors import BackendFull
from jq_cli.job import encode_body

MOST_JOBS = 1_000_000
"""Jobs a namespace may hold: every process keeps their rows in memory, about 1 KB each."""


def insert(step: Step, draft: Draft) -> Inserted:
    """Store one job, unless it or its keys are there already."""
    job, queue = draft.job, step.tables.queue(draft.job.queue)
    refused = _judged(queue, draft, step.now)
    if refused is not None:
        if refused.status != "mismatch":
            step.count(job.queue, "duplicates")
        return refused
    if step.tables.jobs >= MOST_JOBS:
        raise BackendFull(f"the namespace holds {MOST_JOBS:,} jobs, the most an object store is good for")
    row = new_row(draft, step.now, step.shelf.body(encode_body(job)), step.shelf.put(job.payload))
    step.row(job.queue, job.id, row)
    step.count(job.queue, "enqueued")
    _take_keys(step, draft)
    return Inserted("created", job.id)


def _judged(queue: Queue, draft: Draft, now: int) -> Inserted | None:
    job = draft.job
    if job.id in queue.rows:
        return Inserted("duplicate", job.id)
    if job.dedup_key is not None and (key := queue.live_key(DEDUP + job.dedup_key, now)):
        return Inserted("duplicate", key.job)
    if job.idempotency_key is not None and (key := queue.live_key(IDEMPOTENCY + job.idempotency_key, now)):
        if key.fingerprint != draft.fingerprint:
            return Inserted("mismatch", key.job)
        return Inserted("duplicate" if key.outcome is None else "replayed", key.job, key.outcome)
    return None


def _take_keys(step: Step, draft: Draft) -> None:
    job = draft.job
    if job.dedup_key is not None:
        until = None if job.dedup_ttl is None else step.now + round(job.dedup_ttl * 1_000)
        step.set("keys", job.queue, DEDUP + job.dedup_key, Key(job.id, until))
    if job.idempotency_key is not None:
        step.set("keys", job.queue, IDEMPOTENCY + job.idempotency_key, Key(job.id, None, draft.fingerprint))
