"""Routes for queues: look, pause, resume, limit, check; count and change their jobs."""

from collections.abc import Callable
from typing import Annotated

from litestar import Controller, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec.structs import asdict

from jq_cli.backends.base import QueueCounts, Setting
from jq_cli.client import Client
from jq_cli.durations import parse_duration
from jq_cli.errors import InvalidField, UsageError
from jq_cli.limits import pending_limits, set_limit
from jq_cli.pausing import pause_length, pause_setting
from jq_cli.server.api.actions import edit_action, find_action
from jq_cli.server.api.clauses import Clauses, States
from jq_cli.server.api.desk import Desk, Here
from jq_cli.server.api.orders import Errand
from jq_cli.server.api.records import (
    EditOrder,
    FindingRecord,
    FullQueueRecord,
    GroupRecord,
    Limit,
    Order,
    Ordered,
    Pause,
    QueueRecord,
)
from jq_cli.server.api.scan import Search, scan
from jq_cli.thresholds import Finding, Measure, findings
from jq_cli.triage.filter import JobFilter
from jq_cli.triage.grouping import Tally
from jq_cli.view.queue_view import configured_record
from jq_cli.view.records import queue_record

Bound = Annotated[int | None, QueryParameter(ge=0)]
ALL = 1_000_000
"""Pages of a count: as many as there are. Other requests get their turn in between."""


class Queues(Controller):
    """Queues."""

    tags = ("queues",)

    @get(["/v1/queues", "/queues"], opt={"scope": "read"})
    async def queues(self, desk: Here) -> list[QueueRecord]:
        """Every queue, configured or ever used, with its counts."""
        return await desk.ask(lambda client: _records(client, client.counts()))

    @get("/v1/queues/{queue:str}", opt={"scope": "read"})
    async def queue(self, queue: FromPath[str], desk: Here) -> FullQueueRecord:
        """One queue. `ready` and `oldest_ready_age` are what scalers such as KEDA look at."""
        record = await _queue(desk, queue)
        configured = configured_record(queue, desk.settings)
        configured.pop("handler", None)  # its command may say more than who may only look is to know
        return FullQueueRecord(**asdict(record), configured=configured)

    @post("/v1/queues/{queue:str}/pause", opt={"scope": "admin"}, status_code=200)
    async def pause(self, queue: FromPath[str], data: JSONBody[Pause], desk: Here) -> QueueRecord:
        """Stop handing out the jobs of a queue. Running jobs go on; enqueuing goes on."""
        if data.duration is not None and data.until is not None:
            raise UsageError("for and until exclude each other")

        def pause(client: Client) -> None:
            seen = client.demand(queue)
            lasts = _lasts(data, lambda: seen.now)
            by = f"{desk.caller.name} (http)"
            setting = pause_setting(seen.controls, seen.now, by=by, reason=data.reason, pause_for=lasts)
            if setting is not None:
                client.backend.control(queue, setting)

        await desk.ask(pause)
        return await _queue(desk, queue)

    @post("/v1/queues/{queue:str}/resume", opt={"scope": "admin"}, status_code=200)
    async def resume(self, queue: FromPath[str], desk: Here) -> QueueRecord:
        """Hand out the jobs of a queue again."""

        def resume(client: Client) -> None:
            client.demand(queue)
            client.backend.control(queue, Setting(paused=False))

        await desk.ask(resume)
        return await _queue(desk, queue)

    @put("/v1/queues/{queue:str}/limit", opt={"scope": "admin"})
    async def limit(self, queue: FromPath[str], data: JSONBody[Limit], desk: Here) -> QueueRecord:
        """Limit how many jobs of a queue run at once; 0: no limit."""

        def limit(client: Client) -> None:
            client.demand(queue)
            set_limit(client.backend, queue, data.max_running, desk.settings.queue(queue).max_running)

        await desk.ask(limit)
        return await _queue(desk, queue)

    @post("/v1/queues/{queue:str}/jobs/edit", opt={"scope": "admin"}, status_code=200)
    async def edit(self, queue: FromPath[str], data: JSONBody[EditOrder], desk: Here) -> Ordered:
        """Change the payload or the options of many jobs that wait or are dead."""
        return await Errand(desk, queue, edit_action(data.edit, desk.settings), data).run()

    @post("/v1/queues/{queue:str}/jobs/{action:str}", opt={"scope": "admin"}, status_code=200)
    async def change(self, queue: FromPath[str], action: FromPath[str], data: JSONBody[Order], desk: Here) -> Ordered:
        """Change many jobs of a queue: promote, requeue, cancel, remove or purge them."""
        return await Errand(desk, queue, find_action(action, "queue"), data).run()

    @get("/v1/queues/{queue:str}/groups", opt={"scope": "read"})
    async def groups(
        self,
        queue: FromPath[str],
        desk: Here,
        clauses: Clauses,
        *,
        by: FromQuery[str] = "error",
        states: States = None,
    ) -> list[GroupRecord]:
        """What failed, how often, since when: the jobs of a queue (dead ones, unless states are named) that the filters mean,
        counted by `error`, a field, `payload.PATH` or `header.NAME`, the largest group first."""
        jobs = JobFilter(**clauses)
        tally = Tally(by)
        await desk.ask(lambda client: client.demand(queue))
        async for seen in scan(desk, Search(queue, states or ["dead"], jobs), pages=ALL):
            for job in seen.jobs:
                tally.add(job)
        return [GroupRecord(**asdict(group)) for group in tally.groups()]

    @get("/v1/check", opt={"scope": "read"})
    async def check(
        self,
        desk: Here,
        *,
        queues: Annotated[list[str] | None, QueryParameter(name="queue")] = None,
        max_ready: Bound = None,
        max_age: FromQuery[str | None] = None,
        max_dead: Bound = None,
        warn_at: Annotated[int, QueryParameter(ge=0, le=100)] = 100,
    ) -> list[FindingRecord]:
        """Whether queues, named or all, are within limits; `max_age` is a duration such as 5m. Above `warn_at` per cent of a
        limit the status is `warning`."""
        age = None if max_age is None else parse_duration(max_age, "max_age") / 1_000
        named: dict[Measure, float | None] = {"ready": max_ready, "age": age, "dead": max_dead}
        limits = {measure: float(limit) for measure, limit in named.items() if limit is not None}
        if not limits:
            raise UsageError("name a limit: max_ready, max_age or max_dead")
        counts = await desk.ask(
            lambda client: [client.demand(queue) for queue in queues] if queues else client.counts()
        )
        return [_finding(found) for found in findings(counts, limits, warn_at / 100)]


def _finding(found: Finding) -> FindingRecord:
    return FindingRecord(found.queue, found.measure, found.value, found.max, found.status, found.warn)


async def _queue(desk: Desk, queue: str) -> QueueRecord:
    [record] = await desk.ask(lambda client: _records(client, [client.demand(queue)]))
    return record


def _records(client: Client, counts: list[QueueCounts]) -> list[QueueRecord]:
    pending = pending_limits(client.backend, client.settings, counts)
    return [QueueRecord(**queue_record(each), pending_limit=pending.get(each.queue)) for each in counts]


def _lasts(pause: Pause, now: Callable[[], int]) -> int | None:
    if pause.duration is None:
        return None if pause.until is None else pause_length(pause.until, now)
    ms = parse_duration(pause.duration, "for")
    if ms <= 0:
        raise InvalidField("for", f"{pause.duration[:40]!r} is not in the future")
    return ms
