"""`jq ls-queues`: every queue, configured or ever used, with its counts."""

from jq_cli.cli import options
from jq_cli.cli.listing_options import listing_options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.view.output import Answer, Form, Listing, show
from jq_cli.view.records import MORE_QUEUE_FIELDS, QUEUE_FIELDS, queue_record

LISTING = Listing(fields=QUEUE_FIELDS, columns=QUEUE_FIELDS, id="queue", more=MORE_QUEUE_FIELDS)


@options.command("ls-queues", "List the queues with their counts. Ages are those of the oldest ready job.")
@listing_options()
@pass_session
def command(session: Session, form: Form) -> None:
    """Print one record for each queue."""
    with session.client() as client:

        def fetch() -> Answer:
            counts = client.counts()
            return Answer([queue_record(each) for each in counts], counts[0].now if counts else 0)

        show(LISTING, fetch, form)
