"""`jq wait`: wait for jobs to end."""

from typing import Any

import click

from jq_cli.cli import options, suggestions
from jq_cli.cli.interrupts import Interrupts
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.cli.targets import Targets, ids_from, split_queue
from jq_cli.cli.vigil import Vigil, outcome_record
from jq_cli.cli.wait_options import WaitCommand, Wish, wait_options, wish_of
from jq_cli.client import Client
from jq_cli.errors import NotFound, UsageError
from jq_cli.task import SideRecord
from jq_cli.view.output import json_text
from jq_cli.view.records import Record
from jq_cli.waiting import Finished

HELP = """Wait until jobs have ended, and print how: succeeded, dead, cancelled, expired or removed; of several jobs each with its
id, as they end. With the queue named before the ids, or by id alone; - reads ids from stdin.

Exit code of one job, or of the first with --any: 0 succeeded, 11 dead, 12 cancelled, 13 expired, 3 gone, 8 not ended in time.
Of several: 0 when all succeeded, else 7, or 8 when some had not ended in time. With --exit-code, for one job or --any: that
of the job's own command, and 125 for everything that is not its own.

A job that is gone was removed, or ended and was not kept; how it ended is not known then. Enqueue with --retention 10m what
somebody is to wait for. Ctrl-C ends the waiting, not the jobs.
"""


@options.command("wait", HELP, cls=WaitCommand)
@click.argument("names", nargs=-1, required=True, metavar="[QUEUE] ID...", shell_complete=suggestions.ids_in())
@click.option("--any", "first", is_flag=True, help="Wait for the first one to end.")
@wait_options
@click.option("--json", "as_json", is_flag=True, help="An object for one job, an array for several.")
@pass_session
def command(session: Session, /, names: tuple[str, ...], first: bool, as_json: bool, **given: Any) -> None:
    """Wait for jobs by id."""
    wish = wish_of(given, first=first)
    if wish.output and as_json:
        raise UsageError("--output and --json exclude each other: both are for stdout")
    queue, ids = split_queue(names, "wait")
    named = list(dict.fromkeys(ids_from(ids)))
    if not named:
        raise UsageError("no ids came from stdin")
    if wish.exit_code and len(named) > 1 and not first:
        raise UsageError("--exit-code is that of one job; name one, or say --any")
    with session.client() as client, Interrupts():
        if queue is not None:
            client.demand(queue)
        _Told(client, wish, alone=len(named) == 1 or first, as_json=as_json).wait(queue, named)


class _Told:
    """One run: finds the jobs, waits, and prints how they ended."""

    def __init__(self, client: Client, wish: Wish, *, alone: bool, as_json: bool) -> None:
        self._client, self._wish = client, wish
        self._alone, self._as_json = alone, as_json
        self._records: list[Record] = []

    def wait(self, queue: str | None, ids: list[str]) -> None:
        jobs: list[tuple[str, str]] = []
        targets, missing = Targets(), 0
        for job in self._client.found(queue, ids):
            if isinstance(job, NotFound):
                targets.failed(job)
                missing += 1
            else:
                jobs.append((job.queue, job.id))
        try:
            Vigil(self._client, self._wish, self._tell).keep(jobs, missing=missing)
        finally:
            self._print_json()

    def _tell(self, end: Finished, record: SideRecord | None) -> None:
        if self._as_json:
            self._records.append(outcome_record(end, record))
        elif not self._wish.output:
            print(end.how if self._alone else f"{end.id}\t{end.how}")

    def _print_json(self) -> None:
        if not self._as_json:
            return
        if not self._alone:
            print(json_text(self._records))
        elif self._records:
            print(json_text(self._records[0]))
