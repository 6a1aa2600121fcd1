"""Options of the commands that change many jobs at once, and what follows from them."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from jq_cli.cli import suggestions
from jq_cli.cli.bulk_run import Action, Run, Scope
from jq_cli.cli.filter_options import filter_options
from jq_cli.cli.interrupts import Interrupted, Interrupts
from jq_cli.cli.options import Function
from jq_cli.cli.session import Session, say
from jq_cli.cli.targets import ids_from
from jq_cli.errors import InvalidField, UsageError
from jq_cli.ids import is_ulid
from jq_cli.job import State
from jq_cli.triage.bulk import Pace
from jq_cli.view.bar import Bar

_RATE = re.compile(r"(\d+(?:\.\d+)?)/([smh])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600}
_METAVAR = "QUEUE... | [QUEUE] ID..."


def bulk_options(*states: State, state: bool = False) -> Callable[[Function], Function]:
    """Adds queues, ids of jobs in these states, `--id`, the filter, `--all`, `--yes`, `--dry-run`, `--rate`, `-v`, `--json`;
    with `state` also `--state`."""
    ids = suggestions.ids_in(*states)
    options = [
        click.argument("names", nargs=-1, metavar=_METAVAR, shell_complete=ids),
        click.option(
            "--id", "ids", multiple=True, metavar="ID", shell_complete=ids, help="A job; - reads ids from stdin."
        ),
        click.option("--all", "every", is_flag=True, help="All such jobs of the named queues."),
        filter_options(state=state, ids=False),
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
    """Carry out an action on the named jobs, or on all of the named queues that are meant."""
    scope = Scope(**options)
    pace = Pace(_rate(scope.rate))
    queues, ids = _targets(action, names, scope)
    with session.client() as client, Interrupts() as interrupts, Bar(color=session.color != "never") as bar:
        run = Run(session, client, action, scope, pace=pace, interrupts=interrupts, bar=bar)
        try:
            if ids is None:
                run.queues(queues)
            else:
                run.named(queues[0] if queues else None, ids)
            run.wait()
        except Interrupted as error:
            bar.stop()
            say(f"interrupted: {run.told()}; call it again to go on")
            raise SystemExit(error.code) from None
        bar.stop()
        run.tell(several=ids is None and len(queues) > 1)
    run.targets.end()


def _targets(action: Action, names: Sequence[str], scope: Scope) -> tuple[Sequence[str], Iterable[str] | None]:
    """The queues to go through, or (with ids) the one on which the ids are, if it is named."""
    by_id = bool(scope.ids) or any(_is_id(name) for name in names)
    if scope.every and by_id:
        raise UsageError("--all and ids exclude each other")
    if (scope.every or scope.jobs) and not by_id:
        if not names:
            raise UsageError(f"name the queues whose jobs to {action.verb}")
        return names, None
    queues = [] if not names or _is_id(names[0]) else names[:1]
    named = [*names[len(queues) :], *scope.ids]
    if not named:
        raise UsageError(f"name the jobs to {action.verb} by their ids, or say which with a filter or --all")
    return queues, ids_from(named)


def _is_id(name: str) -> bool:
    return name == "-" or is_ulid(name)


def _rate(text: str | None) -> float | None:
    if text is None:
        return None
    match = _RATE.fullmatch(text.strip())
    rate = float(match[1]) / _SECONDS[match[2]] if match else 0.0
    if rate <= 0:
        raise InvalidField("rate", f"expected N/s, N/m or N/h, got {text[:40]!r}")
    return rate
