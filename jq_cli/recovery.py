"""Recovering now what the maintenance would recover within a second: the running jobs of a queue whose lease has ended."""

from collections.abc import Callable

from jq_cli import lifecycle
from jq_cli.backends.base import QueueCounts
from jq_cli.change import Change
from jq_cli.client import Client
from jq_cli.errors import Conflict
from jq_cli.job import Job
from jq_cli.triage.bulk import Bulk, Result


def recover_ended(client: Client, seen: QueueCounts, report: Callable[[list[Result]], None]) -> None:
    """Recover the jobs of a queue whose lease had ended when the queue was `seen`. Each counts one loss. `report` is told what
    became of them."""
    keeping = client.settings.keeping(seen.queue)

    def ended(job: Job) -> bool:
        return (job.lease_until or 0) <= seen.now

    def make(job: Job, mark: str) -> Change:
        if job.state != "running" or not ended(job):
            raise Conflict(f"job {job.id} is not lost")
        return lifecycle.lose(job, now=seen.now, mark=mark, keeping=keeping)

    Bulk(client, make, report).every(seen.queue, "running", seen.states.get("running", 0), ended)
