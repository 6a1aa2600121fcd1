"""Claims and heartbeats as settings of a step."""

from collections.abc import Mapping

from msgspec.structs import replace

from jq_cli.backends.base import Claim, Hold
from jq_cli.backends.objects.queue import Queue
from jq_cli.backends.objects.row import Row, leased
from jq_cli.backends.objects.step import Step
from jq_cli.job import Token


def claim_rows(step: Step, claim: Claim) -> list[tuple[str, Row]]:
    """Lease rows in their order; gives each with its queue."""
    rows: list[tuple[str, Row]] = []
    for name in claim.queues:
        queue = step.tables.queue(name)
        if queue.controls is not None and queue.controls.holds(step.now):
            continue
        queue.take_in(step.now)
        chosen, ended = _chosen(queue, claim, already=len(rows))
        rows += [(name, leased(row, claim, step.now)) for row in chosen]
        for _, row in rows[len(rows) - len(chosen) :]:
            step.row(name, row.id, row)
        if ended:
            break
    return rows


def _chosen(queue: Queue, claim: Claim, already: int) -> tuple[list[Row], bool]:
    """The rows to hand out, and whether the claim ends with them because the next one must not be fetched ahead."""
    room = claim.limit - already
    if queue.controls is not None and queue.controls.max_running:
        room = min(room, queue.controls.max_running - len(queue.orders["running"].items))
    chosen: list[Row] = []
    for *_, id in queue.orders["ready"].items[: max(0, room)]:
        row = queue.rows[id]
        if row.once and already + len(chosen) >= claim.idle:
            return chosen, True
        chosen.append(row)
    return chosen, False


def extend(step: Step, lease: Token, until: int, live: Mapping[str, bytes]) -> Hold:
    """Move the end of one lease."""
    row = step.tables.queue(lease.queue).rows.get(lease.id)
    if row is None or row.state != "running" or row.token != lease.token:
        return "lost"
    new = replace(row, lease_until=until, version=f"{row.token}~{until}")
    if lease.id in live:
        new = replace(new, output=step.shelf.put(live[lease.id]))
    step.row(lease.queue, lease.id, new)
    return "stop" if row.stop else "held"
