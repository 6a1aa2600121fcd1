"""`jq workers`: the worker pools that registered with the store."""

import msgspec

from jq_cli.cli import options
from jq_cli.cli.listing_options import listing_options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.consumer import Registration
from jq_cli.roster import registered
from jq_cli.view.output import Answer, Form, Listing, show
from jq_cli.view.records import Record

FIELDS = ("id", "state", "queues", "processes", "running", "done", "started_at", "seen_at", "host", "pid", "hooks")
LISTING = Listing(fields=FIELDS, columns=FIELDS[:8], id="id", few=("id", "state", "running", "done", "seen_at"))


@options.command("workers", "List the worker pools. One whose heartbeat ran out is shown as dead.")
@listing_options()
@pass_session
def command(session: Session, form: Form) -> None:
    """Print one record for each worker."""
    with session.open() as backend:

        def fetch() -> Answer:
            now = backend.now()
            return Answer([_record(each, now, form) for each in registered(backend)], now)

        show(LISTING, fetch, form)


def _record(worker: Registration, now: int, form: Form) -> Record:
    record = msgspec.structs.asdict(worker)
    record["queues"] = ", ".join(worker.queues) or "all" if form.kind == "table" else list(worker.queues)
    return record | ({"state": "dead"} if worker.dead(now) else {})
