"""`jq cron add`: create a schedule in the store."""

from typing import Any

import click

from jq_cli.cli import options, suggestions
from jq_cli.cli.options import pass_session
from jq_cli.cli.schedule_options import schedule_fields, schedule_options
from jq_cli.cli.session import Session, say
from jq_cli.cron.schedule import Schedule
from jq_cli.cron.schedules import Schedules

HELP = """Create a schedule that puts a job on QUEUE whenever CRON says so.

CRON is one argument, in quotes: minute hour day month weekday, or six fields with the second first, or @hourly, @daily, @weekly,
@monthly, @yearly. PAYLOAD is JSON; text that is not JSON is stored as a string; without it the payload is null. Any worker or
`jq cron run` on the store fires it. Its first tick is the first one after now.
"""


@options.command("add", HELP)
@click.argument("name")
@click.argument("cron")
@click.argument("queue", shell_complete=suggestions.queues)
@click.argument("payload", required=False)
@schedule_options
@pass_session
def command(session: Session, /, **given: Any) -> None:
    """Create it and say when it fires first."""
    fields = schedule_fields(given, session.settings.max_payload)
    with session.client() as client:
        schedules = Schedules(client.backend, session.settings)
        schedules.add(Schedule(**fields))
        say(f"schedule {given['name']} {schedules.told(given['name'])} (store: {client.backend.url})")
