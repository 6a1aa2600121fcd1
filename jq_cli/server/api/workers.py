"""Routes for workers: look, recover their jobs."""

from litestar import Controller, get, post
from litestar.params import JSONBody
from msgspec.structs import asdict

from jq_cli.client import Client
from jq_cli.consumer import Consumer, Registration
from jq_cli.errors import Conflict, NotFound, UsageError
from jq_cli.recovery import recover_ended
from jq_cli.roster import registered
from jq_cli.server.api.desk import Here
from jq_cli.server.api.records import Recover, Recovered, WorkerRecord
from jq_cli.triage.bulk import Result


class Workers(Controller):
    """Workers."""

    tags = ("workers",)

    @get(["/v1/workers", "/workers"], opt={"scope": "read"})
    async def workers(self, desk: Here) -> list[WorkerRecord]:
        """The worker pools that registered."""
        known, now = await desk.ask(lambda client: (registered(client.backend), client.backend.now()))
        return [_worker(each, now) for each in known]

    @post("/v1/recover", opt={"scope": "admin"}, status_code=200)
    async def recover(self, data: JSONBody[Recover], desk: Here) -> Recovered:
        """Recover the jobs of workers that are gone, now."""
        if data.queues and data.worker is not None:
            raise UsageError("worker and queues exclude each other")
        if data.queues:
            return Recovered(await desk.ask(lambda client: _recover_queues(client, data.queues)))
        keeping = desk.settings.keeping

        def recover(client: Client) -> int:
            consumer = Consumer(client.backend, keeping=keeping)
            if data.worker is None:
                return consumer.tick()
            _demand_gone(client, data.worker, force=data.force)
            return consumer.recover(data.worker)

        return Recovered(await desk.ask(recover))


def _recover_queues(client: Client, queues: list[str]) -> int:
    results: list[Result] = []
    for each in [client.demand(queue) for queue in dict.fromkeys(queues)]:
        recover_ended(client, each, results.extend)
    return sum(result.error is None for result in results)


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
