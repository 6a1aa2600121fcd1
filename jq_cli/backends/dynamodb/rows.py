"""The item of a job: to attributes and back. Times are numbers, and what is not set is not there."""

from typing import Any

from jq_cli.backends.dynamodb.keys import STATE_OF, moment, place, queue_of
from jq_cli.errors import InvalidField
from jq_cli.job import FINAL, Job, decode, encode_body

Item = dict[str, Any]
"""An item with plain values: text, int, bytes."""

INLINE = 400
"""Bytes up to which a payload lies in the job's own item, which then has less than a kilobyte. DynamoDB charges a write by the
kilobyte of the whole item, and a job is written at least three times."""

PART = 380_000
"""Bytes of a payload in one item of its own; an item may have 400 KB."""

NOTE = 400_000
"""Bytes of a note, which lies in one item."""

NUMBERS = ("expires_at", "started_at", "finished_at", "lease_until")
TEXTS = ("owner", "token")


def item_of(job: Job, *, parts: int, output: bool, wake: int | None) -> Item:
    """The attributes of a job. `parts`: items in which its payload lies, 0: in this one. `output`: whether it has a side record.
    `wake`: when it must be looked at."""
    item: Item = {
        "place": place(job),
        "priority": job.priority,
        "ready_at": job.ready_at,
        "created_at": job.created_at,
        "generation": job.generation,
        "version": job.version,
        "body": encode_body(job),
    }
    item.update({name: value for name in (*NUMBERS, *TEXTS) if (value := getattr(job, name)) is not None})
    item.update({"parts": parts} if parts else {"payload": job.payload})
    if wake is not None:
        item["wake"] = moment(wake, job.id)
    if job.state in FINAL and job.counted:
        item["kept"] = moment(job.finished_at or 0, job.id)
    return item | {name: 1 for name, is_set in (("stop", job.stop), ("output", output)) if is_set}


def job_of(item: Item, payload: bytes = b"") -> Job:
    """The job in an item as it is stored. `payload`: what lies in parts of its own."""
    fields: dict[str, Any] = {name: item.get(name) for name in (*NUMBERS, *TEXTS)}
    for name in ("priority", "ready_at", "created_at", "generation"):
        fields[name] = item.get(name, 0)
    return decode(
        item["body"],
        id=item["sk"].removeprefix("j/"),
        queue=queue_of(item["pk"]),
        state=STATE_OF[item["place"][0]],
        version=item["version"],
        stop="stop" in item,
        payload=item.get("payload", payload),
        **fields,
    )


def split(payload: bytes) -> list[bytes]:
    """The parts of a payload that get items of their own; none when it is small enough for the job's."""
    if len(payload) <= INLINE:
        return []
    return [payload[at : at + PART] for at in range(0, len(payload), PART)]


def check_note(key: str, value: bytes | None) -> None:
    """Raises InvalidField for a note that no item could hold."""
    if value is not None and len(value) > NOTE:
        raise InvalidField(
            key[:80], f"{len(value):,} bytes are more than the {NOTE:,} that DynamoDB can hold in one item"
        )
