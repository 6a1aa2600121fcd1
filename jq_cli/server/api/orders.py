"""An order of the Admin API carried out: one change to many jobs of a queue, named or meant by a filter."""

from jq_cli.client import Client
from jq_cli.errors import Conflict, InvalidField, NotFound, UsageError
from jq_cli.job import FINAL, Job
from jq_cli.server.api.actions import Action
from jq_cli.server.api.desk import Desk
from jq_cli.server.api.records import Failure, Order, Ordered
from jq_cli.server.api.scan import Search, scan
from jq_cli.server.problems import problem_of
from jq_cli.triage.bulk import Bulk, Result, known_by


class Errand:
    """Carries out one order. Raises UsageError for one that names no jobs, InvalidField for one that cannot be understood."""

    def __init__(self, desk: Desk, queue: str, action: Action, order: Order) -> None:
        if not (order.ids or order.all or order.filter().narrow or order.states):
            raise UsageError("say which jobs: ids, a filter, or all: true")
        if order.ids and order.all:
            raise UsageError("ids and all exclude each other")
        if wrong := [state for state in order.states if state not in action.states]:
            raise InvalidField("states", f"a job that is {wrong[0]} cannot be {action.done}")
        self._desk, self._queue, self._action, self._order = desk, queue, action, order
        self._jobs = order.filter()

    async def run(self) -> Ordered:
        """Do it. Raises NotFound when there is no such queue."""
        await self._desk.ask(lambda client: client.demand(self._queue))
        self._now = await self._desk.ask(lambda client: client.backend.now())
        return await (self._named() if self._order.ids else self._meant())

    async def _named(self) -> Ordered:
        ids = list(dict.fromkeys(self._order.ids))
        if not self._order.dry_run:
            return _ordered(await self._change(ids))
        found = await self._desk.ask(lambda client: client.get(self._queue, ids))
        return self._would([job for job in found if job and self._jobs.matches(job, self._now)])

    async def _meant(self) -> Ordered:
        """Page by page; what ended after the order came is left alone: a job that comes back at once would be met for ever."""
        order, done, known = self._order, Ordered(0, [], []), known_by(self._now)
        states = order.states or self._action.states

        def room() -> int:
            return order.limit - done.changed - len(done.failed)

        async for seen in scan(self._desk, Search(self._queue, states, self._jobs, order.cursor), room=room):
            meant = [job for job in seen.jobs if job.state not in FINAL or known(job)]
            step = self._would(meant) if order.dry_run else await self._step(meant)
            done = Ordered(done.changed + step.changed, done.ids + step.ids, done.failed + step.failed, seen.cursor)
        return done

    async def _step(self, meant: list[Job]) -> Ordered:
        results = await self._change([job.id for job in meant])
        # Those that somebody else moved meanwhile are not meant any more.
        return _ordered([result for result in results if not isinstance(result.error, Conflict | NotFound)])

    async def _change(self, ids: list[str]) -> list[Result]:
        results: list[Result] = []
        make = self._action.maker(self._desk, self._now)

        def change(client: Client) -> None:
            chosen = Bulk(client, make, results.extend, chosen=lambda job: self._jobs.matches(job, self._now))
            chosen.named(self._queue, ids)

        await self._desk.ask(change)
        return results

    def _would(self, jobs: list[Job]) -> Ordered:
        ids = [job.id for job in jobs if job.state in self._action.states]
        return Ordered(len(ids), ids, [])


def _ordered(results: list[Result]) -> Ordered:
    failed = [Failure(r.id, problem_of(r.error).code, str(r.error)) for r in results if r.error is not None]
    changed = [result.id for result in results if result.error is None]
    return Ordered(len(changed), changed, failed)
