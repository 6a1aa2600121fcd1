"""Handing out jobs, extending leases, and finding what is due."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from jq_cli.backends.base import Claim, Controls, Hold
from jq_cli.backends.dynamodb.changes import moved, packed
from jq_cli.backends.dynamodb.client import Client
from jq_cli.backends.dynamodb.keys import after, place, within
from jq_cli.backends.dynamodb.reads import controls_of, counters, due_span, merged, span_of
from jq_cli.backends.dynamodb.rows import Item, item_of, job_of
from jq_cli.backends.dynamodb.step import Step
from jq_cli.job import Job, Token

CLAIMED = 90
"""Jobs that one step hands out at most."""

TAKEN_IN = 90
"""Scheduled jobs that one step makes ready at most."""


def take_in(step: Step, client: Client, queue: str) -> bool:
    """Make scheduled jobs ready whose delay has ended, as many as fit into a step. False: there are no more."""
    due = merged(client, step.keys.partitions(queue), due_span(step.now), TAKEN_IN + 1)
    for item in step.saw(due[:TAKEN_IN]):
        ready = {**item, "place": place(replace(job_of(item), state="ready"))}
        moved(step, queue, item, ready)
        step.put((item["pk"], item["sk"]), ready)
    return len(due) > TAKEN_IN


def claim_jobs(step: Step, client: Client, claim: Claim, queue: str, already: int) -> tuple[list[Item], bool]:
    """Lease jobs of a queue, as many as fit into a step, and say whether the claim ends with them."""
    control = step.keys.control(queue)
    step.read([control])
    controls = controls_of(step.get(control))
    if controls.holds(step.now):
        return [], False
    room = min(claim.limit - already, CLAIMED, _room(step, client, queue, controls))
    if room <= 0:
        return [], False
    items = merged(client, step.keys.partitions(queue), span_of("ready"), room)
    chosen, ended = _choose(items, claim, already)
    if chosen:
        step.saw(chosen)
        # Whoever changes the controls meanwhile undoes this step; so does, in a queue with a limit, whoever else claims.
        step.put(control, step.get(control) or {}) if controls.max_running else step.check(control)
    return [_lease(step, claim, queue, item) for item in chosen], ended


def _room(step: Step, client: Client, queue: str, controls: Controls) -> int:
    if not controls.max_running:
        return CLAIMED
    return controls.max_running - counters(client, step.keys, queue).get("running", 0)


def _choose(items: Sequence[Item], claim: Claim, already: int) -> tuple[list[Item], bool]:
    """The jobs to hand out, and whether the claim ends with them because the next one must not be fetched ahead."""
    for number, item in enumerate(items):
        if already + number >= claim.idle and job_of(item).delivery == "at_most_once":
            return list(items[:number]), True
    return list(items), False


def _lease(step: Step, claim: Claim, queue: str, item: Item) -> Item:
    job = job_of(item)
    token = f"{job.generation + 1}.{claim.nonce}"
    leased = replace(
        job,
        state="running",
        generation=job.generation + 1,
        owner=claim.worker,
        token=token,
        version=token,
        started_at=step.now,
        lease_until=step.now + claim.lease,
    )
    return _rewrite(step, queue, item, leased)


def _rewrite(step: Step, queue: str, old: Item, job: Job, *, output: bool = False) -> Item:
    """Write a job whose payload stays where it is."""
    new = item_of(job, parts=old.get("parts", 0), output=output or "output" in old, wake=job.wake_at)
    moved(step, queue, old, new)
    step.put((old["pk"], old["sk"]), new)
    return {**new, "pk": old["pk"], "sk": old["sk"]}


def extend(step: Step, leases: Sequence[Token], lease: int, live: Mapping[str, bytes]) -> list[Hold]:
    """What holds of the first of the leases, as many as fit into the step; at least one."""
    step.read([step.keys.job(each.queue, each.id) for each in leases])
    holds: list[Hold] = []
    for each in leases:
        output = live.get(each.id)
        if holds and not step.room(2, 20_000 + len(output or b"")):
            break
        holds.append(_extend(step, each, step.now + lease, output))
    return holds


def _extend(step: Step, lease: Token, until: int, output: bytes | None) -> Hold:
    item = step.get(step.keys.job(lease.queue, lease.id))
    if item is None or item.get("token") != lease.token or not item["place"].startswith(within("running")[0]):
        return "lost"
    job = replace(job_of(item), lease_until=until, version=f"{lease.token}~{until}")
    _rewrite(step, lease.queue, item, job, output=output is not None)
    if output is not None:
        step.put(step.keys.output(lease.queue, lease.id), {"data": packed(output)})
    return "stop" if "stop" in item else "held"


def oldest_ready(client: Client, pk: str) -> int | None:
    """The least `ready_at` of a partition's ready jobs: that of the first of each priority."""
    low, high = within("ready")
    oldest: int | None = None
    while item := next(client.query(pk, "place", low, high, limit=1), None):
        oldest = min(item["ready_at"], oldest if oldest is not None else item["ready_at"])
        low = after(item["place"][: len("b/0000/")] + "~")
    return oldest
