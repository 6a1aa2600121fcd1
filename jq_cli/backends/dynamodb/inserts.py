"""Storing new jobs."""

from collections.abc import Sequence

from msgspec.structs import replace

from jq_cli.backends.base import Inserted
from jq_cli.backends.dynamodb.keys import Key, moment
from jq_cli.backends.dynamodb.rows import Item, item_of, split
from jq_cli.backends.dynamodb.step import BYTES, Step
from jq_cli.change import DEDUP, IDEMPOTENCY
from jq_cli.draft import Draft
from jq_cli.errors import InvalidField

LARGEST = BYTES - 500_000
"""Bytes of a payload that fit into one transaction beside the job."""


def check_sizes(drafts: Sequence[Draft]) -> None:
    """Raises InvalidField for a payload that no transaction could hold, before anything is stored."""
    for draft in drafts:
        if len(draft.job.payload) > LARGEST:
            raise InvalidField(
                "payload", f"{len(draft.job.payload):,} bytes are more than the {LARGEST:,} that DynamoDB can hold"
            )


def insert(step: Step, drafts: Sequence[Draft]) -> list[Inserted]:
    """What becomes of the first of the drafts, as many as fit into the step; at least one."""
    chosen = _fitting(step, drafts)
    step.read([key for draft in chosen for key in _keys(step, draft)])
    return [_insert(step, draft) for draft in chosen]


def _fitting(step: Step, drafts: Sequence[Draft]) -> list[Draft]:
    chosen: list[Draft] = []
    counted: set[str] = set()
    actions = size = 0
    for draft in drafts:
        actions += 1 + len(split(draft.job.payload)) + len(_unique(step, draft)) + (draft.job.queue not in counted)
        size += len(draft.job.payload) + 30_000
        if chosen and not step.room(actions, size):
            break
        chosen.append(draft)
        counted.add(draft.job.queue)
    return chosen


def _keys(step: Step, draft: Draft) -> list[Key]:
    return [step.keys.job(draft.job.queue, draft.job.id), *(key for key, _ in _unique(step, draft))]


def _unique(step: Step, draft: Draft) -> list[tuple[Key, bool]]:
    """The unique keys of a draft, and whether each is the one for deduplication."""
    job = draft.job
    names = [(DEDUP, job.dedup_key), (IDEMPOTENCY, job.idempotency_key)]
    return [(step.keys.unique(job.queue, kind + text), kind == DEDUP) for kind, text in names if text is not None]


def live(item: Item | None, now: int) -> Item | None:
    """A unique key if it has not ended."""
    return item if item is not None and item.get("until", now + 1) > now else None


def _insert(step: Step, draft: Draft) -> Inserted:
    queue = draft.job.queue
    refused = _judge(step, draft)
    if refused is not None:
        if refused.status != "mismatch":
            step.count(queue, "total:duplicates")
        return refused
    job = replace(
        draft.job,
        state="scheduled" if draft.delay > 0 else "ready",
        created_at=step.now,
        ready_at=step.now + draft.delay,
        expires_at=None if draft.expires_in is None else step.now + draft.expires_in,
        version=draft.job.id,
    )
    parts = split(job.payload)
    step.put(step.keys.job(queue, job.id), item_of(job, parts=len(parts), output=False, wake=job.wake_at))
    for number, part in enumerate(parts):
        step.put(step.keys.part(queue, job.id, number), {"data": part})
    step.count(queue, job.state)
    step.count(queue, "total:enqueued")
    _take_keys(step, draft)
    return Inserted("created", job.id)


def _judge(step: Step, draft: Draft) -> Inserted | None:
    job = draft.job
    if step.get(step.keys.job(job.queue, job.id)) is not None:
        return Inserted("duplicate", job.id)
    for name, is_dedup in _unique(step, draft):
        key = live(step.get(name), step.now)
        if key is None:
            continue
        if is_dedup:
            return Inserted("duplicate", key["job"])
        if key["fingerprint"] != draft.fingerprint:
            return Inserted("mismatch", key["job"])
        outcome = key.get("outcome")
        return Inserted("duplicate" if outcome is None else "replayed", key["job"], outcome)
    return None


def _take_keys(step: Step, draft: Draft) -> None:
    job = draft.job
    for name, is_dedup in _unique(step, draft):
        ttl = job.dedup_ttl if is_dedup else None
        until = None if ttl is None else step.now + round(ttl * 1_000)
        step.put(name, key_item(job.id, until, draft.fingerprint))


def key_item(job: str, until: int | None, fingerprint: str, outcome: bytes | None = None) -> Item:
    """A unique key: whose it is, until when (None: until its job ends), and what is kept under it."""
    item: Item = {"job": job, "fingerprint": fingerprint}
    if until is not None:
        item |= {"until": until, "wake": moment(until, "key")}
    return item if outcome is None else item | {"outcome": outcome}
