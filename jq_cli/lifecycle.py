"""Every transition and every policy decision: what a success, a failure, a loss, an expiry or an operator means. Pure.

Each function takes the job as it was seen and gives the `Change` to write. Nothing here reads a clock: `now` is an argument
used for what people read; the moments that decide anything are set by the store, inside the step that applies the change.
"""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from jq_cli.change import DEDUP, IDEMPOTENCY, Change, KeyChange, Step
from jq_cli.errors import Conflict
from jq_cli.job import FINAL, FORMAT, MAX_ERRORS, WAITING, ErrorEntry, Job, State

NEWER_FORMAT_DELAY = 30_000
"""How long (ms) a row written by a newer version is left to newer workers before it is offered again."""

MAX_ERROR_TEXT = 4_096
"""Characters of one entry of `errors`; `last_error` keeps four times as many. The end is kept: tracebacks end with the cause."""

_RESET = {"owner": None, "lease_until": None, "token": None, "stop": False}


class Keeping(msgspec.Struct, frozen=True):
    """How long finished jobs of a queue stay readable: `retention` in seconds and the newest `count`, whichever is less;
    dead ones for `dlq_retention` seconds, by default until an operator purges them."""

    retention: float = 3_600.0
    count: int = 1_000
    dlq_retention: float | None = None


KEEPING = Keeping()


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """How one execution ended, as the pool reports it."""

    kind: str  # succeeded, failed, permanent, snoozed, interrupted, undecodable
    result: msgspec.Raw = msgspec.Raw()
    error: str = ""
    delay: int = 0  # snoozed: ms until the next try; failed: the least delay the handler asked for
    output: bytes | None = None


SUCCEEDED = Outcome("succeeded")
"""A success that left nothing to keep."""


# --- ends of an execution, fenced by the lease ---


def settle(job: Job, outcome: Outcome, *, now: int, rand: float, keeping: Keeping = KEEPING) -> Change:
    """The change that an execution's outcome makes. `rand` in 0..1 drives the jitter of a retry."""
    match outcome.kind:
        case "succeeded":
            change = succeed(job, outcome.result, keeping, note=outcome.error)
        case "failed":
            change = fail(job, outcome.error, now=now, rand=rand, keeping=keeping, least_delay=outcome.delay)
        case "permanent" | "undecodable":
            change = _since(job, _die(_failed(job, outcome.error, now), outcome.kind, keeping, "failed"))
        case "snoozed":
            change = snooze(job, outcome.delay, keeping)
        case "interrupted":
            change = interrupt(job, keeping)
        case _:
            raise ValueError(f"unknown outcome {outcome.kind!r}")
    return change if outcome.output is None else replace(change, output=outcome.output)


def succeed(job: Job, result: msgspec.Raw, keeping: Keeping = KEEPING, *, note: str = "") -> Change:
    """The job is done. A `note` says what went wrong with keeping its result."""
    return _finish(job, keeping, ("succeeded",), state="succeeded", result=result, last_error=note or job.last_error)


def as_before(before: Change, job: Job) -> Change | None:
    """The change for a job that ended as that of an earlier change did, and differs from it, before and after, in nothing but its
    id and payload; None when it differs in more. Jobs mostly come in runs of such."""
    assert before.step is not None
    old, new, kind = before.step.old, before.step.new, before.step.kind
    if before.keys or new is None or replace(old, id=job.id, payload=job.payload) != job:
        return None
    new = replace(new, id=job.id, payload=job.payload)
    return replace(before, id=job.id, job=before.job and new, step=Step(job, new, kind), like=before)


def fail(job: Job, error: str, *, now: int, rand: float, keeping: Keeping = KEEPING, least_delay: int = 0) -> Change:
    """One more failure: a retry after the backoff, or death when retries are used up or delivery is at most once."""
    failed = _failed(job, error, now)
    if job.delivery == "at_most_once":
        return _since(job, _die(failed, "at_most_once", keeping, "failed"))
    if failed.failures > job.max_retries:
        return _since(job, _die(failed, "retries", keeping, "failed"))
    delay = max(backoff_delay(job, failed.failures, rand), least_delay)
    return _since(job, _again(_retried(failed, delay), delay, keeping, totals=("failed",)))


def backoff_delay(job: Job, failures: int, rand: float) -> int:
    """Ms before retry n: min(cap, base * factor^(n-1)) seconds, plus up to `jitter` of itself."""
    b = job.backoff
    if not b.base:
        return 0
    try:
        seconds = min(b.cap, b.base * b.factor ** (failures - 1))
    except OverflowError:
        seconds = b.cap
    return round(seconds * (1 + b.jitter * rand) * 1_000)


def snooze(job: Job, delay: int, keeping: Keeping = KEEPING) -> Change:
    """The handler asks to run again after `delay` ms; counts no failure."""
    if job.delivery == "at_most_once":
        return _die(job, "snoozed", keeping)
    return _again(job, delay, keeping)


def interrupt(job: Job, keeping: Keeping = KEEPING) -> Change:
    """A started job was stopped: cancelled if an operator asked for that, else for the worker's own reasons, and then
    back to its old place, or dead if it may start only once."""
    if job.delivery == "at_most_once" and not job.stop:
        return _die(job, "interrupted", keeping)
    return release(job, keeping, kind="interrupted")


def release(job: Job, keeping: Keeping = KEEPING, *, kind: str = "released") -> Change:
    """Give back a job that was not started, to its old place; counts nothing. Cancelled if an operator asked for that."""
    if job.stop:
        return cancelled(job, keeping)
    return _change(job, replace(job, state="ready", **_RESET), kind=kind)


def cancelled(job: Job, keeping: Keeping = KEEPING) -> Change:
    """The end of a job that an operator asked to cancel."""
    return _finish(job, keeping, (), state="cancelled", reason="cancelled")


def refusal(job: Job, *, now: int, keeping: Keeping = KEEPING) -> Change | None:
    """What to write instead of starting a job just claimed: an operator asked to cancel its last execution, it was
    written by a newer version, is damaged, or expired."""
    if job.stop:
        return cancelled(job, keeping)
    if job.format > FORMAT:
        return _again(job, NEWER_FORMAT_DELAY, keeping)
    if job.damaged:
        return _die(replace(job, last_error="the stored record cannot be decoded"), "undecodable", keeping)
    if job.expires_at is not None and job.expires_at <= now:
        return _die(_expired(job), "expired", keeping)
    return None


def doubtful(jobs: Sequence[Job]) -> list[Job]:
    """Those of some jobs that `refusal` may refuse."""
    return [job for job in jobs if job.stop or job.raw or job.format > FORMAT or job.expires_at is not None]


# --- what happens by itself: wake-ups ---


def on_due(job: Job, *, now: int, mark: str, keeping: Keeping = KEEPING) -> Change:
    """What the maintenance tick writes for a row whose wake-up passed."""
    if job.state == "running":
        return lose(job, now=now, mark=mark, keeping=keeping)
    if job.state in WAITING:
        return unfenced(_die(_expired(job), "expired", keeping), job, mark)
    return replace(remove(job, mark), step=None)  # it was kept long enough: nothing that anyone need be told of


def lose(job: Job, *, now: int, mark: str = "", keeping: Keeping = KEEPING, why: str = "worker lost") -> Change:
    """The worker vanished under a running job. Counts one loss: back to its old place, or dead when losses are used up,
    or cancelled when an operator had asked for that.

    With a `mark` the change compares the version (recovery from outside); without one it is fenced by the lease (the
    pool that saw its own child die). A job damaged or written by a newer version keeps its body as it is.
    """
    if job.format > FORMAT:
        change = release(job, keeping)
    else:
        entry = _entry(job, now, why, "lost")
        lost = replace(job, losses=job.losses + 1, last_error=why, errors=_appended(job, entry))
        if job.delivery == "at_most_once":
            change = _die(lost, "at_most_once", keeping, "recovered")
        elif lost.losses > job.max_losses:
            change = _die(lost, "poison", keeping, "recovered")
        elif job.stop:
            change = replace(cancelled(lost, keeping), totals=("recovered",))
        else:
            change = _change(job, replace(lost, state="ready", **_RESET), kind="lost", totals=("recovered",))
    change = _since(job, change)
    return unfenced(change, job, mark) if mark else change


# --- what operators do, compared by version ---


def promote(job: Job, mark: str) -> Change:
    """Make a scheduled job ready now."""
    _demand(job, job.state == "scheduled", "only a scheduled job can be promoted")
    return unfenced(_change(job, replace(job, state="ready"), kind="promoted", delay=0), job, mark)


def requeue(job: Job, mark: str) -> Change:
    """Make a dead job ready now, in its priority: failures and losses reset, no expiry, no key taken; its history stays."""
    _demand(job, job.state == "dead", "only a dead job can be requeued from the DLQ")
    fresh = replace(
        job, state="ready", failures=0, losses=0, expires_at=None, finished_at=None, reason=None, raw=_kept_raw(job)
    )
    return unfenced(_change(job, fresh, kind="", delay=0), job, mark)


def cancel(job: Job, mark: str, keeping: Keeping = KEEPING) -> Change:
    """Cancel a waiting job at once; ask the worker of a running one to stop it."""
    _demand(job, job.state not in FINAL, "a finished job cannot be cancelled")
    if job.state == "running":
        return unfenced(_change(job, replace(job, stop=True), kind=""), job, mark)
    return unfenced(cancelled(job, keeping), job, mark)


def remove(job: Job, mark: str) -> Change:
    """Remove a job that is not running. Keys with a stored outcome or a ttl outlive it; those that wait for its end go."""
    _demand(job, job.state != "running", "a running job cannot be removed; cancel it first")
    keys = () if job.state in FINAL else _freed_keys(job)
    return Change(job.queue, job.id, job.version, False, mark, None, keys=keys, step=Step(job, None))


def edit(job: Job, new: Job, mark: str, keeping: Keeping = KEEPING) -> Change:
    """Give a job that waits or is dead the payload and options of `new` and leave it where it is; a ready job takes the
    place of its new priority."""
    _demand(job, job.state != "running", "a running job cannot be edited; cancel it first")
    _demand(job, job.state in WAITING or job.state == "dead", "only a job that waits or is dead can be edited")
    _demand(job, job.format <= FORMAT, "it was written by a newer version; edit it with that one")
    change = _change(job, new, kind="")
    keep, _ = _kept(new, keeping) if job.state == "dead" else (None, None)
    return unfenced(replace(change, keep=keep, payload=new.payload != job.payload), job, mark)


# --- parts ---


def unfenced(change: Change, job: Job, mark: str) -> Change:
    """The same change, compared by the row's version instead of its lease."""
    return replace(change, expect=job.version, fenced=False, mark=mark)


def _change(job: Job, new: Job, *, kind: str, delay: int | None = None, totals: tuple[str, ...] = ()) -> Change:
    step = Step(job, new, kind)
    return Change(
        job.queue, job.id, job.token or "", True, _mark(job, kind), new, delay=delay, totals=totals, step=step
    )


def _mark(job: Job, kind: str) -> str:
    # The mark of a settle follows from the lease and what it says, so that the same report sent again is recognised.
    return f"{job.token}:{kind}"


def _since(job: Job, change: Change) -> Change:
    """The change as a step from the job as it was before anything was counted."""
    assert change.step is not None
    return replace(change, step=Step(job, change.step.new, change.step.kind))


def _again(job: Job, delay: int, keeping: Keeping, totals: tuple[str, ...] = ()) -> Change:
    if job.stop:
        return replace(cancelled(job, keeping), totals=totals)
    state: State = "scheduled" if delay > 0 else "ready"
    return _change(job, replace(job, state=state, **_RESET), kind=f"again{job.failures}", delay=delay, totals=totals)


def _die(job: Job, reason: str, keeping: Keeping, *totals: str) -> Change:
    return _finish(job, keeping, (*totals, "dead"), state="dead", reason=reason)


def _finish(job: Job, keeping: Keeping, totals: tuple[str, ...], **end: object) -> Change:
    # Every job that succeeds comes by here, so each record is made once and in place.
    new = replace(job, finished_at=None, **_RESET, **end)
    keep, cap = _kept(new, keeping)
    return Change(
        job.queue, job.id, job.token or "", True, _mark(job, new.state), None if keep == 0 else new, None, keep, cap, False,
        totals, _ended_keys(new), None, Step(job, new, new.state),
    )  # fmt: skip


def _kept(job: Job, keeping: Keeping) -> tuple[int | None, int | None]:
    if job.state == "dead":
        return (None if keeping.dlq_retention is None else max(1, round(keeping.dlq_retention * 1_000))), None
    if job.retention is not None:
        return round(job.retention * 1_000), None
    return (round(keeping.retention * 1_000) if keeping.count else 0), keeping.count


def _ended_keys(job: Job) -> tuple[KeyChange, ...]:
    if job.dedup_key is None and job.idempotency_key is None:
        return ()
    if job.idempotency_key is None or job.state == "cancelled":
        return _freed_keys(job)
    ttl = round(job.idempotency_ttl * 1_000)
    outcome: dict[str, object] = {"id": job.id, "state": job.state}
    if job.state == "succeeded":
        outcome["result"] = job.result or None
    else:
        outcome |= {"reason": job.reason, "error": job.last_error}
    kept = KeyChange(IDEMPOTENCY + job.idempotency_key, msgspec.json.encode(outcome), ttl)
    return (kept, *_freed_dedup(job))


def _freed_keys(job: Job) -> tuple[KeyChange, ...]:
    idempotency = () if job.idempotency_key is None else (KeyChange(IDEMPOTENCY + job.idempotency_key),)
    return (*idempotency, *_freed_dedup(job))


def _freed_dedup(job: Job) -> tuple[KeyChange, ...]:
    if job.dedup_key is None or job.dedup_until != "done":
        return ()
    return (KeyChange(DEDUP + job.dedup_key),)


def _failed(job: Job, error: str, now: int) -> Job:
    entry = _entry(job, now, error[-MAX_ERROR_TEXT:])
    return replace(
        job, failures=job.failures + 1, last_error=error[-4 * MAX_ERROR_TEXT :], errors=_appended(job, entry)
    )


def _entry(job: Job, now: int, error: str, kind: str = "failed") -> ErrorEntry:
    return ErrorEntry(now, job.generation, job.owner or "", error, kind, job.started_at)


def _retried(job: Job, delay: int) -> Job:
    return replace(job, errors=(*job.errors[:-1], replace(job.errors[-1], retry_in=delay)))


def _expired(job: Job) -> Job:
    return replace(job, last_error="expired before it was started")


def _appended(job: Job, entry: ErrorEntry) -> tuple[ErrorEntry, ...]:
    return (*job.errors, entry)[-MAX_ERRORS:]


def _kept_raw(job: Job) -> bytes:
    # A damaged record is requeued with its payload and default options; keeping `raw` would have it refused again.
    return b"" if job.format <= FORMAT else job.raw


def _demand(job: Job, held: bool, message: str) -> None:
    if not held:
        raise Conflict(f"job {job.id} is {job.state}: {message}")
