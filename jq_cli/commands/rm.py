"""`jq rm`: remove jobs for good."""

from typing import Any

from jq_cli.cli import options
from jq_cli.cli.bulk_options import bulk_options, run_action
from jq_cli.cli.bulk_run import Action
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.lifecycle import remove

REMOVE = Action(
    verb="remove",
    done="removed",
    states=("scheduled", "ready", "dead", "cancelled", "succeeded"),
    make=remove,
    spares="cancel first",
)

HELP = """Remove jobs for good, in any state but running: those must be cancelled first.

Name them by id, pipe ids in with -, or name queues and a filter or --all: then it counts first, and asks. Prints how many
were removed. After an interruption, call it again to go on. A key that outlives its job stays taken."""


@options.command("rm", HELP)
@bulk_options(*REMOVE.states, state=True)
@pass_session
def command(session: Session, /, names: tuple[str, ...], **given: Any) -> None:
    """Remove jobs."""
    run_action(session, REMOVE, names, **given)
