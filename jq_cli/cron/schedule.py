"""A schedule: when it fires, the job that each of its ticks makes, what missed ticks and overlapping jobs come to. Pure."""

from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from jq_cli.draft import MAX_PAYLOAD, check_depth, check_name, encode_payload
from jq_cli.errors import InvalidField
from jq_cli.ids import ulid_of
from jq_cli.job import Backoff

CatchUp = Literal["skip", "latest", "all"]
Overlap = Literal["allow", "skip", "queue-one"]
CATCH_UP: tuple[CatchUp, ...] = ("skip", "latest", "all")
OVERLAP: tuple[Overlap, ...] = ("allow", "skip", "queue-one")

JOB_OPTIONS = ("priority", "max_retries", "max_losses", "delivery", "backoff", "timeout", "ttl", "retention", "headers")
"""What a schedule may say about its jobs beside their payload; the rest is as the queue's settings say."""


class Schedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What somebody wrote down, in the file or with `jq cron add`. Durations in seconds; an option that is None is the queue's.

    catch_up  which of the ticks that were missed while no scheduler ran still fire: `skip` the newest if it is less than 60 s
              old, `latest` the newest, `all` every one, at most the newest 1,000
    overlap   what a tick does while the job of an earlier one has not ended: `allow` fires, `skip` does not, `queue-one` fires
              when that job has ended, for one tick at most
    """

    name: str
    cron: str
    timezone: str = "UTC"
    queue: str
    payload: msgspec.Raw = msgspec.Raw(b"null")
    catch_up: CatchUp = "skip"
    overlap: Overlap = "allow"
    paused: bool = False
    priority: int | None = None
    max_retries: int | None = None
    max_losses: int | None = None
    delivery: str | None = None
    backoff: Backoff | None = None
    timeout: float | None = None
    ttl: float | None = None
    retention: float | None = None
    headers: dict[str, str] | None = None

    @property
    def key(self) -> str:
        """Names its timetable: equal for schedules that fire at the same moments for the same reason."""
        return f"{self.cron} {self.timezone}"

    def options(self) -> dict[str, Any]:
        """The options for its jobs that it sets itself."""
        return {name: value for name in JOB_OPTIONS if (value := getattr(self, name)) is not None}


def checked(schedule: Schedule, limit: int = MAX_PAYLOAD) -> Schedule:
    """The schedule with its expression in normal form. Raises InvalidField for a name, expression, zone, policy or payload that
    cannot be used; the options for its jobs are judged where a job is made of them."""
    from jq_cli.cron.timetable import timetable  # commands that only carry schedules about need none

    check_name(schedule.name, "schedule")
    check_name(schedule.queue)
    _one_of("catch_up", schedule.catch_up, CATCH_UP)
    _one_of("overlap", schedule.overlap, OVERLAP)
    _check_payload(bytes(schedule.payload), limit)
    return replace(schedule, cron=timetable(schedule.cron, schedule.timezone).expression.text)


def payload_of(value: object, limit: int = MAX_PAYLOAD) -> msgspec.Raw:
    """A Python value as a payload."""
    return msgspec.Raw(encode_payload(value, limit))


def tick_id(name: str, tick: int) -> str:
    """The id of the job that a tick makes: the same in every scheduler, so that it cannot be made twice while it is kept."""
    import hashlib  # loads OpenSSL, which only schedulers need

    digest = hashlib.sha256(f"{name}\n{tick}".encode()).digest()
    return ulid_of(tick * 1_000, int.from_bytes(digest[:10]))


def tick_key(name: str, tick: int) -> str:
    """The dedup key of the job that a tick makes."""
    return f"cron:{name}:{tick}"


def overlap_key(name: str) -> str:
    """The idempotency key that a schedule's jobs share when they may not overlap: it is theirs until the job has ended."""
    return f"cron:{name}"


def _one_of(field: str, value: str, words: tuple[str, ...]) -> None:
    if value not in words:
        raise InvalidField(field, f"expected {', '.join(words[:-1])} or {words[-1]}, got {value[:40]!r}")


def _check_payload(encoded: bytes, limit: int) -> None:
    if len(encoded) > limit:
        raise InvalidField("payload", f"{len(encoded):,} bytes are more than the {limit:,} allowed (max_payload)")
    check_depth(encoded)
