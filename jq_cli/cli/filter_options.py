"""The options that say which jobs, handed to a command as one `JobFilter`."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from jq_cli.cli import suggestions
from jq_cli.cli.options import Function
from jq_cli.cli.targets import ids_from
from jq_cli.errors import InvalidField, UsageError
from jq_cli.job import STATES, State
from jq_cli.triage.filter import JobFilter

ORDER: tuple[State, ...] = ("running", "ready", "scheduled", "dead", "cancelled", "succeeded")
"""States of one listing: first what moves."""

_STATE = click.option(
    "--state",
    "states",
    default="all",
    metavar="STATE[,STATE]",
    callback=lambda _context, _parameter, value: parse_states(value),
    shell_complete=suggestions.states,
    help="In these states; all unless given.",
)
_ID = click.option("--id", "ids", multiple=True, metavar="ID", help="With this id; - reads ids from stdin.")
_CLAUSES = [
    click.option("--error", "errors", multiple=True, metavar="GLOB", help="Whose last error matches, such as 'SMTP*'."),
    click.option("--payload", multiple=True, metavar="PATH=VALUE", help="Such as user.id=42; also !=, ~GLOB, !~GLOB."),
    click.option("--header", "headers", multiple=True, metavar="NAME=VALUE", help="Such as tenant=acme; also !=, ~, !~."),
    click.option("--older-than", metavar="AGE", help="Ended (running: started, else: made) longer ago, or before a moment."),
    click.option("--newer-than", metavar="AGE", help="The same, but since then."),
    click.option("--priority", metavar="N|A..B", help="Of this priority, or from A to B."),
    click.option("--attempts", metavar="N|A..B", help="That failed or were lost so often."),
]  # fmt: skip


def filter_options(*, state: bool = False, ids: bool = True) -> Callable[[Function], Function]:
    """Adds `--error`, `--payload`, `--header`, `--older-than`, `--newer-than`, `--priority`, `--attempts`, and where asked for
    `--state` and `--id`; the command gets them as `jobs`, a `JobFilter` that is false when none was given."""

    def decorate(function: Function) -> Function:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                jobs = _filter(kwargs, state=state, ids=ids)
            except InvalidField as error:
                raise _hinted(error) from None
            return function(*args, jobs=jobs, **kwargs)

        for option in reversed([*([_STATE] if state else []), *([_ID] if ids else []), *_CLAUSES]):
            option(call)
        return call  # type: ignore[return-value]

    return decorate


def group_option(function: Function) -> Function:
    """Adds `--group-by`."""
    return click.option(
        "--group-by",
        "by",
        metavar="WHAT",
        shell_complete=_groupings,
        help="Count instead of listing: by error, payload.PATH, header.NAME, or a field such as reason or priority.",
    )(function)


def _groupings(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from jq_cli.triage.grouping import FIELDS

    return [word for word in ("error", "payload.", "header.", *FIELDS) if word.startswith(incomplete)]


def parse_states(value: str) -> tuple[State, ...]:
    """The states named, in the order of a listing; none for `all`."""
    names = [name.strip() for name in value.split(",")]
    if names == ["all"]:
        return ()
    for name in names:
        if name not in STATES:
            raise UsageError(f"--state: no state {name[:40]!r}; known: {', '.join(STATES)}, all")
    return tuple(state for state in ORDER if state in names)


def _hinted(error: InvalidField) -> InvalidField:
    """Where --payload says which jobs, some mean by it what others take: the new value."""
    params = click.get_current_context().command.params
    if error.field != "payload" or not any("--new-payload" in param.opts for param in params):
        return error
    return InvalidField(
        "payload", f"{error.problem}; --payload says which jobs are meant, --new-payload which payload they get"
    )


def _filter(options: dict[str, Any], *, state: bool, ids: bool) -> JobFilter:
    return JobFilter(
        states=options.pop("states") if state else (),
        ids=ids_from(options.pop("ids")) if ids else (),
        **{name: options.pop(name) for name in _NAMES},
    )


_NAMES = ("errors", "payload", "headers", "older_than", "newer_than", "priority", "attempts")
