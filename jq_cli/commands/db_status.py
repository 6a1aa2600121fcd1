"""`jq db status`: what lies behind a store."""

import msgspec

from jq_cli.cli import options
from jq_cli.cli.listing_options import listing_options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session, say
from jq_cli.inspection import advice
from jq_cli.view.output import Answer, Form, Listing, show

FIELDS = ("store", "name", "version", "known", "usable")
LISTING = Listing(fields=(*FIELDS, "notes"), columns=FIELDS, id="name", whole=frozenset({"store", "name"}))


@options.command(
    "status",
    "Show which version the store's tables have and what an operator should know about them, such as a transaction that keeps "
    "them from being cleared up. Ends with 1 when this jq cannot work with them.",
)
@listing_options()
@pass_session
def command(session: Session, form: Form) -> None:
    """Print one record; a store without tables of its own has none."""
    with session.open() as backend:
        if backend.schema is None:
            say(f"nothing to show: {backend.url} needs no tables made")
            return
        state = backend.schema.status()
        record = {"store": backend.url} | msgspec.structs.asdict(state) | {"notes": list(state.notes)}
        show(LISTING, lambda: Answer([record], 0), form)
    for note in state.notes:
        say(f"note: {note}")
    if not state.usable:
        say(advice(state))
        raise SystemExit(1)
