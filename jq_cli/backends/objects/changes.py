"""Changes as settings of a step, and what else happens with them: keys, totals, output, and the trimming of finished jobs."""

from collections.abc import Sequence

from msgspec.structs import replace

from jq_cli.backends.objects.row import Row, changed
from jq_cli.backends.objects.step import Step
from jq_cli.change import Change, KeyChange, Verdict, caps_of
from jq_cli.job import encode_body


def apply(step: Step, changes: Sequence[Change]) -> list[Verdict]:
    """Apply changes, then drop what queues do not keep any longer."""
    verdicts = [_apply(step, change) for change in changes]
    applied = [change for change, verdict in zip(changes, verdicts, strict=True) if verdict == "applied"]
    for queue, cap in caps_of(applied).items():
        _trim(step, queue, cap)
    return verdicts


def _apply(step: Step, change: Change) -> Verdict:
    row = step.tables.queue(change.queue).rows.get(change.id)
    if row is None:
        return "already" if change.job is None else "lost"
    if row.version == change.mark:
        return "already"
    if change.fenced and (row.state != "running" or row.token != change.expect):
        return "lost"
    if not change.fenced and row.version != change.expect:
        return "lost"
    step.row(change.queue, change.id, _written(step, row, change))
    for total in change.totals:
        step.count(change.queue, total)
    for key in change.keys:
        _change_key(step, change, key)
    return "applied"


def _written(step: Step, old: Row, change: Change) -> Row | None:
    if change.job is None:
        return None
    new = changed(old, change, change.job, step.now, step.shelf.body(encode_body(change.job)))
    if change.payload:
        new = replace(new, payload=step.shelf.put(change.job.payload))
    return new if change.output is None else replace(new, output=step.shelf.put(change.output))


def _change_key(step: Step, change: Change, what: KeyChange) -> None:
    key = step.tables.queue(change.queue).live_key(what.name, step.now)
    if key is None or key.job != change.id:
        return
    kept = None if what.outcome is None else replace(key, outcome=what.outcome, until=step.now + what.ttl)
    step.set("keys", change.queue, what.name, kept)


def _trim(step: Step, queue: str, cap: int) -> None:
    counted = step.tables.queue(queue).counted.items
    for _, id in counted[: max(0, len(counted) - cap)]:
        step.row(queue, id, None)
