"""A job's life as far as its record tells it: what happened when, by whom, and what comes next. Pure.

What an execution that went well leaves is its start and its end. Failures, losses and what operators did are kept one by one,
the last ones of each, so of a long life the early parts may be missing.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from jq_cli.durations import format_duration
from jq_cli.job import FINAL, WAITING, Deed, ErrorEntry, Job, gist

ENDS = {"succeeded": "succeeded", "dead": "died", "cancelled": "cancelled"}


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that happened to a job, or is due: when (ms), what, by whom (an operator or a worker), in which run, and more
    in words. Texts are as they are stored."""

    at: int
    event: str
    by: str | None = None
    run: int | None = None
    detail: str = ""


def timeline(job: Job) -> list[Event]:
    """What happened to a job and what is to come, by moment."""
    events = [_enqueued(job), *_forgotten(job), *_runs(job), *(each for deed in job.history for each in _done(deed))]
    if job.state in FINAL and job.finished_at is not None:
        events.append(Event(job.finished_at, ENDS[job.state], detail=_why(job.reason, job.state)))
    return sorted([*events, *_ahead(job)], key=lambda event: event.at)


def _enqueued(job: Job) -> Event:
    return Event(job.created_at, "enqueued", detail=f"by schedule {job.schedule}" if job.schedule else "")


def _forgotten(job: Job) -> Iterator[Event]:
    # A requeue starts counting anew, so of a requeued job there may be more than this.
    count = job.failures + job.losses - len(job.errors)
    if count > 0:
        yield Event(job.created_at, "forgotten", detail=f"{count:,} earlier failed or lost runs are no longer kept")


def _runs(job: Job) -> Iterator[Event]:
    ends = [
        at for at in (job.finished_at, *(deed.before.get("finished_at") for deed in job.history)) if type(at) is int
    ]
    for entry in job.errors:
        if entry.started is not None:
            yield Event(entry.started, "claimed", entry.worker or None, entry.generation)
        yield Event(_within(entry, ends), entry.kind, entry.worker or None, entry.generation, _failure(entry))
    told = bool(job.errors) and job.errors[-1].generation == job.generation and job.errors[-1].started is not None
    if job.started_at is not None and not told:
        yield Event(job.started_at, "claimed", job.owner, job.generation)


def _within(entry: ErrorEntry, ends: list[int]) -> int:
    # A worker tells a moment by its own reading of the store's clock; a run never ends after the job did.
    return min([entry.at, *(end for end in ends if (entry.started or entry.at) <= end)])


def _failure(entry: ErrorEntry) -> str:
    again = "" if entry.retry_in is None else f"; next try after {format_duration(entry.retry_in)}"
    return gist(entry.error) + again


def _done(deed: Deed) -> Iterator[Event]:
    before = deed.before
    if before.get("state") == "dead" and type(before.get("finished_at")) is int:
        yield Event(before["finished_at"], "died", detail=_why(before.get("reason"), "dead"))
    yield Event(deed.at, deed.what, deed.by, detail=_changes(deed))


def _changes(deed: Deed) -> str:
    changed = [f"{name} was {_value(value)}" for name, value in deed.before.items() if name in _OPTIONS]
    if deed.payload is not None:
        changed.insert(0, f"the payload was {_short(deed.payload.decode(errors='backslashreplace'))}")
    elif deed.dropped:
        changed.insert(0, f"the payload, {deed.dropped:,} bytes, is no longer kept")
    if deed.what == "edited" and deed.before.get("state") == "dead":
        changed.insert(0, "requeued")
    return ", ".join(changed)


def _ahead(job: Job) -> Iterator[Event]:
    if job.state == "scheduled":
        yield Event(job.ready_at, "due")
    if job.state == "running" and job.lease_until is not None:
        yield Event(job.lease_until, "lease ends", job.owner, job.generation)
    if job.state in WAITING and job.expires_at is not None:
        yield Event(job.expires_at, "expires", detail="unless it is started before")


def _why(reason: object, state: str) -> str:
    return reason if isinstance(reason, str) and reason != state else ""


def _value(value: Any) -> str:
    return "none" if value is None else _short(msgspec.json.encode(value).decode())


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


_OPTIONS = ("priority", "max_retries", "max_losses", "timeout", "headers")
