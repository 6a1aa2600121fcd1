"""Planted bugs in the policy that is above all stores. Both stores of a random run would share them, so the named tests alone
can tell."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from jq_cli import lifecycle


class Misjudgement(NamedTuple):
    """A bug in a function of `lifecycle`: its name, the passage as it is, and as it would be with the bug."""

    name: str
    function: str
    old: str
    new: str

    def __str__(self) -> str:
        return self.name


@contextmanager
def judging_wrongly(bug: Misjudgement) -> Iterator[None]:
    """`lifecycle` with the bug."""
    original = getattr(lifecycle, bug.function)
    source = inspect.getsource(original)
    assert source.count(bug.old) == 1, f"{bug.function} holds {source.count(bug.old)} times: {bug.old}"
    exec(compile(source.replace(bug.old, bug.new), "planted", "exec"), vars(lifecycle))
    try:
        yield
    finally:
        setattr(lifecycle, bug.function, original)


POLICY = [
    Misjudgement("a loss counts as a failure", "lose", "losses=job.losses + 1,", "failures=job.failures + 1,"),
    Misjudgement("an at_most_once job whose worker is lost runs again", "lose", 'job.delivery == "at_most_once"', "not job.id"),
    Misjudgement("an at_most_once job that fails is retried", "fail", 'job.delivery == "at_most_once"', "not job.id"),
    Misjudgement("an interrupted at_most_once job runs again", "interrupt", 'job.delivery == "at_most_once"', "not job.id"),
    Misjudgement("one loss too many is forgiven", "lose", "lost.losses > job.max_losses", "lost.losses > job.max_losses + 1"),
    Misjudgement("one retry is missing", "fail", "failed.failures > job.max_retries", "failed.failures >= job.max_retries"),
    Misjudgement("the first retry waits as long as the second", "backoff_delay", "** (failures - 1)", "** failures"),
    Misjudgement("the cap of the backoff is ignored", "backoff_delay", "min(b.cap, ", "max(0.0, "),
    Misjudgement("a requeued job keeps its failures", "requeue", "failures=0, losses=0, ", ""),
    Misjudgement("a requeued job expires at once", "requeue", "expires_at=None, ", ""),
    Misjudgement("an expired job is started", "refusal", "job.expires_at <= now", "job.expires_at < 0"),
    Misjudgement("a damaged job is started", "refusal", "if job.damaged:", "if not job.id:"),
    Misjudgement("a job of a newer format is started", "refusal", "if job.format > FORMAT:", "if not job.id:"),
    Misjudgement("a snooze counts as a failure", "snooze", "_again(job,", "_again(_failed(job, '', 0),"),
    Misjudgement("the retention of a job is not its own", "_kept", "if job.retention is not None:", "if job.retention == -1:"),
    Misjudgement("dead jobs go with the others", "_kept", 'if job.state == "dead":', "if not job.id:"),
    Misjudgement("a cancelled job leaves an outcome", "_ended_keys", ' or job.state == "cancelled"', ""),
    Misjudgement("a removed unfinished job keeps its keys", "remove", "_freed_keys(job)", "()"),
    Misjudgement("a requested stop is forgotten by the recovery", "lose", "elif job.stop:", "elif not job.id:"),
    Misjudgement("a settled job leaves its owner behind", "_finish", "finished_at=None, **_RESET", "finished_at=None"),
]  # fmt: skip
