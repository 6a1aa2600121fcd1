"""`jq check`: whether queues are within limits, for monitoring."""

from collections.abc import Sequence
from typing import Any

import click

from jq_cli.backends.base import QueueCounts
from jq_cli.cli import options, suggestions
from jq_cli.cli.listing_options import listing_options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.durations import parse_duration
from jq_cli.errors import BackendError, JqError, NotFound, UsageError
from jq_cli.thresholds import Finding, Measure, findings, worst
from jq_cli.view.monitoring import NAGIOS, NAGIOS_UNKNOWN, nagios_line, prometheus_lines
from jq_cli.view.output import Answer, Form, Listing, show
from jq_cli.view.records import Record
from jq_cli.view.safe_text import safe_text

HELP = """Check that queues, named or all, are within limits; exit 0, or 9 when one is not.

Ready jobs are those that wait for a worker, their age is that of the oldest. With --nagios: one line and the exit codes of that
convention: 0 fine, 1 warning, 2 critical or the store unreachable, 3 no such queue. With --prometheus: gauges as text."""

PROBLEM = 9
FIELDS = ("queue", "measure", "value", "warn", "max", "status")
LISTING = Listing(fields=FIELDS, columns=("queue", "measure", "value", "max", "status"), id="queue")


@options.command("check", HELP)
@click.argument("queues", nargs=-1, metavar="[QUEUE]...", shell_complete=suggestions.queues)
@click.option("--max-ready", type=click.IntRange(0), metavar="N", help="At most so many ready jobs.")
@click.option("--max-age", metavar="DURATION", help="The oldest ready job at most so old.")
@click.option("--max-dead", type=click.IntRange(0), metavar="N", help="At most so many dead jobs.")
@click.option("--warn-at", type=click.IntRange(0, 100), metavar="PERCENT", help="Warn above so much of a maximum.")
@click.option("--nagios", is_flag=True, help="One line and exit codes for Nagios and its kin.")
@click.option("--prometheus", is_flag=True, help="Gauges in the Prometheus text format.")
@listing_options()
@pass_session
def command(session: Session, /, queues: tuple[str, ...], form: Form, **given: Any) -> None:
    """Print what was found; the exit code says whether it is well."""
    limits = _limits(given)
    if given["nagios"] + given["prometheus"] + (form.kind != "table") > 1:
        raise UsageError("--nagios, --prometheus and the forms of listings exclude each other")
    part = 1.0 if given["warn_at"] is None else given["warn_at"] / 100
    if given["nagios"]:
        raise SystemExit(_nagios(session, queues, limits, part))
    found: list[Finding] = []

    def fetch() -> Answer:
        found[:] = _look(session, queues, limits, part)
        return Answer(map(_record, found), 0)

    if given["prometheus"]:
        fetch()
        print("\n".join(prometheus_lines(found)))
    else:
        show(LISTING, fetch, form)
    if worst(found) == "critical":
        raise SystemExit(PROBLEM)


def _record(finding: Finding) -> Record:
    record = {name: int(value) if value == int(value) else value for name, value in _numbers(finding).items()}
    return {"queue": finding.queue, "measure": finding.measure, **record, "status": finding.status}


def _numbers(finding: Finding) -> dict[str, float]:
    return {"value": finding.value, "warn": finding.warn, "max": finding.max}


def _limits(given: dict[str, Any]) -> dict[Measure, float]:
    age = None if given["max_age"] is None else parse_duration(given["max_age"], "--max-age") / 1_000
    named: dict[Measure, float | None] = {"ready": given["max_ready"], "age": age, "dead": given["max_dead"]}
    limits = {measure: float(limit) for measure, limit in named.items() if limit is not None}
    if not limits:
        raise UsageError("name a limit: --max-ready, --max-age or --max-dead")
    return limits


def _look(session: Session, queues: Sequence[str], limits: dict[Measure, float], warn_at: float) -> list[Finding]:
    with session.client() as client:
        counts: list[QueueCounts] = []
        for each in client.look(queues) if queues else client.counts():
            if isinstance(each, NotFound):
                raise each
            counts.append(each)
        return list(findings(counts, limits, warn_at))


def _nagios(session: Session, queues: Sequence[str], limits: dict[Measure, float], warn_at: float) -> int:
    try:
        found = _look(session, queues, limits, warn_at)
    except JqError as error:
        unreachable = isinstance(error, BackendError)
        print(f"JQ {'CRITICAL' if unreachable else 'UNKNOWN'} - {safe_text(str(error)).replace('|', '/')}")
        return NAGIOS["critical"] if unreachable else NAGIOS_UNKNOWN
    print(nagios_line(found))
    return NAGIOS[worst(found)]
