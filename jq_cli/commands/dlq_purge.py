"""`jq dlq purge`: remove dead jobs for good."""

from typing import Any

from jq_cli.change import Change
from jq_cli.cli import options
from jq_cli.cli.bulk_options import bulk_options, run_action
from jq_cli.cli.bulk_run import Action
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.errors import Conflict
from jq_cli.job import Job
from jq_cli.lifecycle import remove

HELP = """Remove dead jobs for good.

Name them by id, pipe ids in with -, or name queues and a filter or --all: then it counts first, and asks.
Prints how many. After an interruption, call it again to go on."""


def _purge(job: Job, mark: str) -> Change:
    if job.state != "dead":
        raise Conflict(f"job {job.id} is {job.state}: only a dead job can be purged")
    return remove(job, mark)


PURGE = Action(verb="purge", done="purged", states=("dead",), make=_purge)


@options.command("purge", HELP)
@bulk_options("dead")
@pass_session
def command(session: Session, /, names: tuple[str, ...], **given: Any) -> None:
    """Remove dead jobs."""
    run_action(session, PURGE, names, **given)
