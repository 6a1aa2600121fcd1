"""Routes for queues: look, pause, resume, limit, check; count and change their jobs."""

from typing import Annotated

from litestar import Controller, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec.structs import asdict

from jq_cli.backends.base import Setting
from jq_cli.client import Client
from jq_cli.durations import parse_duration
from jq_cli.errors import InvalidField, UsageError
from jq_cli.job import State
from jq_cli.limits import set_limit
from jq_cli.server.api.actions import edit_action, find_action
from jq_cli.server.api.desk import Desk, Here
from jq_cli.server.api.orders import Errand
from jq_cli.server.api.records import EditOrder, FindingRecord, GroupRecord, Limit, Order, Ordered, Pause, QueueRecord
from jq_cli.server.api.scan import Search, scan
from jq_cli.thresholds import Finding, Measure, findings
from jq_cli.triage.filter import JobFilter
from jq_cli.triage.grouping import Tally
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
        return [QueueRecord(**queue_record(each)) for each in await desk.ask(lambda client: client.counts())]

    @get("/v1/queues/{queue:str}", opt={"scope": "read"})
    async def queue(self, queue: FromPath[str], desk: Here) -> QueueRecord:
        """One queue. `ready` and `oldest_ready_age` are what scalers such as KEDA look at."""
        return await _queue(desk, queue)

    @post("/v1/queues/{queue:str}/pause", opt={"scope": "admin"}, status_code=200)
    async def pause(self, queue: FromPath[str], data: JSONBody[Pause], desk: Here) -> QueueRecord:
        """Stop handing out the jobs of a queue. Running jobs go on; enqueuing goes on."""
        pause_for = None if data.duration is None else parse_duration(data.duration, "for")
        if pause_for is not None and pause_for <= 0:
            raise InvalidField("for", f"{data.duration!r} is not in the future")
        setting = Setting(paused=True, reason=data.reason, by=f"{desk.caller.name} (http)", pause_for=pause_for)
        return await _controlled(desk, queue, setting)

    @post("/v1/queues/{queue:str}/resume", opt={"scope": "admin"}, status_code=200)
    async def resume(self, queue: FromPath[str], desk: Here) -> QueueRecord:
        """Hand out the jobs of a queue again."""
        return await _controlled(desk, queue, Setting(paused=False))

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
        *,
        by: FromQuery[str] = "error",
        states: Annotated[list[State] | None, QueryParameter(name="state")] = None,
    ) -> list[GroupRecord]:
        """What failed, how often, since when: the jobs of a queue (dead ones, unless states are named) counted by `error`, a
        field, `payload.PATH` or `header.NAME`, the largest group first."""
        tally = Tally(by)
        await desk.ask(lambda client: client.demand(queue))
        async for seen in scan(desk, Search(queue, states or ["dead"], JobFilter()), pages=ALL):
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
    ) -> list[FindingRecord]:
        """Whether queues, named or all, are within limits; `max_age` is a duration such as 5m."""
        age = None if max_age is None else parse_duration(max_age, "max_age") / 1_000
        named: dict[Measure, float | None] = {"ready": max_ready, "age": age, "dead": max_dead}
        limits = {measure: float(limit) for measure, limit in named.items() if limit is not None}
        if not limits:
            raise UsageError("name a limit: max_ready, max_age or max_dead")
        counts = await desk.ask(
            lambda client: [client.demand(queue) for queue in queues] if queues else client.counts()
        )
        return [_finding(found) for found in findings(counts, limits)]


def _finding(found: Finding) -> FindingRecord:
    return FindingRecord(found.queue, found.measure, found.value, found.max, found.status)


async def _queue(desk: Desk, queue: str) -> QueueRecord:
    return QueueRecord(**queue_record(await desk.ask(lambda client: client.demand(queue))))


async def _controlled(desk: Desk, queue: str, setting: Setting) -> QueueRecord:
    def control(client: Client) -> None:
        client.demand(queue)
        client.backend.control(queue, setting)

    await desk.ask(control)
    return await _queue(desk, queue)
