"""`jq cron`: named here so that it is not mistaken for a typing error."""

import click

from jq_cli.cli import options
from jq_cli.errors import UsageError


@options.command(
    "cron",
    "Schedules come with the next release.",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Refuse, whatever is asked."""
    raise UsageError("cron: schedules come with the next release")
