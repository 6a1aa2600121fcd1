"""Schedules as records, ready for JSON and for tables. Pure."""

from collections.abc import Mapping

from msgspec.structs import asdict

from jq_cli.cron.schedule import JOB_OPTIONS
from jq_cli.cron.schedules import Known
from jq_cli.job import Job
from jq_cli.view.records import Record, json_value

SCHEDULE_FIELDS = (
    "name", "state", "cron", "timezone", "queue", "last_fire", "next_fire", "lag", "last_outcome",
    "last_job", "source", "where", "catch_up", "overlap", "waiting", "fired", "overlapped", "paused_by",
    "paused_reason", "paused_at", "payload", *JOB_OPTIONS,
)  # fmt: skip


def schedule_record(known: Known, jobs: Mapping[str, Job], now: int) -> Record:
    """Everything about a schedule. Moments in ms, durations in seconds; `jobs` by id are those that are still kept."""
    note = known.note
    record: Record = dict.fromkeys(SCHEDULE_FIELDS)
    record |= {"name": known.name, "state": _state(known), "source": known.source, "where": known.where or None}
    record |= {"paused_by": note.paused_by or None, "paused_reason": note.paused_reason or None}
    record |= {"paused_at": note.paused_at, "next_fire": _ms(known.next_tick(now)), "lag": known.lag(now)}
    return record | _definition(known) | _progress(known, jobs)


def _definition(known: Known) -> Record:
    schedule = known.schedule
    if schedule is None:
        return {}
    fields = {
        name: getattr(schedule, name) for name in ("cron", "timezone", "queue", "catch_up", "overlap", *JOB_OPTIONS)
    }
    fields["backoff"] = None if schedule.backoff is None else asdict(schedule.backoff)
    return fields | {"payload": json_value(bytes(schedule.payload))}


def _progress(known: Known, jobs: Mapping[str, Job]) -> Record:
    run = known.run
    if run is None:
        return {"fired": 0, "overlapped": 0}
    job = jobs.get(run.job or "")
    return {
        "last_fire": _ms(run.last),
        "last_job": run.job,
        "last_outcome": None if job is None else job.state,
        "waiting": _ms(run.waiting),
        "fired": run.fired,
        "overlapped": run.overlapped,
    }


def _state(known: Known) -> str:
    if known.source == "damaged":
        return "damaged"
    return "paused" if known.paused else "active"


def _ms(tick: int | None) -> int | None:
    return None if tick is None else tick * 1_000
