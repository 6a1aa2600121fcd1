"""Jobs and queues as records: plain mappings with the public field names, ready for JSON and for tables. Pure."""

from typing import Any

import msgspec
from msgspec.structs import asdict

from jq_cli.backends.base import QueueCounts
from jq_cli.job import STATES, Deed, Job

Record = dict[str, Any]

JOB_FIELDS = (
    "id", "queue", "state", "priority", "payload", "ready_at", "created_at", "started_at", "finished_at", "expires_at",
    "max_retries", "max_losses", "delivery", "backoff", "timeout", "retention", "dedup_key", "dedup_ttl", "dedup_until",
    "idempotency_key", "idempotency_ttl", "headers", "schedule", "generation", "failures", "losses", "owner",
    "lease_until", "stop", "reason", "last_error", "errors", "history", "result", "version",
)  # fmt: skip

QUEUE_FIELDS = (
    "queue", "ready", "running", "scheduled", "dead", "succeeded", "cancelled", "paused", "oldest_ready_age",
    "paused_reason", "paused_by", "paused_until", "max_running", "pending_limit",
)  # fmt: skip
TOTALS = ("enqueued", "succeeded", "failed", "dead", "recovered", "duplicates")
MORE_QUEUE_FIELDS = tuple(f"total_{name}" for name in TOTALS)


def job_record(job: Job) -> Record:
    """Every public field of a job. A payload or result that is not JSON is given as text."""
    record = {name: getattr(job, name) for name in JOB_FIELDS}
    record["payload"] = json_value(job.payload)
    record["result"] = json_value(bytes(job.result)) if bytes(job.result) else None
    record["backoff"] = asdict(job.backoff)
    record["errors"] = [asdict(entry) for entry in job.errors]
    record["history"] = [_deed_record(deed) for deed in job.history]
    if job.raw:
        record["raw"] = job.raw.decode("utf-8", errors="backslashreplace")
    return record


def _deed_record(deed: Deed) -> Record:
    return asdict(deed) | {"payload": None if deed.payload is None else json_value(deed.payload)}


def queue_record(counts: QueueCounts) -> Record:
    """A queue's counts, ages in seconds, and what an operator set on it."""
    oldest, controls = counts.oldest_ready_at, counts.controls
    record: Record = {"queue": counts.queue, **{state: counts.states.get(state, 0) for state in STATES}}
    record["paused"] = controls.holds(counts.now)
    record["oldest_ready_age"] = None if oldest is None else max(0, counts.now - oldest) / 1_000
    record |= {"paused_reason": controls.paused_reason or None, "paused_by": controls.paused_by or None}
    record |= {"paused_until": controls.paused_until, "max_running": controls.max_running}
    return record | {f"total_{name}": counts.totals.get(name, 0) for name in TOTALS}


def json_value(stored: bytes) -> Any:
    """Stored JSON as it is, on one line; anything else as text with `\\xff` for what is not UTF-8."""
    try:
        compact = msgspec.json.format(stored, indent=-1)
        compact.decode("utf-8")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return stored.decode("utf-8", errors="backslashreplace")
    return msgspec.Raw(compact)
