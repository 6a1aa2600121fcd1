"""`jq db sql`: the statements behind `jq db init` and `jq db upgrade`."""

import click

from jq_cli.cli import options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session, say


@options.command(
    "sql", "Print the statements that make or upgrade the store's tables, for those who apply them by hand."
)
@click.option(
    "--since", type=click.IntRange(0), default=0, metavar="VERSION", help="The version there is already; 0: none."
)
@pass_session
def command(session: Session, since: int) -> None:
    """Nothing is sent to the store."""
    with session.open() as backend:
        if backend.schema is None:
            say(f"nothing to print: {backend.url} needs no tables made")
        else:
            click.echo(backend.schema.sql(since), nl=False)
