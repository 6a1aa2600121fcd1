"""The options that every listing takes, handed to its command as one `Form`."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from jq_cli.cli.options import Function
from jq_cli.cli.session import Session
from jq_cli.durations import parse_duration
from jq_cli.errors import UsageError
from jq_cli.view.output import Form

LIMIT = 50
"""Records of a table unless told otherwise; the other forms print all."""

_KINDS = {"as_json": "json", "as_jsonl": "jsonl", "as_plain": "plain", "only_ids": "ids"}


def listing_options(*, limit: int = 0) -> Callable[[Function], Function]:
    """Adds `--json`, `--jsonl`, `--plain`, `-q`, `--columns`, `--no-headers`, `--time`, `--limit` and `--watch`; the command gets
    `form`. `limit` is how many records its table shows unless told otherwise, 0 for all."""

    def decorate(function: Function) -> Function:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return function(*args, form=_form(kwargs, limit), **kwargs)

        for option in reversed(_options(limit)):
            option(call)
        return call  # type: ignore[return-value]

    return decorate


def _options(limit: int) -> list[Callable[..., Any]]:
    shown = f"a table shows {limit}, other forms all" if limit else "all unless given"
    return [
        click.option("--json", "as_json", is_flag=True, help="One JSON array."),
        click.option("--jsonl", "as_jsonl", is_flag=True, help="One JSON object a line."),
        click.option("--plain", "as_plain", is_flag=True, help="Tab-separated."),
        click.option("-q", "--quiet", "only_ids", is_flag=True, help="Only ids, one a line."),
        click.option("--columns", metavar="A,B", help="Only these fields, in this order."),
        click.option("--no-headers", is_flag=True, help="No line of headers."),
        click.option(
            "--time", "time_style", type=click.Choice(["relative", "iso", "unix"]), help="How to show moments."
        ),
        click.option("--limit", type=click.IntRange(0), metavar="N", help=f"At most N records, 0 for all; {shown}."),
        click.option(
            "--watch",
            is_flag=False,
            flag_value="2s",
            metavar="[=2s]",
            help="Repeat until interrupted, every 2s or as given.",
        ),
    ]


def _form(options: dict[str, Any], limit: int) -> Form:
    kinds = [kind for name, kind in _KINDS.items() if options.pop(name)]
    if len(kinds) > 1:
        raise UsageError("--json, --jsonl, --plain and -q exclude each other")
    kind: Any = kinds[0] if kinds else "table"
    columns = options.pop("columns")
    given = options.pop("limit")
    return Form(
        kind=kind,
        columns=tuple(name.strip() for name in columns.split(",")) if columns else (),
        headers=not options.pop("no_headers"),
        time=options.pop("time_style"),
        limit=given if given is not None else limit if kind == "table" else 0,
        watch=_interval(options.pop("watch")),
        color=_color(),
    )


def _interval(text: str | None) -> float | None:
    if text is None:
        return None
    interval = parse_duration(text.removeprefix("="), "--watch") / 1_000
    if interval < 0.1:
        raise UsageError(f"--watch: expected at least 100ms, got {text}")
    return interval


def _color() -> str:
    session = click.get_current_context().find_object(Session)
    return session.color if session is not None else "auto"
