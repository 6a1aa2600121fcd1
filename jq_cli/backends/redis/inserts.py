"""Drafts as the arguments of the script `insert`, and its answers as results."""

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from jq_cli.backends.base import Inserted
from jq_cli.backends.redis.connection import Word
from jq_cli.backends.redis.rows import draft_tail
from jq_cli.change import DEDUP, IDEMPOTENCY
from jq_cli.draft import Draft

STEP = 1_000
STEP_BYTES = 4 * 1024 * 1024
"""Jobs, and bytes of payload, that one script call stores at most (but at least one job)."""

STATUS: dict[str, Literal["created", "duplicate", "replayed", "mismatch"]] = {
    "c": "created",
    "d": "duplicate",
    "r": "replayed",
    "m": "mismatch",
}


def parts_of(drafts: Sequence[Draft]) -> Iterator[tuple[str, list[int]]]:
    """The drafts in script calls: a queue and the numbers of its next drafts, in their order within the queue."""
    open_parts: dict[str, tuple[list[int], int]] = {}
    for n, draft in enumerate(drafts):
        queue = draft.job.queue
        numbers, size = open_parts.get(queue, ([], 0))
        if len(numbers) == STEP or (numbers and size + len(draft.job.payload) > STEP_BYTES):
            yield queue, numbers
            numbers, size = [], 0
        numbers.append(n)
        open_parts[queue] = (numbers, size + len(draft.job.payload))
    for queue, (numbers, _) in open_parts.items():
        yield queue, numbers


def arguments(drafts: Sequence[Draft]) -> list[Word]:
    """The arguments that stand for drafts of one queue: the kinds, then each draft."""
    kinds: dict[tuple[object, ...], bytes] = {}
    words: list[Word] = [b""]
    for draft in drafts:
        job = draft.job
        kind = (
            job.priority, draft.delay, draft.expires_in, job.dedup_key is None, job.dedup_ttl,
            job.idempotency_key is None,
        )  # fmt: skip
        number = kinds.get(kind)
        if number is None:
            number = kinds[kind] = b"%d" % (len(kinds) + 1)
        words += (job.id, draft_tail(draft), job.payload, number)
        if job.dedup_key is not None:
            words.append(DEDUP + job.dedup_key)
        if job.idempotency_key is not None:
            words += (IDEMPOTENCY + job.idempotency_key, draft.fingerprint)
    words[0] = msgspec.json.encode([_described(kind) for kind in kinds])
    return words


def _described(kind: tuple[object, ...]) -> dict[str, object]:
    priority, delay, expires_in, undeduplicated, dedup_ttl, unkeyed = kind
    described = {"priority": priority, "delay": delay, "dedup": not undeduplicated, "idempotency": not unkeyed}
    if expires_in is not None:
        described["expires_in"] = expires_in
    if isinstance(dedup_ttl, float | int):
        described["dedup_ttl"] = round(dedup_ttl * 1_000)
    return described


def results(drafts: Sequence[Draft], answer: list[bytes]) -> list[Inserted]:
    """What became of the drafts of one call."""
    letters, *details = answer
    if not details:
        return [Inserted("created", draft.job.id) for draft in drafts]
    following = iter(details)
    inserted = []
    for draft, letter in zip(drafts, letters.decode(), strict=True):
        if letter == "c":
            inserted.append(Inserted("created", draft.job.id))
        else:
            inserted.append(Inserted(STATUS[letter], next(following).decode(), next(following)))
    return inserted
