"""What operators did to a job, kept in its record: bounded, so that a record stays small however often it was changed. Pure.

An execution writes nothing here. While a job runs its worker holds the record, so a deed of that time may be gone afterwards.
"""

import msgspec
from msgspec.structs import replace

from jq_cli.change import Change
from jq_cli.job import FORMAT, Deed, Job

MAX_DEEDS = 20
"""Deeds that a job remembers."""

MAX_BEFORE = 64 * 1_024
"""Bytes of former payloads and options that it remembers beside those of the newest deed."""

MAX_BY = 200

_FIELDS = (
    "priority", "max_retries", "max_losses", "timeout", "headers", "state", "reason", "failures", "losses", "finished_at",
    "expires_at",
)  # fmt: skip
"""Fields whose former values a deed keeps."""


def noted(change: Change, job: Job, *, what: str, by: str, now: int) -> Change:
    """The same change of an operator, with a note of it in the job's history: who (the first MAX_BY characters), when, and
    how what it changed was. A removal leaves nothing to note it in."""
    new = change.job
    if new is None or new.format > FORMAT:
        return change
    before = {name: old for name in _FIELDS if (old := getattr(job, name)) != getattr(new, name)}
    if change.delay is not None:
        before["ready_at"] = job.ready_at
    deed = Deed(now, by[:MAX_BY], what, job.payload if change.payload else None, before)
    return replace(change, job=replace(new, history=remembered(new.history, deed)))


def remembered(history: tuple[Deed, ...], deed: Deed) -> tuple[Deed, ...]:
    """A history with one more deed: the last MAX_DEEDS. What the newest one changed is kept whole; older ones keep it as long
    as all of that takes no more than MAX_BEFORE bytes, newest first."""
    kept, room = [deed], MAX_BEFORE
    for each in reversed(history[-(MAX_DEEDS - 1) :]):
        room -= len(each.payload or b"") + len(msgspec.json.encode(each.before))
        kept.append(each if room >= 0 else _faded(each))
    return tuple(reversed(kept))


def _faded(deed: Deed) -> Deed:
    return replace(deed, payload=None, before={}, dropped=deed.dropped or len(deed.payload or b""))
