"""Routes for schedules: look, add, edit, remove, pause, resume, trigger."""

from collections.abc import Callable
from itertools import islice
from typing import Annotated, Any, TypeVar

from litestar import Controller, delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from jq_cli.client import Client
from jq_cli.cron.schedule import JOB_OPTIONS, Schedule
from jq_cli.cron.schedules import Schedules
from jq_cli.cron.timetable import Timetable
from jq_cli.durations import parse_moment
from jq_cli.errors import Conflict, UsageError
from jq_cli.server.api.desk import Desk, Here
from jq_cli.server.api.schedule_records import (
    NewSchedule,
    Reason,
    ScheduleEdit,
    ScheduleRecord,
    Tick,
    Triggered,
    schedule_fields,
)
from jq_cli.view.schedule_records import schedule_record

T = TypeVar("T")
LISTING = ["/v1/schedules", "/admin/schedules"]
ONE = "/v1/schedules/{name:str}"
Count = Annotated[int, QueryParameter(ge=1, le=1_000)]
After = FromQuery[str | None]


class ScheduleRoutes(Controller):
    """Schedules."""

    tags = ("schedules",)

    @get(LISTING, opt={"scope": "read"})
    async def listing(self, desk: Here) -> list[ScheduleRecord]:
        """Every schedule of the store and of the server's configuration file, by name."""
        return await _ask(desk, _records)

    @post(LISTING, opt={"scope": "admin"})
    async def add(self, data: JSONBody[NewSchedule], desk: Here) -> ScheduleRecord:
        """Create a schedule in the store; its first tick is the first one after now."""
        schedule = Schedule(name=data.name, cron=data.cron, queue=data.queue, **schedule_fields(data))
        return await _changed(desk, data.name, lambda schedules: schedules.add(schedule))

    @get(ONE, opt={"scope": "read"})
    async def show(self, name: FromPath[str], desk: Here) -> ScheduleRecord:
        """One schedule."""
        return await _changed(desk, name, lambda _: None)

    @get(ONE + "/next", opt={"scope": "read"})
    async def following(
        self,
        name: FromPath[str],
        desk: Here,
        *,
        count: Count = 5,
        tz: FromQuery[str | None] = None,
        after: After = None,
    ) -> list[Tick]:
        """When it fires next, after a moment (now unless given: RFC 3339, +5m or a Unix time)."""
        known, now = await _ask(desk, lambda schedules: (schedules.find(name), schedules.backend.now()))
        if known.schedule is None:
            raise Conflict(f"schedule {name} has a damaged note; remove it")
        return _ticks(Timetable(known.schedule.cron, tz or known.schedule.timezone), count, after, now)

    @get("/v1/cron/next", opt={"scope": "read"})
    async def ticks(
        self, cron: FromQuery[str], desk: Here, *, count: Count = 5, tz: FromQuery[str] = "UTC", after: After = None
    ) -> list[Tick]:
        """When a cron expression fires next, by the clock of a zone, after a moment (now unless given: RFC 3339, +5m or a Unix
        time)."""
        return _ticks(Timetable(cron, tz), count, after, await desk.ask(lambda client: client.backend.now()))

    @patch(ONE, opt={"scope": "admin"})
    async def edit(self, name: FromPath[str], data: JSONBody[ScheduleEdit], desk: Here) -> ScheduleRecord:
        """Change a schedule of the store. Nothing of the past fires."""
        if wrong := [field for field in data.unset if field not in JOB_OPTIONS]:
            raise UsageError(f"unset: {wrong[0][:40]!r} is none of {', '.join(JOB_OPTIONS)}")
        named = {"cron": data.cron, "queue": data.queue}
        changes: dict[str, Any] = dict.fromkeys(data.unset) | {k: v for k, v in named.items() if v is not None}
        changes |= schedule_fields(data)
        if not changes:
            raise UsageError("name what to change, such as cron or payload")
        return await _changed(desk, name, lambda schedules: schedules.edit(name, changes))

    @delete(ONE, opt={"scope": "admin"})
    async def remove(self, name: FromPath[str], desk: Here) -> None:
        """Remove a schedule of the store."""
        await _ask(desk, lambda schedules: schedules.remove(name))

    @post(ONE + "/pause", opt={"scope": "admin"}, status_code=200)
    async def pause(self, name: FromPath[str], data: JSONBody[Reason], desk: Here) -> ScheduleRecord:
        """Stop its ticks, wherever it is defined."""
        by = f"{desk.caller.name} (http)"
        return await _changed(desk, name, lambda schedules: schedules.pause(name, reason=data.reason, by=by))

    @post(ONE + "/resume", opt={"scope": "admin"}, status_code=200)
    async def resume(self, name: FromPath[str], desk: Here) -> ScheduleRecord:
        """Let it fire again from its next tick on; what came due meanwhile never fires."""
        return await _changed(desk, name, lambda schedules: schedules.resume(name))

    @post(ONE + "/trigger", opt={"scope": "admin"}, status_code=201)
    async def trigger(self, name: FromPath[str], desk: Here, force: FromQuery[bool] = False) -> Triggered:
        """Make its job now, beside its ticks. 409 while its last job has not ended, where jobs may not overlap, unless forced."""
        return Triggered((await _ask(desk, lambda schedules: schedules.trigger(name, force=force))).id)


def _ticks(timetable: Timetable, count: int, after: str | None, now: int) -> list[Tick]:
    start = now if after is None else parse_moment(after, now, "after")
    return [Tick(timetable.zone.show(tick), tick * 1_000) for tick in islice(timetable.ticks(start // 1_000), count)]


async def _ask(desk: Desk, call: Callable[[Schedules], T]) -> T:
    def ask(client: Client) -> T:
        return call(Schedules(client.backend, desk.settings))

    return await desk.ask(ask)


async def _changed(desk: Desk, name: str, change: Callable[[Schedules], object]) -> ScheduleRecord:
    def call(schedules: Schedules) -> ScheduleRecord:
        change(schedules)
        return _records(schedules, name)[0]

    return await _ask(desk, call)


def _records(schedules: Schedules, name: str | None = None) -> list[ScheduleRecord]:
    known = schedules.all() if name is None else [schedules.find(name)]
    jobs, now = schedules.last_jobs(known), schedules.backend.now()
    return [ScheduleRecord(**schedule_record(each, jobs, now)) for each in known]
