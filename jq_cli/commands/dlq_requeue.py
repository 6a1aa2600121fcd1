"""`jq dlq requeue`: make dead jobs ready again."""

from typing import Any

from jq_cli.cli import options
from jq_cli.cli.bulk_options import bulk_options, run_action
from jq_cli.cli.bulk_run import Action
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.lifecycle import requeue

REQUEUE = Action(verb="requeue", done="requeued", states=("dead",), make=requeue)

HELP = """Make dead jobs ready now, with failures and losses reset; their history stays.

Name them by id, pipe ids in with -, or name queues and a filter or --all: then it counts first, and asks.
Prints how many. After an interruption, call it again to go on."""


@options.command("requeue", HELP)
@bulk_options("dead")
@pass_session
def command(session: Session, /, names: tuple[str, ...], **given: Any) -> None:
    """Requeue dead jobs."""
    run_action(session, REQUEUE, names, **given)
