"""The options of the commands that show things in full, handed to them as one `Form`, and how their records become JSON."""

import sys
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import click

from jq_cli.cli.options import Function
from jq_cli.errors import UsageError
from jq_cli.view.output import Form, json_text, pretty_json
from jq_cli.view.records import Record


def show_options(what: str) -> Callable[[Function], Function]:
    """Adds `--json`, `--jsonl` and `--time`; the command gets `form`. `what`: a word for one thing that is shown."""

    def decorate(function: Function) -> Function:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return function(*args, form=_form(kwargs), **kwargs)

        for option in reversed(_options(what)):
            option(call)
        return call  # type: ignore[return-value]

    return decorate


def _options(what: str) -> list[Callable[..., Any]]:
    return [
        click.option("--json", "as_json", is_flag=True, help=f"An object for one {what}, an array for several."),
        click.option("--jsonl", "as_jsonl", is_flag=True, help="One JSON object a line."),
        click.option(
            "--time", "time_style", type=click.Choice(["relative", "iso", "unix"]), help="How to show moments."
        ),
    ]


def _form(options: dict[str, Any]) -> Form:
    as_json, as_jsonl = options.pop("as_json"), options.pop("as_jsonl")
    if as_json and as_jsonl:
        raise UsageError("--json and --jsonl exclude each other")
    return Form(kind="json" if as_json else "jsonl" if as_jsonl else "table", time=options.pop("time_style"))


def print_json(records: Iterable[Record], form: Form, *, alone: bool) -> None:
    """Print records as the form says: one a line, else an object when one thing alone was asked for, else an array."""
    if form.kind == "jsonl" or alone:
        for record in records:
            print(pretty_json(record) if alone and form.kind == "json" else json_text(record))
        return
    before = "[\n "
    for record in records:
        sys.stdout.write(before + json_text(record))
        before = ",\n "
    print("[]" if before == "[\n " else "\n]")
