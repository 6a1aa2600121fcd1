"""`jq run`: put one job on a queue and wait for its end."""

from typing import Any

import click

from jq_cli.cli import options, suggestions
from jq_cli.cli.enqueue_one import run_one
from jq_cli.cli.job_options import job_options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.cli.wait_options import WaitCommand, wait_options, wish_of

HELP = """Put one job on a queue, print its id at once, and wait for the job's end: the same as `jq enqueue --wait`.

Exit code 0: it succeeded. 11: it is dead, 12: it was cancelled, 13: it expired before it was started, 3: it is gone, 8: it had
not ended in time. With --exit-code: that of the job's own command, 128 + N when signal N ended it, and 125 for everything
that is not the job's own.

Ctrl-C ends the waiting, not the job. The ended job is kept for 10 minutes or longer, whatever its queue keeps.
"""


@options.command("run", HELP, cls=WaitCommand)
@click.argument("queue", shell_complete=suggestions.queues)
@click.argument("payload")
@job_options
@wait_options
@pass_session
def command(session: Session, /, queue: str, payload: str, **given: Any) -> None:
    """Enqueue and wait."""
    wish = wish_of(given)
    run_one(session, queue, payload, given, wish)
