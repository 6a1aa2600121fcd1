"""`jq db init`: make what the store needs."""

from jq_cli.cli import options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session, say


@options.command("init", "Make the tables the store needs. What is there already stays as it is.")
@pass_session
def command(session: Session) -> None:
    """Say what was done."""
    with session.open() as backend:
        if backend.schema is None:
            say(f"nothing to do: {backend.url} needs no tables made")
            return
        for line in backend.schema.init() or ["nothing to do: the schema is there and current"]:
            say(line)
