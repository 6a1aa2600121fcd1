"""Drafts as the arguments of the script `insert`, and its answers as results."""

from collections.abc import Iterator, Sequence
from typing import Literal

from jq_cli.backends.base import Inserted
from jq_cli.backends.redis.connection import Word
from jq_cli.backends.redis.rows import draft_tail
from jq_cli.change import DEDUP, IDEMPOTENCY
from jq_cli.draft import Draft, runs_of

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
    if _one_part(drafts):
        yield drafts[0].job.queue, list(range(len(drafts)))
        return
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


def _one_part(drafts: Sequence[Draft]) -> bool:
    if not drafts or len(drafts) > STEP or sum([len(draft.job.payload) for draft in drafts]) > STEP_BYTES:
        return False
    return len({draft.job.queue for draft in drafts}) == 1


def arguments(drafts: Sequence[Draft]) -> list[Word]:
    """The arguments that stand for drafts of one queue: runs of those that are alike."""
    words: list[Word] = []
    for run in runs_of(drafts):
        words += (_described(run), draft_tail(run[0]))
        job = run[0].job
        if job.dedup_key is None and job.idempotency_key is None:
            for draft in run:
                words += (draft.job.id, draft.job.payload)
        else:
            for draft in run:
                words += _keyed(draft)
    return words


def _described(run: Sequence[Draft]) -> bytes:
    draft, job = run[0], run[0].job
    expires_in = -1 if draft.expires_in is None else draft.expires_in
    ttl = -1 if job.dedup_ttl is None else round(job.dedup_ttl * 1_000)
    keys = (job.dedup_key is not None, job.idempotency_key is not None)
    return b"%d %d %d %d %d %d %d" % (len(run), job.priority, draft.delay, expires_in, ttl, *keys)


def _keyed(draft: Draft) -> Iterator[Word]:
    job = draft.job
    yield from (job.id, job.payload)
    if job.dedup_key is not None:
        yield DEDUP + job.dedup_key
    if job.idempotency_key is not None:
        yield from (IDEMPOTENCY + job.idempotency_key, draft.fingerprint)


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
