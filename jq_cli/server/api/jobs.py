"""Routes for jobs: put them in, look at them, wait for them, change one."""

import asyncio
from typing import Annotated

from litestar import Controller, Response, delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from jq_cli.backends.base import Inserted
from jq_cli.client import Client
from jq_cli.draft import Draft, Line, check_name
from jq_cli.errors import Conflict, InvalidField, UsageError
from jq_cli.intake.drafting import Drafter
from jq_cli.job import FINAL, Job
from jq_cli.server.api.actions import Action, edit_action, find_action
from jq_cli.server.api.clauses import Clauses, States, Text
from jq_cli.server.api.desk import Desk, Here
from jq_cli.server.api.records import Batch, Edit, Enqueued, JobPage, JobRecord
from jq_cli.server.api.scan import ORDER, Search, scan
from jq_cli.triage.bulk import Bulk, Result
from jq_cli.triage.filter import JobFilter
from jq_cli.view.job_view import full_record
from jq_cli.view.records import job_record, json_value

LOOK = 5.0
"""Seconds between looks at a job that is waited for, in case a hint was missed."""

_STATUS = {"created": 201, "duplicate": 200, "replayed": 200, "mismatch": 409}
Limit = Annotated[int, QueryParameter(ge=1, le=1_000)]


class Jobs(Controller):
    """Jobs."""

    tags = ("jobs",)

    @post(["/v1/jobs", "/jobs"], opt={"scope": "enqueue"})
    async def enqueue(self, data: JSONBody[Line], desk: Here) -> Response[Enqueued]:
        """Put one job on the queue that it names. 201: created; 200: it is there already; 409: its idempotency key was used with
        another payload."""
        [enqueued] = await _enqueue(desk, [data])
        return Response(enqueued, status_code=_STATUS[enqueued.status])

    @post("/v1/jobs/batch", opt={"scope": "enqueue"}, status_code=200)
    async def enqueue_batch(self, data: JSONBody[Batch], desk: Here) -> list[Enqueued]:
        """Put several jobs on the queues that they name, in order; says for each what became of it. All are checked before the
        first is stored."""
        return await _enqueue(desk, data)

    @get(["/v1/jobs/{id:str}", "/jobs/{id:str}"], opt={"scope": "read"})
    async def show(self, id: FromPath[str], desk: Here) -> JobRecord:
        """A job, with its captured output."""
        return await full(desk, await desk.job(id))

    @get("/v1/jobs/{id:str}/wait", opt={"scope": "read"})
    async def wait(
        self, id: FromPath[str], desk: Here, timeout: Annotated[float, QueryParameter(ge=0, le=300)] = 30
    ) -> JobRecord:
        """A job once it has ended, or as it is after `timeout` seconds."""
        return await full(desk, await _ended(desk, id, timeout))

    @post("/v1/jobs/{id:str}/{action:str}", opt={"scope": "admin"}, status_code=200)
    async def change(self, id: FromPath[str], action: FromPath[str], desk: Here) -> JobRecord:
        """Change one job: promote, requeue or cancel it. 409 when its state does not allow that; cancelling a running job asks
        its worker to stop it."""
        job = await desk.job(id)
        await change_one(desk, job, find_action(action, "job"))
        return await full(desk, await desk.job(id))

    @patch("/v1/jobs/{id:str}", opt={"scope": "admin"})
    async def edit(self, id: FromPath[str], data: JSONBody[Edit], desk: Here) -> JobRecord:
        """Change the payload or the options of a job that waits or is dead. With `version`, 409 when it changed since."""
        job = await desk.job(id)
        if data.version is not None and data.version != job.version:
            raise Conflict(f"job {job.id} changed meanwhile")
        await change_one(desk, job, edit_action(data, desk.settings))
        return await full(desk, await desk.job(id))

    @delete("/v1/jobs/{id:str}", opt={"scope": "admin"})
    async def remove(self, id: FromPath[str], desk: Here) -> None:
        """Remove a job that is not running, for good."""
        await change_one(desk, await desk.job(id), find_action("remove", "queue"))

    @get("/v1/queues/{queue:str}/jobs", opt={"scope": "read"})
    async def listing(
        self,
        queue: FromPath[str],
        desk: Here,
        clauses: Clauses,
        *,
        states: States = None,
        ids: Annotated[list[str] | None, QueryParameter(name="id", max_items=1_000)] = None,
        cursor: Text = None,
        limit: Limit = 100,
        reverse: FromQuery[bool] = False,
    ) -> JobPage:
        """The jobs of a queue, in each state's own order, or those with these ids; the filters are those of `jq ls`."""
        jobs = JobFilter(ids=ids or (), **clauses)
        await desk.ask(lambda client: client.demand(queue))
        search = Search(queue, states or ORDER, jobs, cursor, limit, reverse)
        return await (_named(desk, search, ids) if ids else _page(desk, search))


async def _enqueue(desk: Desk, lines: list[Line]) -> list[Enqueued]:
    drafts = [_draft(desk, line, number) for number, line in enumerate(lines)]
    desk.caller.demand("enqueue", {draft.job.queue for draft in drafts})
    answers = await desk.ask(lambda client: client.enqueue(drafts))
    return [_enqueued(answer, draft) for answer, draft in zip(answers, drafts, strict=True)]


def _draft(desk: Desk, line: Line, number: int) -> Draft:
    if line.queue is None:
        raise InvalidField("queue", f"missing (job {number} of the request)")
    check_name(line.queue)
    return Drafter(desk.settings, line.queue).from_line(line)


def _enqueued(answer: Inserted, draft: Draft) -> Enqueued:
    outcome = None if answer.outcome is None else json_value(answer.outcome)
    return Enqueued(answer.status, answer.id, draft.job.queue, outcome)


async def _named(desk: Desk, search: Search, ids: list[str]) -> JobPage:
    """All of them at once, in the order asked for."""
    if search.cursor is not None:
        raise UsageError("id and cursor exclude each other")

    def look(client: Client) -> list[Job]:
        return list(client.matching(search.queue, search.states, search.jobs, client.backend.now()))

    return JobPage([_record(job) for job in await desk.ask(look)], None)


async def _page(desk: Desk, search: Search) -> JobPage:
    cursor = search.cursor
    async for seen in scan(desk, search):
        cursor = seen.cursor
        # The first page that holds any: a second could hold more than is wanted, and no cursor points into a page.
        if seen.jobs:
            return JobPage([_record(job) for job in seen.jobs], cursor)
    return JobPage([], cursor)


async def _ended(desk: Desk, id: str, timeout: float) -> Job:
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout
    job = await desk.job(id)
    if job.state in FINAL:
        return job
    news = await desk.watches.join(desk.namespace, [f"done:{job.queue}"])
    try:
        while (job := await desk.job(id)).state not in FINAL and (left := until - loop.time()) > 0:
            pause = min(left, LOOK)
            await (asyncio.sleep(pause) if news is None else news.hint(pause))
            if desk.watches.ended:
                break
        return job
    finally:
        if news is not None:
            await news.leave()


async def change_one(desk: Desk, job: Job, action: Action) -> None:
    """Carry out an action on one job. Raises Conflict when its state does not allow it."""
    now = await desk.ask(lambda client: client.backend.now())
    results: list[Result] = []
    make = action.maker(desk, now)
    await desk.ask(lambda client: Bulk(client, make, results.extend).named(job.queue, [job.id]))
    if (error := results[0].error) is not None:
        raise error


async def full(desk: Desk, job: Job) -> JobRecord:
    """A job with its captured output."""

    def look(client: Client) -> tuple[bytes | None, int]:
        [output] = client.backend.outputs(job.queue, [job.id])
        return output, client.backend.now()

    return JobRecord(**full_record(job, *await desk.ask(look)))


def _record(job: Job) -> JobRecord:
    return JobRecord(**job_record(job))
