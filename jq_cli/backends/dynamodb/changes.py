"""Changing jobs that are there: outcomes, recoveries, operators' changes, removals; and trimming what a queue keeps."""

from collections.abc import Sequence

from msgspec.structs import replace

from jq_cli.backends.dynamodb.client import Client
from jq_cli.backends.dynamodb.inserts import key_item, live
from jq_cli.backends.dynamodb.keys import LAST, STATE_OF, Key
from jq_cli.backends.dynamodb.reads import Span, counters, merged
from jq_cli.backends.dynamodb.rows import Item, item_of, split
from jq_cli.backends.dynamodb.step import Step
from jq_cli.change import Change, KeyChange, Verdict
from jq_cli.job import FINAL, Job

TRIMMED = 20
"""Jobs that one step trims at most."""


def apply(step: Step, changes: Sequence[Change]) -> list[Verdict]:
    """The verdicts on the first of the changes, as many as fit into the step; at least one."""
    step.read([key for change in changes for key in (step.keys.job(change.queue, change.id), *_unique(step, change))])
    verdicts: list[Verdict] = []
    for change in changes:
        item = step.get(step.keys.job(change.queue, change.id))
        if verdicts and not step.room(_actions(change, item), _bytes(change)):
            break
        verdicts.append(_apply(step, change, item))
    return verdicts


def _unique(step: Step, change: Change) -> list[tuple[str, str]]:
    return [step.keys.unique(change.queue, key.name) for key in change.keys]


def _actions(change: Change, item: Item | None) -> int:
    old: int = (item or {}).get("parts", 0)
    new = len(split(change.job.payload)) if change.job is not None and change.payload else 0
    output = change.output is not None or change.job is None
    counters = 1
    return 1 + output + len(change.keys) + max(old, new) + counters


def _bytes(change: Change) -> int:
    return (
        150_000
        + len(change.output or b"")
        + (len(change.job.payload) if change.job is not None and change.payload else 0)
    )


def _apply(step: Step, change: Change, item: Item | None) -> Verdict:
    if item is None:
        return "already" if change.job is None else "lost"
    if item["version"] == change.mark:
        return "already"
    if change.fenced and (STATE_OF[item["place"][0]] != "running" or item["token"] != change.expect):
        return "lost"
    if not change.fenced and item["version"] != change.expect:
        return "lost"
    if change.job is None:
        remove(step, change.queue, change.id, item)
    else:
        _write(step, change, change.job, item)
    for total in change.totals:
        step.count(change.queue, f"total:{total}")
    for key in change.keys:
        _change_key(step, change, key)
    return "applied"


def _write(step: Step, change: Change, job: Job, old: Item) -> None:
    new = replace(job, version=change.mark)
    if change.delay is not None:
        new = replace(new, ready_at=step.now + change.delay)
    if new.state in FINAL:
        new = replace(new, stop=False, finished_at=step.now if new.finished_at is None else new.finished_at)
    elif "stop" in old:
        new = replace(new, stop=True)
    parts = _payload(step, change, new, old)
    if not change.payload:
        new = replace(new, payload=old.get("payload", b""))
    if change.output is not None:
        step.put(step.keys.output(change.queue, change.id), {"data": packed(change.output)})
    wake = (
        new.wake_at if new.state not in FINAL else None if change.keep is None else (new.finished_at or 0) + change.keep
    )
    item = item_of(new, parts=parts, output="output" in old or change.output is not None, wake=wake)
    moved(step, change.queue, old, item)
    step.put(step.keys.job(change.queue, change.id), item)


def _payload(step: Step, change: Change, job: Job, old: Item) -> int:
    """Write the parts of a changed payload and give their number, that of the old ones if it has not changed."""
    before: int = old.get("parts", 0)
    if not change.payload:
        return before
    parts = split(job.payload)
    for number, part in enumerate(parts):
        step.put(step.keys.part(change.queue, change.id, number), {"data": part})
    for number in range(len(parts), before):
        step.delete(step.keys.part(change.queue, change.id, number))
    return len(parts)


def moved(step: Step, queue: str, old: Item, new: Item | None) -> None:
    """Count that a job went from one place to another, or away."""
    step.count(queue, STATE_OF[old["place"][0]], -1)
    step.count(queue, "counted", -int("kept" in old))
    if new is not None:
        step.count(queue, STATE_OF[new["place"][0]])
        step.count(queue, "counted", int("kept" in new))


def remove(step: Step, queue: str, id: str, item: Item) -> None:
    """Take a job away, with its payload and output."""
    moved(step, queue, item, None)
    step.delete(step.keys.job(queue, id))
    if "output" in item:
        step.delete(step.keys.output(queue, id))
    for number in range(item.get("parts", 0)):
        step.delete(step.keys.part(queue, id, number))


def _change_key(step: Step, change: Change, key: KeyChange) -> None:
    name = step.keys.unique(change.queue, key.name)
    held = live(step.get(name), step.now)
    if held is None or held["job"] != change.id:
        return
    if key.outcome is None:
        step.delete(name)
    else:
        step.put(name, key_item(change.id, step.now + key.ttl, held["fingerprint"], key.outcome))


def trim(step: Step, client: Client, queue: str, cap: int) -> bool:
    """Remove the oldest of the finished jobs beyond `cap`, in this step as many as fit. False: there are no more."""
    excess = counters(client, step.keys, queue).get("counted", 0) - cap
    if excess <= 0:
        return False
    room = min(excess, TRIMMED)
    oldest = merged(client, step.keys.partitions(queue), Span("kept", "0", LAST), room)
    keys = [(item["pk"], item["sk"]) for item in oldest]
    step.read(keys)
    for key in keys:
        item = step.get(key)
        if item is not None:
            remove(step, queue, key[1].removeprefix("j/"), item)
    return excess > room


def forget(step: Step, keys: Sequence[Key]) -> None:
    """Take unique keys away that have ended."""
    step.read(keys)
    for key in keys:
        item = step.get(key)
        if item is not None and live(item, step.now) is None:
            step.delete(key)


def packed(output: bytes) -> bytes:
    """A side record as it is stored: two outputs of 64 KiB, escaped as JSON, may be larger than an item."""
    from zlib import compress

    return compress(output, 1)


def unpacked(data: bytes) -> bytes:
    """A side record as it was given."""
    from zlib import decompress

    return decompress(data)
