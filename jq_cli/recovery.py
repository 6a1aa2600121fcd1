"""Recovery at once: what an operator or a program asks for instead of waiting for a worker's maintenance tick."""

from collections.abc import Callable

from jq_cli import lifecycle
from jq_cli.backends.base import QueueCounts
from jq_cli.bulk import Bulk, Result
from jq_cli.change import Change
from jq_cli.client import Client
from jq_cli.errors import Conflict
from jq_cli.job import Job


def recover_ended(client: Client, counts: QueueCounts, report: Callable[[list[Result]], None]) -> None:
    """Take from their workers the running jobs of a queue whose lease had ended when it was counted. `report` is told of each
    batch what became of it."""
    keeping = client.settings.keeping(counts.queue)

    def ended(job: Job) -> bool:
        return job.state == "running" and (job.lease_until or 0) <= counts.now

    def lose(job: Job, mark: str) -> Change:
        if not ended(job):
            raise Conflict(f"job {job.id} is not lost")
        return lifecycle.lose(job, now=counts.now, mark=mark, keeping=keeping)

    Bulk(client, lose, report).every(counts.queue, "running", counts.states.get("running", 0), ended)
