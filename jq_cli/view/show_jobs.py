"""Finds jobs by id and shows each in full: what `jq show` and `jq dlq show` have in common."""

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import click

from jq_cli.cli.options import Function
from jq_cli.cli.targets import Targets
from jq_cli.client import Client
from jq_cli.errors import Conflict, NotFound, UsageError
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
    ids: list[str],
    *,
    as_json: bool,
    as_jsonl: bool,
    time_style: Any,
    only: str | None,
) -> None:
    """Show the jobs with these ids, of one queue or (None) of whatever queue; `only` those in that state."""
    if as_json and as_jsonl:
        raise UsageError("--json and --jsonl exclude each other")
    prepare(sys.stdout)
    targets = Targets()
    records = _records(client, queue, ids, only, targets)
    if as_json:
        _print_json(list(records), alone=len(ids) == 1)
    elif as_jsonl:
        for record in records:
            print(json_text(record))
    else:
        _print_all(records, Form(time=time_style), client)
    targets.end()


def _records(
    client: Client, queue: str | None, ids: Iterable[str], only: str | None, targets: Targets
) -> Iterator[Record]:
    for job in client.found(queue, ids):
        if isinstance(job, NotFound):
            targets.failed(job)
        elif only not in (None, job.state):
            targets.failed(Conflict(f"job {job.id} is {job.state}, not {only}"))
        else:
            targets.done += 1
            [output] = client.backend.outputs(job.queue, [job.id])
            yield full_record(job, output)


def _print_json(records: list[Record], *, alone: bool) -> None:
    if not alone:
        print("[\n " + ",\n ".join(json_text(record) for record in records) + "\n]" if records else "[]")
    elif records:
        print(pretty_json(records[0]))


def _print_all(records: Iterable[Record], form: Form, client: Client) -> None:
    now = client.backend.now()
    for number, record in enumerate(records):
        if number:
            print()
        print_job(record, form, now)
