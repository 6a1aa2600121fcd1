"""`jq cancel`: end jobs that have not ended."""

from functools import partial
from typing import Any

import click

from jq_cli import lifecycle
from jq_cli.change import Change
from jq_cli.cli import options
from jq_cli.cli.bulk_options import bulk_options, run_action
from jq_cli.cli.bulk_run import Action
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.durations import parse_duration
from jq_cli.job import Job, State

STATES: tuple[State, ...] = ("scheduled", "ready", "running")
"""In this order, so that a job that moves on meanwhile is met again in its next state."""

HELP = """Cancel jobs that have not ended: waiting ones at once, running ones through their worker, which sends their process
group SIGTERM and, after its grace, SIGKILL.

Name them by id, pipe ids in with -, or name queues and a filter or --all: then it counts first, and asks. Waits until the
store shows that running jobs were stopped. Prints how many were cancelled. After an interruption, call it again to go on."""


def _cancel(session: Session, job: Job, mark: str) -> Change:
    return lifecycle.cancel(job, mark, session.settings.keeping(job.queue))


@options.command("cancel", HELP)
@bulk_options(*STATES, state=True)
@click.option(
    "--wait",
    default="15s",
    metavar="DURATION",
    help="Wait so long for running jobs to stop; 0 only asks. 15s unless given.",
)
@pass_session
def command(session: Session, /, names: tuple[str, ...], wait: str, **given: Any) -> None:
    """Cancel jobs."""
    action = Action(verb="cancel", done="cancelled", states=STATES, make=partial(_cancel, session), stops=True)
    run_action(session, action, names, wait=parse_duration(wait, "--wait") / 1_000, **given)
