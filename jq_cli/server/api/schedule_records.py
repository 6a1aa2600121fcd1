"""What the Admin API takes and gives of schedules, as typed records. Times in ms, durations in seconds or text with a unit."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from jq_cli.cron.schedule import CatchUp, Overlap
from jq_cli.draft import seconds
from jq_cli.job import Backoff


class ScheduleRecord(msgspec.Struct, kw_only=True):
    """A schedule and how it fares. `lag`: seconds by which the earliest tick that no scheduler has looked at is late; `source`:
    file, store, elsewhere (the file of another host) or damaged."""

    name: str
    state: str
    cron: str | None
    timezone: str | None
    queue: str | None
    last_fire: int | None
    next_fire: int | None
    lag: float | None
    last_outcome: str | None
    last_job: str | None
    source: str
    where: str | None
    catch_up: str | None
    overlap: str | None
    waiting: int | None
    fired: int
    overlapped: int
    paused_by: str | None
    paused_reason: str | None
    paused_at: int | None
    payload: Any
    priority: int | None
    max_retries: int | None
    max_losses: int | None
    delivery: str | None
    backoff: dict[str, Any] | None
    timeout: float | None
    ttl: float | None
    retention: float | None
    headers: dict[str, str] | None


class ScheduleOptions(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a schedule says beside its name, times and queue; null: as the queue's settings say. Durations are text with a unit or
    seconds."""

    timezone: str | None = None
    payload: msgspec.Raw | UnsetType = UNSET
    catch_up: CatchUp | None = None
    overlap: Overlap | None = None
    priority: int | None = None
    max_retries: int | None = None
    max_losses: int | None = None
    delivery: str | None = None
    backoff: Backoff | None = None
    timeout: str | float | None = None
    ttl: str | float | None = None
    retention: str | float | None = None
    headers: dict[str, str] | None = None


class NewSchedule(ScheduleOptions, forbid_unknown_fields=True, kw_only=True):
    """A schedule to create."""

    name: str
    cron: str
    queue: str


class ScheduleEdit(ScheduleOptions, forbid_unknown_fields=True, kw_only=True):
    """What to change in a schedule; the rest stays. `unset`: options to leave to the queue again."""

    cron: str | None = None
    queue: str | None = None
    unset: list[str] = []


def schedule_fields(options: ScheduleOptions) -> dict[str, Any]:
    """The fields of a schedule that are set. Raises InvalidField for a duration that cannot be read."""
    names = ScheduleOptions.__struct_fields__
    fields = {name: value for name in names if (value := getattr(options, name)) is not None and name != "payload"}
    fields |= {name: seconds(fields[name], name) for name in ("timeout", "ttl", "retention") if name in fields}
    return fields if options.payload is UNSET else fields | {"payload": options.payload}


class Reason(msgspec.Struct, forbid_unknown_fields=True):
    """Why."""

    reason: Annotated[str, Meta(max_length=1_000)] = ""


class Tick(msgspec.Struct):
    """A moment at which a schedule fires: by the clock of its zone, and in ms."""

    local: str
    tick: int


class Triggered(msgspec.Struct):
    """The job that was made."""

    id: str
