"""One run of an action over jobs: named ones, or all that are meant of whole queues. Counts, asks, changes, waits, tells."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import msgspec
from msgspec.structs import replace

from jq_cli.change import Change, Unchanged
from jq_cli.cli.bulk_plan import Plan, jobs_text, make_plan, question, stay
from jq_cli.cli.confirm import confirm, confirm_in_production
from jq_cli.cli.interrupts import Interrupts
from jq_cli.cli.session import Session, say
from jq_cli.cli.stopping import Stopping
from jq_cli.cli.targets import Targets
from jq_cli.client import PAGE, Client
from jq_cli.errors import Conflict, NotFound, UsageError
from jq_cli.history import noted
from jq_cli.job import FINAL, Job, State
from jq_cli.triage.bulk import Bulk, Pace, Result, Unmatched, everything, known_by
from jq_cli.triage.filter import JobFilter
from jq_cli.view.bar import Bar


class Action(msgspec.Struct, frozen=True):
    """What a command does, said how (`requeue`, `requeued`), to jobs in which states, in the order in which it goes through them.
    `spares`: what to do about running jobs, which it leaves as they are. `stops`: it has workers stop the running ones."""

    verb: str
    done: str
    states: tuple[State, ...]
    make: Callable[[Job, str], Change]
    spares: str = ""
    stops: bool = False


class Scope(msgspec.Struct):
    """Which jobs, and how carefully."""

    ids: tuple[str, ...]
    every: bool
    yes: bool
    dry_run: bool
    rate: str | None
    verbose: bool
    as_json: bool
    jobs: JobFilter
    wait: float = 0.0


class Run:
    """Use one of `queues` and `named`, then `tell`."""

    def __init__(
        self,
        session: Session,
        client: Client,
        action: Action,
        scope: Scope,
        *,
        pace: Pace,
        interrupts: Interrupts,
        bar: Bar,
    ) -> None:
        self._session = session
        self._client, self._action, self._scope, self._bar = client, action, scope, bar
        self._pace, self._interrupts = pace, interrupts
        self._states = _states(action, scope.jobs.states)
        self._counts: dict[str, int] = {}
        self._queue = ""
        self._total: int | None = None
        self._unmatched = self._unchanged = self._now = self._stopping = 0
        self._asked: list[tuple[str, str]] = []
        self.targets = Targets()

    @property
    def changed(self) -> int:
        """How many jobs were changed so far."""
        return sum(self._counts.values())

    def queues(self, queues: Sequence[str]) -> None:
        """All jobs of these queues that the filter means. What is counted first is the most that is changed."""
        plans = [plan for queue in queues if (plan := self._plan(queue)) is not None]
        busy = [plan for plan in plans if plan.total]
        if self._scope.dry_run:
            self._counts |= {plan.queue: plan.total for plan in plans}
        elif busy:
            self._bar.pause()
            confirm(question(self._action.verb, busy) + self._session.where, yes=self._scope.yes)
            for plan in busy:
                self._carry_out(plan)
        for plan in plans:
            if plan.running:
                self.targets.failed(Conflict(f"{plan.queue}: {stay(plan.running)}: {self._action.spares}"))

    def named(self, queue: str | None, ids: Iterable[str]) -> None:
        """The jobs with these ids, of a queue or (None) of whatever queue each is on."""
        if queue is not None:
            try:
                self._client.demand(queue)
            except NotFound as error:
                self.targets.failed(error)
                return
            self._counts[queue] = 0
        if not self._scope.dry_run:
            where = f" of {queue}" if queue is not None else ""
            confirm_in_production(self._session, f"{self._action.verb} jobs{where}", yes=self._scope.yes)
        self._now = self._client.backend.now()
        for where, some in self._placed(queue, ids):
            self._queue = where
            self._counts.setdefault(where, 0)
            if self._scope.dry_run:
                self._try(where, some)
            else:
                self._bulk(self._chosen()).named(where, some)

    def wait(self) -> None:
        """Wait, as long as was said, until the running jobs that were asked to stop have stopped."""
        if self._asked and self._scope.wait:
            stopping = Stopping(
                self._client,
                self._asked,
                wait=self._scope.wait,
                done=self._done,
                failed=self.targets.failed,
                looked=self._looked,
            )
            stopping.run()
            self._asked = []

    def _looked(self, left: list[tuple[str, str]]) -> None:
        stopped = self._stopping - len(left)
        self._asked = left
        self._bar.step("stop", stopped, stopped, self._stopping)

    def told(self) -> str:
        """What was done so far, in words."""
        done = f"would be {self._action.done}" if self._scope.dry_run else self._action.done
        asked = f", {len(self._asked):,} asked to stop" if self._asked else ""
        unchanged = f", {self._unchanged:,} unchanged" if self._unchanged else ""
        return f"{self.changed:,} {done}{asked}{unchanged}"

    def tell(self, *, several: bool) -> None:
        """Print what was done: for each queue, or for the only one."""
        if self._unmatched:
            say(f"{jobs_text(self._unmatched)} of those named did not match")
        say(f"{self.told()} (store: {self._client.backend.url})")
        if self._scope.as_json:
            rows = [
                {"queue": queue, self._action.done: count, **self._also(queue)} for queue, count in self._counts.items()
            ]
            print(msgspec.json.encode(rows if several else rows[0] if rows else {}).decode())
        elif not self._scope.verbose:
            for queue, count in self._counts.items() if several else ():
                print(f"{queue}\t{count}")
            if not several:
                print(self.changed)
        sys.stdout.flush()

    def _also(self, queue: str) -> dict[str, int]:
        return {"asked": sum(where == queue for where, _ in self._asked)} if self._action.stops else {}

    # --- all of a queue ---

    def _plan(self, queue: str) -> Plan | None:
        try:
            counts = self._client.demand(queue)
        except NotFound as error:
            self.targets.failed(error)
            return None
        plan = make_plan(self._client, counts, self._states, self._scope.jobs, self._bar)
        if self._action.spares and "running" in (self._scope.jobs.states or {"running"}):
            running = make_plan(self._client, counts, ["running"], self._scope.jobs, self._bar).total
            plan = replace(plan, running=running)
        self._counts[queue] = 0
        self._bar.pause()
        say(f"{queue}: {plan.told()}")
        return plan

    def _carry_out(self, plan: Plan) -> None:
        self._queue, self._total, self._now = plan.queue, plan.total, plan.now
        known, chosen = known_by(plan.now), self._chosen()
        bulk = self._bulk(lambda job: known(job) and chosen(job))
        left = plan.total
        for state in self._states:
            left -= bulk.every(plan.queue, state, left, known if state in FINAL else everything)

    # --- by id ---

    def _placed(self, queue: str | None, ids: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
        left = iter(ids)
        while some := list(islice(left, PAGE)):
            if queue is not None:
                yield queue, some
                continue
            places = self._client.places(some)
            for id, queues in places.items():
                if len(queues) != 1:
                    self.targets.failed(self._nowhere(id, queues))
            for where in dict.fromkeys(queues[0] for queues in places.values() if len(queues) == 1):
                yield where, [id for id, queues in places.items() if queues == [where]]

    def _nowhere(self, id: str, queues: Sequence[str]) -> NotFound | Conflict:
        if queues:
            return Conflict(f"{id} is a job of {' and of '.join(queues)}: name the queue before it")
        return NotFound(f"no such job: {id} (store: {self._client.backend.url})")

    def _try(self, queue: str, ids: Sequence[str]) -> None:
        chosen = self._chosen()
        for id, job in zip(ids, self._client.get(queue, ids), strict=True):
            if job is None:
                self.targets.failed(NotFound(f"no such job: {id} on {queue}"))
            elif not chosen(job):
                self._unmatched += 1
            elif job.state not in self._action.states:
                self.targets.failed(Conflict(f"would not {self._action.verb} {id}: it is {job.state}"))
            else:
                self._counts[queue] += 1
                self.targets.done += 1

    # --- parts ---

    def _chosen(self) -> Callable[[Job], bool]:
        jobs, now = self._scope.jobs, self._now
        return (lambda job: jobs.matches(job, now)) if jobs else everything

    def _make(self, job: Job, mark: str) -> Change:
        change = self._action.make(job, mark)
        return noted(change, job, what=self._action.done, by=self._session.who, now=self._now)

    def _bulk(self, chosen: Callable[[Job], bool]) -> Bulk:
        return Bulk(self._client, self._make, self._report, chosen=chosen, pace=self._pace, held=self._interrupts.held)

    def _report(self, results: list[Result]) -> None:
        for result in results:
            if isinstance(result.error, Unmatched):
                self._unmatched += 1
            elif isinstance(result.error, Unchanged):
                self._unchanged += 1
                self.targets.done += 1
            elif result.error is not None:
                self.targets.failed(result.error)
            elif result.change is not None and result.change.job is not None and result.change.job.state == "running":
                self._asked.append((self._queue, result.id))
                self._stopping += 1
                self.targets.done += not self._scope.wait
            else:
                self._done(self._queue, result.id)
        self._bar.step(f"{self._action.verb} {self._queue}", self.changed, self._counts[self._queue], self._total)

    def _done(self, queue: str, id: str) -> None:
        self._counts[queue] += 1
        self.targets.done += 1
        if self._scope.verbose:
            print(id)


def _states(action: Action, chosen: frozenset[State]) -> list[State]:
    wrong = sorted(chosen.difference(action.states, {"running"} if action.spares else ()))
    if wrong:
        raise UsageError(
            f"--state: a job that is {wrong[0]} cannot be {action.done}; one of: {', '.join(action.states)}"
        )
    if chosen == {"running"} and action.spares:
        raise Conflict(f"running jobs cannot be {action.done}: {action.spares}")
    return [state for state in action.states if not chosen or state in chosen]
