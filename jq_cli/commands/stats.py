"""`jq stats`: what queues did, in all and each second."""

import time
from collections.abc import Sequence
from itertools import islice

import click

from jq_cli import latency
from jq_cli.backends.base import QueueCounts
from jq_cli.cli import options, suggestions
from jq_cli.cli.listing_options import listing_options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.client import Client
from jq_cli.durations import parse_duration
from jq_cli.errors import NotFound, UsageError
from jq_cli.view.output import Answer, Form, Listing, show
from jq_cli.view.records import Record
from jq_cli.view.stats_records import FIELDS, stats_record

HELP = """Show how many jobs of queues, named or all, were ever enqueued, succeeded, failed, and so on.

With --over or --watch also how many each second: since the look before, or over the time given. With --latency how long jobs
waited and ran: the times within which 50, 95 and 99 of a hundred were taken and done, of the last 1,000 that succeeded and are
kept."""

_COUNTED = ("enqueued", "succeeded", "failed", "dead")
HEADS = {f"total_{name}": name for name in _COUNTED} | {f"{name}_per_s": f"{name}/s" for name in _COUNTED}
HEADS["latency_jobs"] = "jobs"


@options.command("stats", HELP)
@click.argument("queues", nargs=-1, metavar="[QUEUE]...", shell_complete=suggestions.queues)
@click.option("--over", metavar="DURATION", help="Look twice, so far apart, and show the rates in between.")
@click.option("--latency", "timed", is_flag=True, help="Show how long jobs waited and ran.")
@listing_options()
@pass_session
def command(session: Session, queues: tuple[str, ...], over: str | None, timed: bool, form: Form) -> None:
    """Print one record for each queue."""
    pause = None if over is None else parse_duration(over, "--over") / 1_000
    if pause is not None and not 0.1 <= pause <= 3_600:
        raise UsageError(f"--over: expected 100ms to 1h, got {over}")
    template = "{}_per_s" if pause is not None or form.watch is not None else "total_{}"
    shown = latency.FIELDS if timed else tuple(template.format(name) for name in _COUNTED)
    with session.client() as client:
        before: dict[str, QueueCounts] = {}
        if pause is not None:
            before = {each.queue: each for each in _look(client, queues)}
            time.sleep(pause)

        def fetch() -> Answer:
            counts = _look(client, queues)
            times = {each.queue: _times(client, each.queue) if timed else {} for each in counts}
            records = [stats_record(each, before.get(each.queue)) | times[each.queue] for each in counts]
            before.update({each.queue: each for each in counts})
            return Answer(records, counts[0].now if counts else 0)

        show(Listing(fields=FIELDS, columns=("queue", "ready", *shown), id="queue", heads=HEADS), fetch, form)


def _look(client: Client, queues: Sequence[str]) -> list[QueueCounts]:
    counts: list[QueueCounts] = []
    for each in client.look(queues) if queues else client.counts():
        if isinstance(each, NotFound):
            raise each
        counts.append(each)
    return counts


def _times(client: Client, queue: str) -> Record:
    return latency.latencies(islice(client.jobs(queue, "succeeded", reverse=True), latency.SAMPLE))
