"""`jq db upgrade`: bring the store's tables to the version of this program."""

from jq_cli.cli import options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session, say


@options.command("upgrade", "Bring the store's tables to the version of this jq. Workers of the version before go on.")
@pass_session
def command(session: Session) -> None:
    """Say what was done."""
    with session.open() as backend:
        if backend.schema is None:
            say(f"nothing to do: {backend.url} needs no tables made")
            return
        for line in backend.schema.upgrade() or ["nothing to do: the schema is current"]:
            say(line)
