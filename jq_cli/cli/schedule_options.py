"""The options that describe a schedule, shared by `jq cron add` and `jq cron edit`."""

import os
from collections.abc import Mapping
from typing import Any

import click
import msgspec

from jq_cli.cli import suggestions
from jq_cli.cli.options import Function
from jq_cli.cron.schedule import CATCH_UP, OVERLAP
from jq_cli.draft import parse_payload, seconds
from jq_cli.intake.drafting import parse_backoff, parse_header

_SECONDS = ("timeout", "ttl", "retention")


def schedule_options(function: Function) -> Function:
    """Adds the options for everything but name, expression, queue and payload."""
    options = [
        click.option("--tz", "timezone", metavar="ZONE", shell_complete=suggestions.timezones, help="IANA time zone."),
        click.option("--catch-up", type=click.Choice(CATCH_UP), help="Which ticks that were missed still fire."),
        click.option("--overlap", type=click.Choice(OVERLAP), help="What to do while the last job has not ended."),
        click.option("--text", "as_text", is_flag=True, help="The payload is a string, whatever it looks like."),
        click.option("--priority", type=int, metavar="N", help="-1000 to 1000, higher first."),
        click.option("--retries", "max_retries", type=int, metavar="N", help="How often to retry after a failure."),
        click.option(
            "--backoff", metavar="BASE[,FACTOR[,CAP[,JITTER]]]", help="Wait before retries: 1s or 1s,2,1h,0.1."
        ),
        click.option("--timeout", metavar="DURATION", help="How long one execution may take."),
        click.option("--ttl", metavar="DURATION", help="Dead as expired when not started within this."),
        click.option("--retention", metavar="DURATION", help="How long to keep a finished job."),
        click.option("--delivery", metavar="at_least_once|at_most_once", help="at_most_once is never started twice."),
        click.option(
            "--header", "headers", multiple=True, metavar="KEY=VALUE", help="Text that travels with the jobs."
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def schedule_fields(given: Mapping[str, Any], limit: int) -> dict[str, Any]:
    """The fields of a schedule that the options set. Raises InvalidField for what cannot be read."""
    fields = {
        name: value for name, value in given.items() if name not in ("as_text", "payload") and value not in (None, ())
    }
    if given["payload"] is not None:
        payload = parse_payload(os.fsencode(given["payload"]), as_text=given["as_text"], limit=limit)
        fields["payload"] = msgspec.Raw(payload)
    for name in _SECONDS:
        if name in fields:
            fields[name] = seconds(fields[name], name)
    if "backoff" in fields:
        fields["backoff"] = parse_backoff(fields["backoff"])
    if "headers" in fields:
        fields["headers"] = dict(map(parse_header, fields["headers"]))
    return fields
