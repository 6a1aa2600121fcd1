"""The options that describe one job: what `jq enqueue` and `jq run` have in common."""

from typing import Any

import click
import msgspec

from jq_cli.cli.options import Function
from jq_cli.draft import Line
from jq_cli.durations import parse_moment
from jq_cli.errors import InvalidField, UsageError
from jq_cli.intake.drafting import parse_backoff, parse_header


def job_options(function: Function) -> Function:
    """Adds every option of one job, `--text`, `--fail-on-duplicate` and `--json`."""
    options = [
        click.option("--delay", metavar="DURATION", help="Not before this has passed: 30s, 1h30m."),
        click.option("--at", metavar="MOMENT", help="Not before this moment: RFC 3339, +5m or a Unix time."),
        click.option("--priority", type=int, metavar="N", help="-1000 to 1000, higher first."),
        click.option("--retries", "max_retries", type=int, metavar="N", help="How often to retry after a failure."),
        click.option("--backoff", metavar="BASE[,FACTOR[,CAP[,JITTER]]]", help="Wait before retries: 1s or 1s,2,1h,0.1."),
        click.option("--timeout", metavar="DURATION", help="How long one execution may take."),
        click.option("--ttl", metavar="DURATION", help="Dead as expired when not started within this."),
        click.option("--dedup-key", metavar="KEY", help="Make no second job with this key."),
        click.option("--dedup-ttl", metavar="DURATION", help="How long the key holds; 10m unless given."),
        click.option("--dedup-until", metavar="ttl|done", help="done: the key holds until the job ends."),
        click.option("--idempotency-key", metavar="KEY", help="Enqueue again with this key to get the first job's outcome."),
        click.option("--idempotency-ttl", metavar="DURATION", help="How long the outcome is kept; 1d unless given."),
        click.option("--delivery", metavar="at_least_once|at_most_once", help="at_most_once is never started twice."),
        click.option("--header", "headers", multiple=True, metavar="KEY=VALUE", help="Text that travels with the job."),
        click.option("--id", metavar="ULID", help="The job's id, instead of a fresh one."),
        click.option("--retention", metavar="DURATION", help="How long to keep the finished job."),
        click.option("--text", "as_text", is_flag=True, help="Store the payload as a string, whatever it looks like."),
        click.option("--fail-on-duplicate", is_flag=True, help="Exit with 4 when a job is a duplicate."),
        click.option("--json", "as_json", is_flag=True, help="Print what became of it as JSON."),
    ]  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def shared_line(given: dict[str, Any]) -> Line:
    """What the options say, as a line of NDJSON would say it; a moment given with --at is not in it (see `absolute`)."""
    if given["delay"] is not None and given["at"] is not None:
        raise UsageError("--delay and --at exclude each other")
    names = set(Line.__struct_fields__) & set(given) - {"id", "backoff", "headers"}
    line = Line(payload=msgspec.Raw(b"null"), **{name: given[name] for name in names})
    if given["at"] is not None and given["at"].startswith("+"):
        line.delay = given["at"][1:]
    line.backoff = parse_backoff(given["backoff"]) if given["backoff"] is not None else None
    line.headers = dict(map(parse_header, given["headers"])) or None
    return line


def absolute(given: dict[str, Any]) -> int | None:
    """The moment of --at in ms, unless it is relative."""
    at: str | None = given["at"]
    if at is not None and at.startswith("-"):
        raise InvalidField("at", f"{at[:40]!r} is in the past")
    return None if at is None or at.startswith("+") else parse_moment(at, 0, "at")
