"""`jq queue show`: everything about queues."""

import sys

import click

from jq_cli.backends.base import QueueCounts
from jq_cli.cli import options, suggestions
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.cli.show_options import print_json, show_options
from jq_cli.cli.targets import Targets
from jq_cli.errors import NotFound
from jq_cli.view.output import Form, prepare
from jq_cli.view.queue_view import full_queue_record, print_queue

HELP = """Show everything about queues: their jobs by state, what was ever counted, who paused them and why, how many of their
jobs may run at once, and what the configuration says about them."""


@options.command("show", HELP)
@click.argument("queues", nargs=-1, required=True, metavar="QUEUE...", shell_complete=suggestions.queues)
@show_options("queue")
@pass_session
def command(session: Session, /, queues: tuple[str, ...], form: Form) -> None:
    """Show queues by name."""
    prepare(sys.stdout)
    targets = Targets()
    with session.client() as client:
        found = client.look(queues)
    for each in found:
        if isinstance(each, NotFound):
            targets.failed(each)
    known = [each for each in found if isinstance(each, QueueCounts)]
    targets.done = len(known)
    records = [full_queue_record(each, session.settings) for each in known]
    if form.kind == "table":
        for number, (record, counts) in enumerate(zip(records, known, strict=True)):
            print_queue(record, form, counts.now, first=number == 0)
    else:
        print_json(records, form, alone=len(queues) == 1)
    targets.end()
