"""Finds jobs by id and shows each in full: what `jq show` and `jq dlq show` have in common."""

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import click

from jq_cli.cli.options import Function
from jq_cli.cli.targets import Targets
from jq_cli.client import Client
from jq_cli.errors import Conflict, NotFound, UsageError
from jq_cli.filter import JobFilter
from jq_cli.job import STATES, Job, State
from jq_cli.view.job_view import full_record, print_job
from jq_cli.view.output import Form, json_text, prepare, pretty_json
from jq_cli.view.records import Record


def show_options(function: Function) -> Function:
    """Adds `--json`, `--jsonl` and `--time`."""
    options = [
        click.option("--json", "as_json", is_flag=True, help="An object for one job, an array for several."),
        click.option("--jsonl", "as_jsonl", is_flag=True, help="One JSON object a line."),
        click.option(
            "--time", "time_style", type=click.Choice(["relative", "iso", "unix"]), help="How to show moments."
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def show_jobs(
    client: Client,
    queue: str | None,
    ids: list[str] | None,
    *,
    as_json: bool,
    as_jsonl: bool,
    time_style: Any,
    only: State | None,
    jobs: JobFilter | None = None,
) -> None:
    """Show the jobs with these ids, of one queue or (None) of whatever queue; `only` those in that state. With a filter those of
    them that it means; with None for ids all of the queue that it means."""
    if as_json and as_jsonl:
        raise UsageError("--json and --jsonl exclude each other")
    prepare(sys.stdout)
    targets = Targets()
    records = _records(client, _found(client, queue, ids, only, jobs), only, targets)
    if as_json:
        _print_json(records, alone=ids is not None and len(ids) == 1)
    elif as_jsonl:
        for record in records:
            print(json_text(record))
    else:
        _print_all(records, Form(time=time_style), client)
    targets.end()


def _records(client: Client, found: Iterable[Job | NotFound], only: State | None, targets: Targets) -> Iterator[Record]:
    for job in found:
        if isinstance(job, NotFound):
            targets.failed(job)
        elif only not in (None, job.state):
            targets.failed(Conflict(f"job {job.id} is {job.state}, not {only}"))
        else:
            targets.done += 1
            [output] = client.backend.outputs(job.queue, [job.id])
            yield full_record(job, output)


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


def _print_json(records: Iterator[Record], *, alone: bool) -> None:
    if alone:
        for record in records:
            print(pretty_json(record))
        return
    before = "[\n "
    for record in records:
        sys.stdout.write(before + json_text(record))
        before = ",\n "
    print("[]" if before == "[\n " else "\n]")


def _print_all(records: Iterable[Record], form: Form, client: Client) -> None:
    now = client.backend.now()
    for number, record in enumerate(records):
        if number:
            print()
        print_job(record, form, now)
