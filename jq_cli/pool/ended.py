"""The end of an execution as the pool tells it: reported by its child, or read from what a dead child left."""

import os
import signal

import msgspec

from jq_cli.job import Job
from jq_cli.lifecycle import SUCCEEDED, Outcome
from jq_cli.pool.member import Member
from jq_cli.pool.orders import Notice
from jq_cli.task import Done


class Ended(msgspec.Struct, frozen=True, gc=False):
    """A job the pool is done with. `how`: outcome (see `outcome`), lost (its child died under it, `why`), unstarted (give
    it back), or stopped for the reason `why` that was given to `stop`."""

    job: Job
    how: str
    outcome: Outcome | None = None
    why: str = ""


def reported(child: Member, job: Job, done: Done) -> Ended:
    """The end of a started task that its child reported."""
    bare = not (done.result or done.error) and done.output is None and done.kind == "succeeded"
    outcome = SUCCEEDED if bare else Outcome(done.kind, msgspec.Raw(done.result), done.error, done.delay, done.output)
    why, _ = child.stops.pop(done.id, ("", 0.0)) if child.stops else ("", 0.0)
    if done.kind == "stopped":
        return Ended(job, "stopped", outcome, why or "shutdown")
    return Ended(job, "outcome", outcome)


def epitaph(child: Member, job: Job, notice: Notice, *, done: bool) -> Ended:
    """The end of a task that was started by a child now dead. `done`: the task had ended, its outcome was not reported."""
    if job.id in child.stops:
        return Ended(job, "stopped", why=child.stops[job.id][0])
    if done:  # it may run again and counts nothing
        return Ended(job, "outcome", Outcome("interrupted"))
    return Ended(job, "lost", why=f"the process running it {manner(notice.status)}")


def manner(status: int) -> str:
    """How a process ended, in words that follow its name."""
    if os.WIFSIGNALED(status):
        return f"was killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exited with code {os.waitstatus_to_exitcode(status)}"
