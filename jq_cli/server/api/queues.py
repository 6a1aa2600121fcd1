"""Routes for queues: look, pause, resume, change many jobs; and for workers: look, recover their jobs."""

from litestar import Controller, get, post
from msgspec.structs import asdict

from jq_cli.backends.base import Setting
from jq_cli.triage.bulk import Bulk, Result, known_by
from jq_cli.client import Client
from jq_cli.consumer import Consumer, Registration
from jq_cli.durations import parse_duration
from jq_cli.errors import Conflict, InvalidField, NotFound, UsageError
from jq_cli.job import FINAL, Job
from jq_cli.roster import registered
from jq_cli.server.api.actions import Action, find_action
from jq_cli.server.api.desk import Desk
from jq_cli.server.api.records import Failure, Order, Ordered, Pause, QueueRecord, Recover, Recovered, WorkerRecord
from jq_cli.server.api.scan import scan
from jq_cli.server.problems import problem_of
from jq_cli.view.records import queue_record


class Queues(Controller):
    """Queues."""

    tags = ["queues"]

    @get(["/v1/queues", "/queues"], opt={"scope": "read"})
    async def queues(self, desk: Desk) -> list[QueueRecord]:
        """Every queue, configured or ever used, with its counts."""
        return [QueueRecord(**queue_record(each)) for each in await desk.ask(lambda client: client.counts())]

    @get("/v1/queues/{queue:str}", opt={"scope": "read"})
    async def queue(self, queue: str, desk: Desk) -> QueueRecord:
        """One queue. `ready` and `oldest_ready_age` are what scalers such as KEDA look at."""
        return await _queue(desk, queue)

    @post("/v1/queues/{queue:str}/pause", opt={"scope": "admin"}, status_code=200)
    async def pause(self, queue: str, data: Pause, desk: Desk) -> QueueRecord:
        """Stop handing out the jobs of a queue. Running jobs go on; enqueuing goes on."""
        pause_for = None if data.duration is None else parse_duration(data.duration, "for")
        if pause_for is not None and pause_for <= 0:
            raise InvalidField("for", f"{data.duration!r} is not in the future")
        setting = Setting(paused=True, reason=data.reason, by=f"{desk.caller.name} (http)", pause_for=pause_for)
        return await _controlled(desk, queue, setting)

    @post("/v1/queues/{queue:str}/resume", opt={"scope": "admin"}, status_code=200)
    async def resume(self, queue: str, desk: Desk) -> QueueRecord:
        """Hand out the jobs of a queue again."""
        return await _controlled(desk, queue, Setting(paused=False))

    @post("/v1/queues/{queue:str}/jobs/{action:str}", opt={"scope": "admin"}, status_code=200)
    async def change(self, queue: str, action: str, data: Order, desk: Desk) -> Ordered:
        """Change many jobs of a queue: promote, requeue, cancel, remove or purge them."""
        what = find_action(action, "queue")
        _check_order(data, what)
        await desk.ask(lambda client: client.demand(queue))
        return await (_by_ids(desk, queue, what, data) if data.ids else _by_filter(desk, queue, what, data))


class Workers(Controller):
    """Workers."""

    tags = ["workers"]

    @get(["/v1/workers", "/workers"], opt={"scope": "read"})
    async def workers(self, desk: Desk) -> list[WorkerRecord]:
        """The worker pools that registered."""
        known, now = await desk.ask(lambda client: (registered(client.backend), client.backend.now()))
        return [_worker(each, now) for each in known]

    @post("/v1/recover", opt={"scope": "admin"}, status_code=200)
    async def recover(self, data: Recover, desk: Desk) -> Recovered:
        """Recover the jobs of workers that are gone, now."""
        keeping = desk.settings.keeping

        def recover(client: Client) -> int:
            consumer = Consumer(client.backend, keeping=keeping)
            if data.worker is None:
                return consumer.tick()
            _demand_gone(client, data.worker, force=data.force)
            return consumer.recover(data.worker)

        return Recovered(await desk.ask(recover))


async def _queue(desk: Desk, queue: str) -> QueueRecord:
    return QueueRecord(**queue_record(await desk.ask(lambda client: client.demand(queue))))


async def _controlled(desk: Desk, queue: str, setting: Setting) -> QueueRecord:
    def control(client: Client) -> None:
        client.demand(queue)
        client.backend.control(queue, setting)

    await desk.ask(control)
    return await _queue(desk, queue)


def _check_order(order: Order, action: Action) -> None:
    if not (order.ids or order.all or order.filter().narrow or order.states):
        raise UsageError("say which jobs: ids, a filter, or all: true")
    if order.ids and order.all:
        raise UsageError("ids and all exclude each other")
    wrong = [state for state in order.states if state not in action.states]
    if wrong:
        raise InvalidField("states", f"a job that is {wrong[0]} cannot be {action.done}")


async def _by_ids(desk: Desk, queue: str, action: Action, order: Order) -> Ordered:
    jobs, now = order.filter(), await desk.ask(lambda client: client.backend.now())
    if order.dry_run:
        found = await desk.ask(lambda client: client.get(queue, order.ids))
        return _would([job for job in found if job and jobs.matches(job, now)], action)
    results: list[Result] = []
    make = action.maker(desk, now)
    ids = list(dict.fromkeys(order.ids))
    await desk.ask(
        lambda client: Bulk(client, make, results.extend, chosen=lambda job: jobs.matches(job, now)).named(queue, ids)
    )
    return _ordered(results)


async def _by_filter(desk: Desk, queue: str, action: Action, order: Order) -> Ordered:
    """Page by page; jobs that ended after the request began are left alone: one that comes back at once would be met for ever."""
    jobs, now = order.filter(), await desk.ask(lambda client: client.backend.now())
    states = order.states or list(action.states)
    done = Ordered(0, [], [])
    known = known_by(now)
    async for seen in scan(desk, queue, states, jobs, order.cursor, order.limit):
        meant = [job for job in seen.jobs if job.state not in FINAL or known(job)]
        step = _would(meant, action) if order.dry_run else await _step(desk, queue, action, order, now, meant)
        done = Ordered(done.changed + step.changed, done.ids + step.ids, done.failed + step.failed, seen.cursor)
        if done.changed + len(done.failed) >= order.limit:
            break
    return done


async def _step(desk: Desk, queue: str, action: Action, order: Order, now: int, meant: list[Job]) -> Ordered:
    jobs, make = order.filter(), action.maker(desk, now)
    results: list[Result] = []
    ids = [job.id for job in meant]
    await desk.ask(
        lambda client: Bulk(client, make, results.extend, chosen=lambda job: jobs.matches(job, now)).named(queue, ids)
    )
    # Those that somebody else moved meanwhile are not meant any more.
    return _ordered([result for result in results if not isinstance(result.error, Conflict | NotFound)])


def _would(jobs: list[Job], action: Action) -> Ordered:
    ids = [job.id for job in jobs if job.state in action.states]
    return Ordered(len(ids), ids, [])


def _ordered(results: list[Result]) -> Ordered:
    failed = [Failure(r.id, problem_of(r.error).code, str(r.error)) for r in results if r.error is not None]
    changed = [result.id for result in results if result.error is None]
    return Ordered(len(changed), changed, failed)


def _worker(worker: Registration, now: int) -> WorkerRecord:
    fields = asdict(worker) | {"queues": list(worker.queues)}
    return WorkerRecord(**fields | ({"state": "dead"} if worker.dead(now) else {}))


def _demand_gone(client: Client, worker: str, *, force: bool) -> None:
    known = {each.id: each for each in registered(client.backend)}
    if worker not in known and not client.backend.held(worker):
        raise NotFound(f"no such worker: {worker[:80]}")
    if worker in known and not known[worker].dead(client.backend.now()) and not force:
        raise Conflict(
            f"worker {worker[:80]} still sends heartbeats: its jobs may run twice; force: true recovers them"
        )
