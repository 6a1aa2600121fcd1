"""`jq ls-queues`: every queue, configured or ever used, with its counts."""

from collections.abc import Sequence

from jq_cli.backends.base import QueueCounts
from jq_cli.cli import options
from jq_cli.cli.listing_options import listing_options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session, say
from jq_cli.limits import pending_limits
from jq_cli.pausing import pause_words
from jq_cli.view.output import Answer, Form, Listing, show
from jq_cli.view.records import MORE_QUEUE_FIELDS, QUEUE_FIELDS, Record, queue_record

COLUMNS = ("queue", "ready", "running", "max_running", "scheduled", "dead", "paused", "oldest_ready_age")
HEADS = {"max_running": "limit", "oldest_ready_age": "oldest"}
LISTING = Listing(fields=QUEUE_FIELDS, columns=COLUMNS, id="queue", more=MORE_QUEUE_FIELDS, heads=HEADS)


HELP = """List the queues with their counts. `limit` is how many jobs of the queue may run at once, in parentheses what the
configuration says and the next pool that starts will bring; `oldest` the age of the oldest ready job. Who paused a queue, and
why, is said on stderr."""


@options.command("ls-queues", HELP)
@listing_options()
@pass_session
def command(session: Session, form: Form) -> None:
    """Print one record for each queue."""
    with session.client() as client:

        def fetch() -> Answer:
            counts = client.counts()
            pending = pending_limits(client.backend, session.settings, counts)
            records = [queue_record(each) | {"pending_limit": pending.get(each.queue)} for each in counts]
            if form.kind == "table":
                records = [_for_people(record) for record in records]
                _say_paused(counts)
            return Answer(records, counts[0].now if counts else 0)

        show(LISTING, fetch, form)


def _for_people(record: Record) -> Record:
    limit, pending = record["max_running"] or None, record["pending_limit"]
    if pending is not None:
        limit = f"{limit or ''} ({pending or 'none'})".strip()
    return record | {"paused": "yes" if record["paused"] else None, "max_running": limit}


def _say_paused(counts: Sequence[QueueCounts]) -> None:
    for each in counts:
        if each.controls.holds(each.now):
            say(f"{each.queue} is {pause_words(each.controls)}")
