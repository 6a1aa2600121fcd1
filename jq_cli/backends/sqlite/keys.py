"""Unique keys: whose a deduplication or idempotency key is, until when, and the outcome kept under it."""

from sqlite3 import Cursor

from jq_cli.backends.base import Inserted
from jq_cli.change import DEDUP, IDEMPOTENCY, KeyChange
from jq_cli.draft import Draft

FORGET_BATCH = 1_000
"""Ended keys forgotten at once."""

_TAKE = """INSERT INTO keys (queue, name, space, job, until, fingerprint) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (queue, name) DO UPDATE
    SET job = excluded.job, until = excluded.until, fingerprint = excluded.fingerprint, outcome = NULL"""
_FORGET = """DELETE FROM keys WHERE (queue, name) IN
    (SELECT queue, name FROM keys WHERE space = ? AND until <= ? ORDER BY until LIMIT ?)"""
_LIVE = "queue = ? AND name = ? AND (until IS NULL OR until > ?)"


def judge(cursor: Cursor, queue: int, draft: Draft, now: int) -> Inserted | None:
    """What a draft's id and keys say against it, None when nothing."""
    job = draft.job
    if cursor.execute("SELECT 1 FROM jobs WHERE queue = ? AND id = ?", (queue, job.id)).fetchone():
        return Inserted("duplicate", job.id)
    if job.dedup_key is not None and (key := _live(cursor, queue, DEDUP + job.dedup_key, now)):
        return Inserted("duplicate", key[0])
    if job.idempotency_key is not None and (key := _live(cursor, queue, IDEMPOTENCY + job.idempotency_key, now)):
        holder, fingerprint, outcome = key
        if fingerprint != draft.fingerprint:
            return Inserted("mismatch", holder)
        return Inserted("duplicate" if outcome is None else "replayed", holder, outcome)
    return None


def take(cursor: Cursor, space: int, queue: int, draft: Draft, now: int) -> None:
    """Give a draft's keys to its job."""
    job = draft.job
    if job.dedup_key is not None:
        until = None if job.dedup_ttl is None else now + round(job.dedup_ttl * 1_000)
        cursor.execute(_TAKE, (queue, DEDUP + job.dedup_key, space, job.id, until, ""))
    if job.idempotency_key is not None:
        cursor.execute(_TAKE, (queue, IDEMPOTENCY + job.idempotency_key, space, job.id, None, draft.fingerprint))


def change(cursor: Cursor, queue: int, id: str, changes: tuple[KeyChange, ...], now: int) -> None:
    """Free keys, or keep outcomes under them, where they still belong to the job."""
    for key in changes:
        where = (queue, key.name, now, id)
        if key.outcome is None:
            cursor.execute(f"DELETE FROM keys WHERE {_LIVE} AND job = ?", where)
        else:
            cursor.execute(
                f"UPDATE keys SET outcome = ?, until = ? WHERE {_LIVE} AND job = ?",
                (key.outcome, now + key.ttl, *where),
            )


def ended(cursor: Cursor, space: int, now: int) -> bool:
    """Whether a key ended that was not forgotten yet."""
    return (
        cursor.execute("SELECT 1 FROM keys WHERE space = ? AND until <= ? LIMIT 1", (space, now)).fetchone() is not None
    )


def forget_ended(cursor: Cursor, space: int, now: int) -> None:
    """Forget the keys that ended first."""
    cursor.execute(_FORGET, (space, now, FORGET_BATCH))


def _live(cursor: Cursor, queue: int, name: str, now: int) -> tuple[str, str, bytes | None] | None:
    row: tuple[str, str, bytes | None] | None = cursor.execute(
        f"SELECT job, fingerprint, outcome FROM keys WHERE {_LIVE}", (queue, name, now)
    ).fetchone()
    return row
