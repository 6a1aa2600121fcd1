"""The outcomes of executions on their way to the store: what each end means, what is not written yet, and the tally."""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from jq_cli import lifecycle
from jq_cli.change import Change, Verdict
from jq_cli.consumer import Consumer
from jq_cli.durations import format_duration
from jq_cli.job import Job, gist
from jq_cli.lifecycle import Outcome
from jq_cli.pool.ended import Ended
from jq_cli.process.lifeline import boot_time
from jq_cli.worker.options import Tally

Batch = list[tuple[Change, Ended]]


class Outcomes:
    """Ends come in from the pool, changes go out to the store. `comes_back` is told in how many ms a retried job is ready."""

    def __init__(self, consumer: Consumer, say: Callable[[str], None], comes_back: Callable[[int], None]) -> None:
        self.tally = Tally()
        self.pending: Batch = []
        self.newest = 0.0
        """When the last of them came in, by `boot_time`."""
        self._consumer = consumer
        self._say = say
        self._comes_back = comes_back

    def add(self, ended: Sequence[Ended]) -> None:
        """Decide what each end means; what must be written waits in `pending`."""
        if not ended:
            return
        now, self.newest = self._consumer.now(), boot_time()
        settle, pending = self._consumer.settle, self.pending
        for each in ended:
            if each.how == "outcome" and each.outcome is not None:
                pending.append((settle(each.job, each.outcome, now), each))
            elif (change := self._unusual(each)) is not None:
                pending.append((change, each))

    def write(self) -> None:
        """Write what is pending. Without an answer it stays pending."""
        if self.pending:
            self.written(self._consumer.write([change for change, _ in self.pending]))

    def written(self, verdicts: Sequence[Verdict]) -> None:
        """The store's answer to the first that are pending."""
        batch, self.pending = self.pending[: len(verdicts)], self.pending[len(verdicts) :]
        for (change, ended), verdict in zip(batch, verdicts, strict=True):
            if verdict == "lost":
                self.tally.late += 1
                self._say(f"job {change.id}: its lease was lost, so its outcome was not recorded")
            elif "succeeded" in change.totals:
                self.tally.succeeded += 1
            else:
                self._count(change, ended)

    @property
    def worthless(self) -> bool:
        """Whether the leases of all that is pending, which nobody extends once a job has ended, are over, so that the store would
        refuse it."""
        return boot_time() - self.newest > self._consumer.lease / 1_000

    def abandon(self) -> None:
        """Give up what is pending, if anything: the store will find the jobs without a worker, and recover them."""
        if not self.pending:
            return
        jobs = "job" if len(self.pending) == 1 else "jobs"
        self._say(
            f"the store did not answer: the end of {len(self.pending):,} {jobs} is not recorded; they count as lost"
        )
        self.pending = []

    def _unusual(self, ended: Ended) -> Change | None:
        if ended.how == "unstarted":
            return lifecycle.release(ended.job)
        if ended.how == "lost":
            return self._consumer.lose(ended.job, ended.why)
        return self._stopped(ended)

    def _stopped(self, ended: Ended) -> Change | None:
        job = ended.job
        output = ended.outcome.output if ended.outcome else None
        if ended.why == "lost":
            self.tally.late += 1
            return None
        if ended.why == "timeout":
            timed_out = Outcome("failed", error=f"timed out after {job.timeout:g} s", output=output)
            return self._consumer.settle(job, timed_out)
        if ended.why == "cancel":
            job = replace(job, stop=True)
        return self._consumer.settle(job, Outcome("interrupted", output=output))

    def _count(self, change: Change, ended: Ended) -> None:
        self.tally.failed += "failed" in change.totals
        self.tally.lost += "recovered" in change.totals
        self.tally.interrupted += ended.how == "stopped" and not change.totals
        if "dead" in change.totals:
            self.tally.dead += 1
        if change.job is not None and change.totals:
            self._say(_story(change.job, change))
        if change.delay is not None:
            self._comes_back(change.delay)


def _story(job: Job, change: Change) -> str:
    """One line for people about a job that did not succeed."""
    what = gist(job.last_error or "")[:200]
    if job.state == "dead":
        return f"job {job.id} on {job.queue} is dead ({job.reason}): {what}"
    if change.delay is None:
        return f"job {job.id} on {job.queue} is ready again: {what}"
    return f"job {job.id} on {job.queue} failed, next try in {format_duration(change.delay)}: {what}"
