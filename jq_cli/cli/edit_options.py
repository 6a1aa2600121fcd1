"""Options of the commands that edit jobs, and the edits that they come to."""

import os
import re
import sys
from collections.abc import Callable
from typing import Any

import click

from jq_cli.cli.options import Function
from jq_cli.draft import parse_payload
from jq_cli.durations import parse_duration
from jq_cli.errors import InvalidField, UsageError
from jq_cli.triage.edits import Edits
from jq_cli.triage.payload_path import Path, parse_path, typed

_ASSIGNMENT = re.compile(r"((?:[^=\\]|\\.)+)=(.*)", re.DOTALL)

NAMES = (
    "new_payload", "as_text", "sets", "unset", "new_priority", "max_retries", "timeout", "new_headers", "unset_headers",
    "requeue",
)  # fmt: skip
"""The parameters that `edit_options` adds."""


def edit_options(*, filtered: bool) -> Callable[[Function], Function]:
    """Adds what says how to change a job: `--payload`, `--set`, `--unset`, options of the job, `--requeue`. Where a filter says
    which jobs, its options have the short names, and the new values only those that begin with `--new-`."""

    def named(name: str) -> list[str]:
        return [f"--new-{name}"] if filtered else [f"--{name}", f"--new-{name}"]

    options: list[Callable[[Function], Function]] = [
        click.option(
            *named("payload"), "new_payload", metavar="TEXT|-", help="The new payload; - reads it from stdin."
        ),
        click.option(
            "--text", "as_text", is_flag=True, help="Store the new payload as a string, whatever it looks like."
        ),
        click.option(
            "--set", "sets", multiple=True, metavar="PATH=VALUE", help="Write a value into the payload: items.0.sku=A7."
        ),
        click.option("--unset", "unset", multiple=True, metavar="PATH", help="Take a value out of the payload."),
        click.option(*named("priority"), "new_priority", type=int, metavar="N", help="-1000 to 1000, higher first."),
        click.option("--max-retries", type=int, metavar="N", help="How often to retry after a failure."),
        click.option("--timeout", metavar="DURATION|none", help="How long one execution may take."),
        click.option(
            *named("header"), "new_headers", multiple=True, metavar="KEY=VALUE", help="Add a header or change it."
        ),
        click.option("--unset-header", "unset_headers", multiple=True, metavar="KEY", help="Take a header away."),
        click.option("--requeue", is_flag=True, help="Make a dead job ready in the same step."),
    ]

    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def edits_from(given: dict[str, Any], limit: int) -> Edits:
    """The edits that the options say; takes them out of `given`. Raises InvalidField for a value no job may have."""
    options = {name: given.pop(name) for name in NAMES}
    if options["as_text"] and options["new_payload"] is None:
        raise UsageError("--text needs a new payload")
    edits = Edits(
        payload=None if options["new_payload"] is None else _payload(options["new_payload"], options["as_text"], limit),
        sets=tuple(_assignment(text) for text in options["sets"]),
        unset=tuple(parse_path(text, "unset") for text in options["unset"]),
        fields=_fields(options),
        headers={**dict(map(_header, options["new_headers"])), **dict.fromkeys(options["unset_headers"])},
        limit=limit,
        requeue=options["requeue"],
    )
    edits.check()
    return edits


def _payload(text: str, as_text: bool, limit: int) -> bytes:
    if text == "-" and sys.stdin is None:
        raise UsageError("stdin is closed, so no payload can be read from it")
    data = sys.stdin.buffer.read(limit + 1).removesuffix(b"\n") if text == "-" else os.fsencode(text)
    return parse_payload(data, as_text=as_text, limit=limit)


def _assignment(text: str) -> tuple[Path, bytes]:
    match = _ASSIGNMENT.fullmatch(text)
    if match is None:
        raise InvalidField("set", f"expected PATH=VALUE, got {text[:60]!r}")
    return parse_path(match[1], "set"), typed(match[2])


def _header(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise InvalidField("header", f"expected KEY=VALUE, got {text[:60]!r}")
    return name, value


def _fields(options: dict[str, Any]) -> dict[str, Any]:
    named = {"priority": options["new_priority"], "max_retries": options["max_retries"]}
    fields = {name: value for name, value in named.items() if value is not None}
    if options["timeout"] is not None:
        none = options["timeout"] == "none"
        fields["timeout"] = None if none else parse_duration(options["timeout"], "timeout") / 1_000
    return fields
