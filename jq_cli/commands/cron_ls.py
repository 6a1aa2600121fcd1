"""`jq cron ls`: the schedules and how they fare."""

from jq_cli.cli import options
from jq_cli.cli.listing_options import listing_options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.cron.schedules import Schedules
from jq_cli.view.output import Answer, Form, Listing, show
from jq_cli.view.schedule_records import SCHEDULE_FIELDS, schedule_record

LISTING = Listing(
    fields=SCHEDULE_FIELDS,
    columns=SCHEDULE_FIELDS[:9],
    id="name",
    whole=frozenset({"name", "state", "last_outcome"}),
    few=("name", "cron", "last_fire", "next_fire", "lag", "last_outcome"),
)

HELP = """List the schedules of the store and of the configuration file.

`lag` is how late the earliest tick is that no scheduler has looked at: it grows when none runs. `last_outcome` is the state of
the last tick's job. `source` is store, file, or elsewhere for what only the file of another host defines."""


@options.command("ls", HELP)
@listing_options()
@pass_session
def command(session: Session, form: Form) -> None:
    """Print one record for each schedule."""
    with session.client() as client:
        schedules = Schedules(client.backend, session.settings)

        def fetch() -> Answer:
            now = client.backend.now()
            known = schedules.all()
            jobs = schedules.last_jobs(known)
            return Answer([schedule_record(each, jobs, now) for each in known], now)

        show(LISTING, fetch, form)
