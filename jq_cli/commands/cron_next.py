"""`jq cron next`: when a schedule or an expression fires next."""

import time
from itertools import islice

import click

from jq_cli.cli import options, suggestions
from jq_cli.cli.listing_options import listing_options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session, say
from jq_cli.cron.schedules import Schedules
from jq_cli.cron.timetable import Timetable
from jq_cli.durations import parse_moment
from jq_cli.errors import Conflict
from jq_cli.view.output import Answer, Form, Listing, show

FIELDS = ("local", "tick")
LISTING = Listing(fields=FIELDS, columns=FIELDS, id="local", whole=frozenset(FIELDS))

HELP = """Show the next moments at which a schedule fires, by the clock of its time zone and in UTC.

Given an expression in quotes instead of a name, no store is needed."""


@options.command("next", HELP)
@click.argument("what", metavar="NAME|CRON", shell_complete=suggestions.schedules)
@click.option("--count", type=click.IntRange(1, 10_000), default=5, help="How many (default 5).")
@click.option("--tz", "timezone", metavar="ZONE", shell_complete=suggestions.timezones, help="Another time zone.")
@click.option("--after", metavar="MOMENT", help="After this moment instead of now: RFC 3339, +5m or a Unix time.")
@listing_options()
@pass_session
def command(session: Session, /, what: str, *, count: int, timezone: str | None, after: str | None, form: Form) -> None:
    """Print one record for each tick."""
    if " " in what.strip() or what.startswith("@"):
        timetable = Timetable(what, timezone or "UTC")
    else:
        timetable = _of_schedule(session, what, timezone)

    def fetch() -> Answer:
        now = time.time_ns() // 1_000_000
        start = now if after is None else parse_moment(after, now, "after")
        ticks = islice(timetable.ticks(start // 1_000), count)
        return Answer(({"local": timetable.zone.show(tick), "tick": tick * 1_000} for tick in ticks), now)

    show(LISTING, fetch, form)


def _of_schedule(session: Session, name: str, timezone: str | None) -> Timetable:
    with session.client() as client:
        known = Schedules(client.backend, session.settings).find(name)
    if known.schedule is None:
        raise Conflict(f"schedule {name} has a damaged note; jq cron rm {name} removes it")
    if known.paused:
        say(f"schedule {name} is paused: it fires at none of these until it is resumed")
    return Timetable(known.schedule.cron, timezone or known.schedule.timezone)
