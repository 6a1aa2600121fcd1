"""The route for what happened to jobs, where a history is kept."""

import time
from typing import Annotated, Any

import msgspec
from litestar import Controller, get
from litestar.params import FromQuery, QueryParameter

from jq_cli.draft import check_name
from jq_cli.errors import InvalidField
from jq_cli.hooks.event import EVENTS
from jq_cli.ids import is_ulid
from jq_cli.server.api.desk import Here
from jq_cli.server.archive import cursor_of, parse_cursor
from jq_cli.triage.filter import parse_age

Text = FromQuery[str | None]


class EventRecord(msgspec.Struct, kw_only=True):
    """Something that happened to a job. `payload` is there when the history keeps payloads, as text."""

    at: int
    event: str
    queue: str
    job: str
    attempt: int
    worker: str | None
    reason: str | None
    error: str | None
    payload: Any
    id: str


class HistoryPage(msgspec.Struct):
    """Part of the history, the newest event first. `cursor` goes on with older ones; null at the end."""

    events: list[EventRecord]
    cursor: str | None


class HistoryRoutes(Controller):
    """What happened to jobs."""

    tags = ("jobs",)

    @get("/v1/history", opt={"scope": "read"})
    async def events(
        self,
        desk: Here,
        *,
        queue: Text = None,
        job: Text = None,
        events: Annotated[list[str] | None, QueryParameter(name="event")] = None,
        since: Text = None,
        until: Text = None,
        worker: Text = None,
        error: Text = None,
        reason: Text = None,
        cursor: Text = None,
        limit: Annotated[int, QueryParameter(ge=1, le=1_000)] = 100,
    ) -> HistoryPage:
        """What happened to jobs, the newest event first: of a queue, of one job, or of all. `worker` and `error` are patterns,
        `since` and `until` so long ago (1h) or a date. 404 where the server has no history hook."""
        filters = {"worker": worker, "error": error, "reason": reason, **_target(queue, job), "events": _kinds(events)}
        filters |= _moments(since=since, until=until)
        after = None if cursor is None else parse_cursor(cursor)
        found = await desk.archive.events(filters, namespace=desk.namespace, limit=limit, after=after)
        return HistoryPage(
            [EventRecord(**each) for each in found], cursor_of(found[-1]) if len(found) == limit else None
        )


def _target(queue: str | None, job: str | None) -> dict[str, Any]:
    if job is not None and not is_ulid(job):
        raise InvalidField("job", f"{job[:40]!r} is not the id of a job")
    return {"queue": None if queue is None else check_name(queue), "job": job}


def _kinds(events: list[str] | None) -> tuple[str, ...]:
    if wrong := [each for each in events or () if each not in EVENTS]:
        raise InvalidField("event", f"expected {', '.join(EVENTS)}, got {wrong[0][:40]!r}")
    return tuple(events or ())


def _moments(**given: str | None) -> dict[str, int]:
    now = time.time_ns() // 1_000_000
    return {name: parse_age(text, name).moment(now) for name, text in given.items() if text is not None}
