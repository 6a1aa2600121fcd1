"""The calls of the seam as the server makes them: who may make each, what is checked, what is asked of the store.

A client is another program, perhaps not ours: whatever a backend is promised ("names arrive checked") is checked here.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from jq_cli.backends.base import Backend, Claim, Due, Page, QueueCounts, Turned
from jq_cli.backends.http import wire
from jq_cli.backends.http.wire import Row, pack, pack_jobs, unpack_change, unpack_draft
from jq_cli.change import Change
from jq_cli.consumer import WORKER_NOTE
from jq_cli.draft import MAX_DELAY, Draft, check_name, make_draft
from jq_cli.errors import InvalidField
from jq_cli.intake.drafting import check_payload
from jq_cli.server.access import Caller

MAX_ITEMS = 10_000
"""Drafts, changes, leases or ids in one call."""

MAX_JOBS = 1_000
MAX_TEXT = 1_024
MAX_NOTE = 1024 * 1024
FIRST_STEP = 64
ANSWER_BYTES = 16 * 1024 * 1024
"""A claim ends once it has about so many bytes of jobs: a larger answer would come too late, and its leases be lost."""

Ask = Callable[[Backend], Any]


class Limits(msgspec.Struct, frozen=True):
    """What the settings say about the size of things."""

    max_payload: int


def _insert(drafts: list[wire.DraftRow], caller: Caller, limits: Limits) -> Ask:
    _count("drafts", len(drafts), MAX_ITEMS)
    checked = [_checked(unpack_draft(row), limits) for row in drafts]
    caller.demand("enqueue", {draft.job.queue for draft in checked})
    return lambda backend: backend.insert(checked)


def _checked(draft: Draft, limits: Limits) -> Draft:
    """The draft, every field within its bounds and its payload JSON."""
    job = replace(draft.job, payload=check_payload(msgspec.Raw(draft.job.payload), limits.max_payload))
    return make_draft(job, delay=draft.delay, expires_in=draft.expires_in)


def _claim(claim: Claim, caller: Caller, limits: Limits) -> Ask:
    _check_claim(claim, caller)
    return lambda backend: pack_jobs(_bounded(backend, [], claim))


def _turn(turn: wire.Turn, caller: Caller, limits: Limits) -> Ask:
    changes = _changes(turn.changes, caller)
    _check_claim(turn.claim, caller)
    return lambda backend: pack_jobs(_bounded(backend, changes, turn.claim))


def _bounded(backend: Backend, changes: list[Change], claim: Claim) -> Turned:
    """Settle and claim, in steps whose size follows from that of the jobs before."""
    step = min(claim.limit, FIRST_STEP)
    turned = backend.turn(changes, replace(claim, limit=step))
    jobs, more = list(turned.jobs), len(turned.jobs) == step
    while more and len(jobs) < claim.limit:
        size = sum(512 + len(job.payload) for job in jobs)
        step = min(claim.limit - len(jobs), (ANSWER_BYTES - size) * len(jobs) // size)
        if step < 1:
            break
        got = backend.claim(replace(claim, limit=step, idle=max(0, claim.idle - len(jobs)))).jobs
        jobs, more = jobs + got, len(got) == step
    return Turned(turned.now, turned.verdicts, jobs)


def _check_claim(claim: Claim, caller: Caller) -> None:
    _count("queues", len(claim.queues), MAX_ITEMS)
    caller.demand("work", map(check_name, claim.queues))
    _within("limit", claim.limit, 1, MAX_JOBS)
    _within("lease", claim.lease, 1, MAX_DELAY)
    _within("idle", claim.idle, 0, MAX_JOBS)
    _text("worker", claim.worker)
    _text("nonce", claim.nonce)


def _extend(lease: wire.Lease, caller: Caller, limits: Limits) -> Ask:
    _count("leases", len(lease.leases), MAX_ITEMS)
    caller.demand("work", {check_name(each.queue) for each in lease.leases})
    _within("lease", lease.lease, 1, MAX_DELAY)
    return lambda backend: backend.extend(lease.leases, lease=lease.lease, live=lease.live)


def _replace(rows: list[wire.ChangeRow], caller: Caller, limits: Limits) -> Ask:
    changes = _changes(rows, caller)
    return lambda backend: backend.replace(changes)


def _changes(rows: list[wire.ChangeRow], caller: Caller) -> list[Change]:
    _count("changes", len(rows), MAX_ITEMS)
    changes = [_in_place(unpack_change(row)) for row in rows]
    for change in changes:
        check_name(change.queue)
        _text("mark", change.mark)
    caller.demand("work", {change.queue for change in changes if change.fenced})
    if not all(change.fenced for change in changes):
        caller.demand("admin")
    return changes


def _in_place(change: Change) -> Change:
    """The change, whose new row is that of the job it changes: a right on one queue is none on another."""
    job = change.job
    if job is None or (job.queue, job.id) == (change.queue, change.id):
        return change
    return replace(change, job=replace(job, queue=change.queue, id=change.id))


def _due(limit: int, caller: Caller, limits: Limits) -> Ask:
    _within("limit", limit, 1, MAX_JOBS)
    if caller.may("admin"):
        return lambda backend: pack_jobs(backend.due(limit))
    # Whoever only works may not move others' jobs, and need not: this server runs the maintenance tick.
    caller.demand_any("work")
    return lambda backend: pack_jobs(Due(backend.now(), []))


def _get(named: wire.Named, caller: Caller, limits: Limits) -> Ask:
    caller.demand("read")
    _named(named)
    return lambda backend: [None if job is None else pack(job) for job in backend.get(named.queue, named.ids)]


def _find(id: str, caller: Caller, limits: Limits) -> Ask:
    caller.demand("read")
    _text("id", id)
    return lambda backend: None if (job := backend.find(id)) is None else pack(job)


def _page(listing: wire.Listing, caller: Caller, limits: Limits) -> Ask:
    caller.demand("read")
    check_name(listing.queue)
    _within("limit", listing.limit, 1, MAX_JOBS)

    def page(backend: Backend) -> Page:
        return backend.page(
            listing.queue, listing.state, cursor=listing.cursor, limit=listing.limit, reverse=listing.reverse
        )

    return lambda backend: pack_jobs(page(backend))


def _outputs(named: wire.Named, caller: Caller, limits: Limits) -> Ask:
    caller.demand("read")
    _named(named)
    return lambda backend: backend.outputs(named.queue, named.ids)


def _held(worker: str, caller: Caller, limits: Limits) -> Ask:
    caller.demand_any("read", "work")
    _text("worker", worker)

    def rows(backend: Backend) -> list[Row]:
        return [pack(job) for job in backend.held(worker) if caller.may("read") or caller.may("work", job.queue)]

    return rows


def _queues(nothing: None, caller: Caller, limits: Limits) -> Ask:
    caller.demand_any("read", "work")
    return lambda backend: backend.queues()


def _counts(queues: list[str] | None, caller: Caller, limits: Limits) -> Ask:
    caller.demand_any("read", "work")
    for queue in queues or ():
        check_name(queue)

    def counts(backend: Backend) -> list[QueueCounts]:
        return backend.counts(queues)

    return counts


def _control(control: wire.Control, caller: Caller, limits: Limits) -> Ask:
    check_name(control.queue)
    setting = control.setting
    caller.demand("work" if setting.paused is None else "admin", [control.queue])
    _text("reason", setting.reason)
    _text("by", setting.by)
    _within("pause_for", setting.pause_for or 0, 0, MAX_DELAY)
    _within("max_running", setting.max_running or 0, 0, 1_000_000)
    return lambda backend: backend.control(control.queue, setting)


def _read(prefix: str, caller: Caller, limits: Limits) -> Ask:
    if not (prefix.startswith(WORKER_NOTE) and caller.has("work")):
        caller.demand("read")
    return lambda backend: backend.read(prefix)


def _swap(swap: wire.Swap, caller: Caller, limits: Limits) -> Ask:
    if not (swap.key.startswith(WORKER_NOTE) and caller.has("work")):
        caller.demand("admin")
    _text("key", swap.key)
    _within("note", len(swap.new or b""), 0, MAX_NOTE)
    return lambda backend: backend.swap(swap.key, swap.old, swap.new)


def _now(nothing: None, caller: Caller, limits: Limits) -> Ask:
    return lambda backend: backend.now()


CALLS: dict[str, tuple[Any, Callable[[Any, Caller, Limits], Ask]]] = {
    "insert": (list[wire.DraftRow], _insert),
    "claim": (Claim, _claim),
    "turn": (wire.Turn, _turn),
    "extend": (wire.Lease, _extend),
    "replace": (list[wire.ChangeRow], _replace),
    "due": (int, _due),
    "get": (wire.Named, _get),
    "find": (str, _find),
    "page": (wire.Listing, _page),
    "outputs": (wire.Named, _outputs),
    "held": (str, _held),
    "queues": (None, _queues),
    "counts": (list[str] | None, _counts),
    "control": (wire.Control, _control),
    "read": (str, _read),
    "swap": (wire.Swap, _swap),
    "now": (None, _now),
}
"""Name of a call: the type of its argument, and what checks it and gives the question for the store."""


def _named(named: wire.Named) -> None:
    check_name(named.queue)
    _count("ids", len(named.ids), MAX_ITEMS)


def _count(what: str, count: int, most: int) -> None:
    if count > most:
        raise InvalidField(what, f"{count:,} are more than the {most:,} that one call takes")


def _within(field: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InvalidField(field, f"expected {low:,}..{high:,}, got {value:,}")


def _text(field: str, text: str) -> None:
    if len(text) > MAX_TEXT:
        raise InvalidField(field, f"{len(text):,} characters are more than the {MAX_TEXT:,} allowed")
