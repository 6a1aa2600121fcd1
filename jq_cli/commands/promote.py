"""`jq promote`: run scheduled jobs now."""

from typing import Any

from jq_cli.cli import options
from jq_cli.cli.bulk_options import bulk_options, run_action
from jq_cli.cli.bulk_run import Action
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.lifecycle import promote

PROMOTE = Action(verb="promote", done="promoted", states=("scheduled",), make=promote)

HELP = """Make scheduled jobs ready now instead of at their moment. (A job whose moment has come needs no promotion.)

Name them by id, pipe ids in with -, or name queues and a filter or --all: then it counts first, and asks.
Prints how many."""


@options.command("promote", HELP)
@bulk_options("scheduled")
@pass_session
def command(session: Session, /, names: tuple[str, ...], **given: Any) -> None:
    """Promote scheduled jobs."""
    run_action(session, PROMOTE, names, **given)
