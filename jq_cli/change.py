"""A change: one conditional write of one job, decided by policy (`lifecycle`) and carried out by a backend. Pure."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from jq_cli.errors import Conflict
from jq_cli.job import Job

Verdict = Literal["applied", "already", "lost"]
"""What became of a change: written now, found written before with the same mark, or refused because the row moved on."""

DEDUP = "dedup:"
IDEMPOTENCY = "idempotency:"
"""Prefixes of the two kinds of unique keys within a queue."""


class Unchanged(Conflict):
    """The job is already as the change would make it, so there is nothing to write."""


class KeyChange(msgspec.Struct, frozen=True, gc=False):
    """What happens to a unique key in the same atomic step, provided the key still belongs to the changed job.

    `name` is a prefix (DEDUP, IDEMPOTENCY) and the producer's text. With `outcome` None the key is freed; else the
    outcome (JSON) is kept under it for `ttl` ms.
    """

    name: str
    outcome: bytes | None = None
    ttl: int = 0


class Step(msgspec.Struct, frozen=True, gc=False):
    """The transition that a change makes, for those who tell of it: the job before, the job after (None: removed by an operator
    or by retention), and where the two do not say it, of which kind it is. Never stored."""

    old: Job
    new: Job | None
    kind: str = ""


class Change(msgspec.Struct, frozen=True, gc=False):
    """Replace a job if it still is the one the caller saw.

    expect   the token (when `fenced`) or the version that the row must carry. A fenced change also needs it running
    mark     the version the row carries afterwards; a change sent again finds it and is answered `already`
    job      the new row, or None to remove it. Its times are absolute and written as they are, but for these two:
    delay    when not None: `ready_at` becomes the store's now plus so many ms
             `finished_at` becomes the store's now when the new state is final and `finished_at` is None
    keep     how many ms a final row stays before `due` reports it; None: for ever
    cap      the queue keeps at most so many finished jobs that are `Job.counted`: the store drops the oldest beyond that. Where
             changes of one queue that are applied in one step name different ones, the least holds
    payload  whether the payload differs from the stored one and must be written too
    totals   counters of the queue to add one to, in the same step
    output   the handler's captured output and progress, a side record (JSON); None leaves what is there
    step     the transition, for hooks; stores do not look at it
    like     when not None: a change that differs from this one in nothing but the id and the payload of the job, so that a store
             may do once for many what costs time. It may have been written long ago
    """

    queue: str
    id: str
    expect: str
    fenced: bool
    mark: str
    job: Job | None
    delay: int | None = None
    keep: int | None = None
    cap: int | None = None
    payload: bool = False
    totals: tuple[str, ...] = ()
    keys: tuple[KeyChange, ...] = ()
    output: bytes | None = None
    step: Step | None = None
    like: "Change | None" = None


def caps_of(applied: Iterable[Change]) -> dict[str, int]:
    """How many finished jobs each queue keeps after a step of these changes; a queue of which none says it is left out."""
    caps: dict[str, int] = {}
    for change in applied:
        if change.cap is not None:
            caps[change.queue] = min(change.cap, caps.get(change.queue, change.cap))
    return caps
