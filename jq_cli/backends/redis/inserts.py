"""Drafts as the arguments of the script `insert`, and its answers as results."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from jq_cli.backends.base import Inserted
from jq_cli.backends.redis.connection import Word
from jq_cli.backends.redis.keys import Keys
from jq_cli.backends.redis.rows import draft_tail
from jq_cli.backends.redis.scripts import Call
from jq_cli.change import DEDUP, IDEMPOTENCY
from jq_cli.draft import Draft, runs_of

STEP = 1_000
STEP_BYTES = 4 * 1024 * 1024
"""Jobs, and bytes of payload, that one script call stores at most (but at least one job)."""

STATUS: dict[bytes, Literal["created", "duplicate", "replayed", "mismatch"]] = {
    b"d": "duplicate",
    b"r": "replayed",
    b"m": "mismatch",
}


def one_part(drafts: Sequence[Draft]) -> bool:
    """Whether one script call stores all of the drafts."""
    if len(drafts) == 1:
        return True
    if not drafts or len(drafts) > STEP or sum([len(draft.job.payload) for draft in drafts]) > STEP_BYTES:
        return False
    return len({draft.job.queue for draft in drafts}) == 1


def parts_of(drafts: Sequence[Draft]) -> Iterator[list[int]]:
    """The drafts in script calls: the numbers of the next drafts of a queue, in their order within the queue."""
    open_parts: dict[str, tuple[list[int], int]] = {}
    for n, draft in enumerate(drafts):
        queue = draft.job.queue
        numbers, size = open_parts.get(queue, ([], 0))
        if len(numbers) == STEP or (numbers and size + len(draft.job.payload) > STEP_BYTES):
            yield numbers
            numbers, size = [], 0
        numbers.append(n)
        open_parts[queue] = (numbers, size + len(draft.job.payload))
    for numbers, _ in open_parts.values():
        yield numbers


def insert_call(keys: Keys, now: Word, drafts: Sequence[Draft]) -> Call:
    """The script call for drafts of one queue: their ids and payloads, then runs of those that are alike."""
    keyed = False
    words: list[Word] = [now, "", len(drafts)]
    for draft in drafts:
        words += (draft.job.id, draft.job.payload)
    for run in runs_of(drafts):
        job = run[0].job
        words += (_described(run), draft_tail(run[0]))
        if job.dedup_key is not None or job.idempotency_key is not None:
            keyed = True
            for draft in run:
                words += _keys(draft)
    name = "insert_keyed" if keyed else "insert"
    return Call(name, keys.inserted(drafts[0].job.queue, keyed=keyed), words, flag=1)


def _described(run: Sequence[Draft]) -> bytes:
    draft, job = run[0], run[0].job
    expires_in = -1 if draft.expires_in is None else draft.expires_in
    ttl = -1 if job.dedup_ttl is None else round(job.dedup_ttl * 1_000)
    keys = (job.dedup_key is not None, job.idempotency_key is not None)
    return b"%d %d %d %d %d %d %d" % (len(run), job.priority, draft.delay, expires_in, ttl, *keys)


def _keys(draft: Draft) -> Iterator[Word]:
    job = draft.job
    if job.dedup_key is not None:
        yield DEDUP + job.dedup_key
    if job.idempotency_key is not None:
        yield from (IDEMPOTENCY + job.idempotency_key, draft.fingerprint)


def results(drafts: Sequence[Draft], answer: list[Any]) -> list[Inserted]:
    """What became of the drafts of one call."""
    inserted = [Inserted("created", draft.job.id) for draft in drafts]
    for at in range(0, len(answer), 4):
        place, letter, other, outcome = answer[at : at + 4]
        inserted[place - 1] = Inserted(STATUS[letter], other.decode(), outcome)
    return inserted
