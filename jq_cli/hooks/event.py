"""Events: what happened to a job, derived from the transition itself, so that no transition can be forgotten. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from jq_cli.backends.base import Inserted
from jq_cli.change import Change, Step, Verdict
from jq_cli.draft import Draft
from jq_cli.job import FORMAT, WAITING, Job

EVENTS = (
    "enqueued", "started", "succeeded", "failed", "retried", "snoozed", "dead", "recovered", "interrupted", "released",
    "requeued", "promoted", "edited", "cancelled", "removed",
)  # fmt: skip

MAX_ERROR = 4_096
"""Characters of an error that an event carries: its end, because tracebacks end with the cause."""


class Event(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One thing that happened to a job. `id` is unique and grows in the order in which one process told its events; `at` is
    the store's time in ms since the epoch, as well as the process knows it; `worker` is who runs or ran the job. The emitter
    fills in `id`, `at` and `namespace`, and takes the payload away unless a hook asked for it."""

    id: str = ""
    event: str
    at: int = 0
    namespace: str = ""
    queue: str
    job: str
    attempt: int
    worker: str | None = None
    reason: str | None = None
    error: str | None = None
    payload: bytes | None = None


def enqueued(drafts: Sequence[Draft], answers: Sequence[Inserted]) -> Iterator[Event]:
    """One for each draft that made a job."""
    for draft, answer in zip(drafts, answers, strict=True):
        if answer.status == "created":
            yield _event("enqueued", draft.job)


def started(jobs: Sequence[Job]) -> Iterator[Event]:
    """One for each job that was handed to a worker and may start."""
    for job in jobs:
        yield _event("started", job, worker=job.owner)


def changed(changes: Sequence[Change], verdicts: Sequence[Verdict]) -> Iterator[Event]:
    """Those of the changes that took effect, now or when they were sent before."""
    for change, verdict in zip(changes, verdicts, strict=True):
        step = change.step
        if step is None or verdict == "lost" or (verdict == "already" and step.new is None):
            continue
        for kind in kinds(step):
            yield _told(kind, step)


def kinds(step: Step) -> tuple[str, ...]:
    """The events of one transition, in order: an execution that fails for the last time has `failed` and then `dead`."""
    old, new = step.old, step.new
    if new is None:
        return ("removed",)
    if old.state == "running":
        return _ends(step, new)
    if new.state in ("dead", "cancelled") and new.state != old.state:
        return (new.state,)
    if old.state == "dead" and new.state in WAITING:
        return ("requeued",)
    return ("promoted",) if step.kind == "promoted" else ("edited",)


def _ends(step: Step, new: Job) -> tuple[str, ...]:
    """What became of an execution, and then what becomes of the job."""
    old = step.old
    if new.state == "running":
        return ()  # asked to stop; `cancelled` follows when it has
    follows = (new.state,) if new.state in ("dead", "cancelled") else ()
    if new.failures > old.failures:
        return ("failed", *(follows or ("retried",)))
    if new.losses > old.losses:
        return ("recovered", *follows)
    if new.reason == "interrupted":
        return ("interrupted", "dead")
    if new.state == "succeeded":
        return ("succeeded",)
    return follows or _returns(step)


def _returns(step: Step) -> tuple[str, ...]:
    if step.old.format > FORMAT:
        return ()  # never started: its record is for newer workers
    return (step.kind,) if step.kind in ("released", "interrupted") else ("snoozed",)


def _told(kind: str, step: Step) -> Event:
    old, new = step.old, step.new or step.old
    troubled = kind in ("failed", "dead", "recovered")
    return _event(
        kind, old,
        worker=old.owner if old.state == "running" else None,
        reason=new.reason if kind in ("dead", "cancelled") else None,
        error=new.last_error[-MAX_ERROR:] if troubled and new.last_error else None,
    )  # fmt: skip


def _event(kind: str, job: Job, **fields: str | None) -> Event:
    return Event(event=kind, queue=job.queue, job=job.id, attempt=job.attempt, payload=job.payload or None, **fields)  # type: ignore[arg-type]


def record(event: Event) -> dict[str, Any]:
    """The event as JSON shows it: only what it has, the payload as the JSON it is, or as text when it is none."""
    fields = {name: value for name in event.__struct_fields__ if (value := getattr(event, name)) is not None}
    if event.payload is not None:
        fields["payload"] = _json(event.payload)
    return fields


def _json(payload: bytes) -> Any:
    try:
        payload.decode("utf-8")
        return msgspec.Raw(msgspec.json.format(payload, indent=-1))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return payload.decode("utf-8", "backslashreplace")
