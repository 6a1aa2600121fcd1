"""Options of the commands that change many jobs at once, and the run that follows them."""

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click
import msgspec

from jq_cli.bulk import Bulk, Pace, Result
from jq_cli.change import Change
from jq_cli.cli import suggestions
from jq_cli.cli.confirm import confirm, confirm_in_production
from jq_cli.cli.interrupts import Interrupted, Interrupts
from jq_cli.cli.options import Function
from jq_cli.cli.session import Session, say
from jq_cli.cli.targets import Targets, ids_from
from jq_cli.client import Client
from jq_cli.errors import Conflict, InvalidField, NotFound, UsageError
from jq_cli.history import noted
from jq_cli.ids import is_ulid
from jq_cli.job import Job, State
from jq_cli.view.bar import Bar

_RATE = re.compile(r"(\d+(?:\.\d+)?)/([smh])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600}


class Action(msgspec.Struct, frozen=True):
    """What a command does: to jobs in which state, said how (`requeue`, `requeued`). `asks`: before it does so to all."""

    verb: str
    done: str
    state: State
    make: Callable[[Job, str], Change]
    asks: bool


class Scope(msgspec.Struct):
    """Which jobs, and how carefully."""

    ids: tuple[str, ...]
    every: bool
    yes: bool
    dry_run: bool
    rate: str | None
    verbose: bool
    as_json: bool


def bulk_options(state: State) -> Callable[[Function], Function]:
    """Adds QUEUE, ids of jobs in a state, `--id`, `--all`, `--yes`, `--dry-run`, `--rate`, `-v` and `--json`."""
    ids = suggestions.ids_in(state)
    options = [
        click.argument("names", nargs=-1, required=True, metavar="QUEUE [ID]... | QUEUE... --all", shell_complete=ids),
        click.option(
            "--id", "ids", multiple=True, metavar="ID", shell_complete=ids, help="A job; - reads ids from stdin."
        ),
        click.option("--all", "every", is_flag=True, help="All such jobs of the named queues."),
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--dry-run", is_flag=True, help="Say how many it would be and change nothing."),
        click.option("--rate", metavar="N/s", help="At most so many jobs a second (or /m, /h)."),
        click.option("-v", "--verbose", is_flag=True, help="Print the ids of the changed jobs, not their number."),
        click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON."),
    ]

    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def run_action(session: Session, action: Action, names: Sequence[str], **options: Any) -> None:
    """Carry out an action on the named jobs, or on all of the named queues."""
    scope = Scope(**options)
    pace = Pace(_rate(scope.rate))
    queues, ids = _targets(action, names, scope)
    with session.client() as client, Interrupts() as interrupts, Bar(color=session.color != "never") as bar:
        run = _Run(session, client, action, scope, pace=pace, interrupts=interrupts, bar=bar)
        try:
            for queue in queues:
                run.queue(queue, ids)
        except Interrupted as error:
            bar.stop()
            say(f"interrupted: {run.changed:,} {action.done}; call it again to go on")
            raise SystemExit(error.code) from None
        bar.stop()
        run.tell(several=len(queues) > 1)
    run.targets.end()


def _targets(action: Action, names: Sequence[str], scope: Scope) -> tuple[Sequence[str], Iterable[str] | None]:
    named = [*names[1:], *scope.ids]
    if scope.every:
        if scope.ids or any(is_ulid(name) for name in names[1:]):
            raise UsageError("--all and ids exclude each other")
        return names, None
    if not named:
        raise UsageError(f"name the jobs to {action.verb} by their ids, or say --all")
    return names[:1], ids_from(named)


class _Run:
    """One run of an action over its queues."""

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
        self._session, self._client, self._action, self._scope, self._bar = session, client, action, scope, bar
        self._bulk = Bulk(client, self._make, self._report, pace=pace, held=interrupts.held)
        self._now = 0
        self._counts: dict[str, int] = {}
        self._queue = ""
        self._total: int | None = None
        self.targets = Targets()

    @property
    def changed(self) -> int:
        return sum(self._counts.values())

    def queue(self, queue: str, ids: Iterable[str] | None) -> None:
        try:
            counts = self._client.demand(queue)
        except NotFound as error:
            self.targets.failed(error)
            return
        self._counts.setdefault(queue, 0)
        self._queue, self._now = queue, counts.now
        if ids is None:
            self._every(queue, counts.states.get(self._action.state, 0), counts.now)
        elif self._scope.dry_run:
            self._counts[queue] += self._dry(queue, ids)
        else:
            confirm_in_production(self._session, f"{self._action.verb} jobs of {queue}", yes=self._scope.yes)
            self._bulk.named(queue, ids)

    def _every(self, queue: str, count: int, now: int) -> None:
        action = self._action
        say(f"{queue}: {_jobs(count, action.state)}")
        if self._scope.dry_run:
            self._counts[queue] += count
        elif count:
            if action.asks or self._session.settings.production:
                what = f"{action.verb} {_jobs(count, action.state)} of {queue}"
                confirm(what + self._session.where, yes=self._scope.yes)
            # Those that die from now on are for the next call: a job that dies at once could keep this one busy for ever.
            self._total = count
            self._bulk.every(queue, action.state, count, lambda job: job.finished_at is None or job.finished_at <= now)

    def _dry(self, queue: str, ids: Iterable[str]) -> int:
        found = 0
        for id in ids:
            [job] = self._client.get(queue, [id])
            if job is not None and job.state == self._action.state:
                found += 1
                self.targets.done += 1
            elif job is None:
                self.targets.failed(NotFound(f"no such job: {id} on {queue}"))
            else:
                self.targets.failed(Conflict(f"would not {self._action.verb} {id}: it is {job.state}"))
        return found

    def _make(self, job: Job, mark: str) -> Change:
        change = self._action.make(job, mark)
        return noted(change, job, what=self._action.done, by=self._session.who, now=self._now)

    def _report(self, results: list[Result]) -> None:
        for result in results:
            if result.error is not None:
                self.targets.failed(result.error)
                continue
            self._counts[self._queue] += 1
            self.targets.done += 1
            if self._scope.verbose:
                print(result.id)
        self._bar.step(f"{self._action.verb} {self._queue}", self.changed, self._counts[self._queue], self._total)

    def tell(self, *, several: bool) -> None:
        done = f"would be {self._action.done}" if self._scope.dry_run else self._action.done
        say(f"{self.changed:,} {done} (store: {self._client.backend.url})")
        if self._scope.as_json:
            rows = [{"queue": queue, self._action.done: count} for queue, count in self._counts.items()]
            print(msgspec.json.encode(rows if several else rows[0] if rows else {}).decode())
        elif not self._scope.verbose:
            for queue, count in self._counts.items():
                print(f"{queue}\t{count}" if several else count)
        sys.stdout.flush()


def _jobs(count: int, state: str) -> str:
    return f"{count:,} {state} job{'' if count == 1 else 's'}"


def _rate(text: str | None) -> float | None:
    if text is None:
        return None
    match = _RATE.fullmatch(text.strip())
    rate = float(match[1]) / _SECONDS[match[2]] if match else 0.0
    if rate <= 0:
        raise InvalidField("rate", f"expected N/s, N/m or N/h, got {text[:40]!r}")
    return rate
