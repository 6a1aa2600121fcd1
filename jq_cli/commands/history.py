"""`jq history`: what happened to jobs, from the table that the history hook writes."""

import time
from typing import Any

import click

from jq_cli.cli import options, suggestions
from jq_cli.cli.listing_options import LIMIT, listing_options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.config.settings import Settings
from jq_cli.draft import check_name
from jq_cli.errors import UsageError
from jq_cli.hooks.event import EVENTS
from jq_cli.ids import is_ulid
from jq_cli.view.output import Answer, Form, Listing, show

FIELDS = ("at", "event", "queue", "job", "attempt", "worker", "reason", "error", "payload", "id")
LISTING = Listing(
    fields=FIELDS,
    columns=FIELDS[:8],
    id="job",
    whole=frozenset({"event", "queue", "job", "id"}),
    few=("at", "event", "job", "attempt", "error"),
)

HELP = """Show what happened to jobs, the newest event first: of a queue, of one job, or of all.

The history hook writes these events to Postgres: set POSTGRES_DSN, or hooks.history.url in the configuration, wherever jobs
are put in, worked on and changed. Patterns may hold *, ? and [...]. -q prints the ids of the jobs."""


@options.command("history", HELP)
@click.argument("target", required=False, metavar="[QUEUE|JOB]", shell_complete=suggestions.queues)
@click.option("--event", "events", multiple=True, type=click.Choice(EVENTS), help="Only these events.")
@click.option("--since", metavar="WHEN", help="From this moment on: so long ago (1h), or a date.")
@click.option("--until", metavar="WHEN", help="Before this moment.")
@click.option("--worker", metavar="PATTERN", help="Only what workers with such an id did.")
@click.option("--error", metavar="PATTERN", help="Only events with such an error.")
@click.option("--reason", metavar="REASON", help="Only jobs dead or cancelled for this reason, such as poison.")
@click.option(
    "--sql", is_flag=True, help="Print the statements that create the table, for those who apply them by hand."
)
@listing_options(limit=LIMIT)
@pass_session
def command(session: Session, /, target: str | None, sql: bool, form: Form, **given: Any) -> None:
    """Print one record for each event."""
    if sql:
        _print_sql(session.settings)
        return
    database = _database(session.settings)
    try:
        from jq_cli.hooks.history.reader import Filters, History
    except ModuleNotFoundError as error:
        raise UsageError(f"jq history needs the module {error.name!r}: pip install 'jq-cli[postgres]'") from error
    filters = Filters(namespace=session.settings.namespace, **_target(target), **_bounds(given))
    with History(**database) as history:
        show(LISTING, lambda: Answer(history.events(filters, limit=form.limit), _now()), form)


def _print_sql(settings: Settings) -> None:
    from jq_cli.hooks.history.table import ddl

    print(ddl(_database(settings)["schema"]))


def _target(target: str | None) -> dict[str, Any]:
    if target is None:
        return {}
    return {"job": target} if is_ulid(target) else {"queue": check_name(target)}


def _bounds(given: dict[str, Any]) -> dict[str, Any]:
    from jq_cli.triage.filter import parse_age

    moments = {n: parse_age(given[n], f"--{n}").moment(_now()) for n in ("since", "until") if given[n] is not None}
    return {**given, "since": None, "until": None, **moments}


def _database(settings: Settings) -> dict[str, Any]:
    from jq_cli.config.hook_specs import history_place

    place = history_place(settings)
    if place is None:
        raise UsageError("no history is kept: set POSTGRES_DSN, or hooks.history.url in the configuration")
    return place


def _now() -> int:
    return time.time_ns() // 1_000_000
