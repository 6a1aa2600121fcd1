"""Finds jobs by id or by a filter and shows each in full: what `jq show` and `jq dlq show` have in common."""

import sys
from collections.abc import Iterable, Iterator

from jq_cli.cli.show_options import print_json
from jq_cli.cli.targets import Targets
from jq_cli.client import Client
from jq_cli.errors import Conflict, NotFound
from jq_cli.job import STATES, Job, State
from jq_cli.triage.filter import JobFilter
from jq_cli.view.job_view import full_record, print_job
from jq_cli.view.output import Form, prepare
from jq_cli.view.records import Record


def show_jobs(
    client: Client,
    queue: str | None,
    ids: list[str] | None,
    form: Form,
    *,
    only: State | None,
    jobs: JobFilter | None = None,
) -> None:
    """Show the jobs with these ids, of one queue or (None) of whatever queue; `only` those in that state. With a filter those of
    them that it means; with None for ids all of the queue that it means."""
    prepare(sys.stdout)
    targets = Targets()
    now = client.backend.now()
    records = _records(client, _found(client, queue, ids, only, jobs), only, targets, now)
    if form.kind == "table":
        for number, record in enumerate(records):
            if number:
                print()
            print_job(record, form, now)
    else:
        print_json(records, form, alone=ids is not None and len(ids) == 1)
    targets.end()


def _records(
    client: Client, found: Iterable[Job | NotFound], only: State | None, targets: Targets, now: int
) -> Iterator[Record]:
    for job in found:
        if isinstance(job, NotFound):
            targets.failed(job)
        elif only not in (None, job.state):
            targets.failed(Conflict(f"job {job.id} is {job.state}, not {only}"))
        else:
            targets.done += 1
            [output] = client.backend.outputs(job.queue, [job.id])
            yield full_record(job, output, now)


def _found(
    client: Client, queue: str | None, ids: list[str] | None, only: State | None, jobs: JobFilter | None
) -> Iterator[Job | NotFound]:
    if jobs and queue is not None and ids is None:
        now = client.demand(queue).now
        yield from client.matching(queue, STATES if only is None else (only,), jobs, now)
        return
    now = client.backend.now() if jobs else 0
    for job in client.found(queue, ids or ()):
        if not jobs or isinstance(job, NotFound) or jobs.matches(job, now):
            yield job
