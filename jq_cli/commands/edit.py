"""`jq edit`: change the payload and the options of jobs."""

from typing import Any

import click

from jq_cli.cli import options, suggestions
from jq_cli.cli.edit_jobs import edit_by_hand, edit_with_values
from jq_cli.cli.edit_options import edit_options, edits_from
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.cli.targets import split_queue
from jq_cli.job import State
from jq_cli.triage.filter import JobFilter

STATES: tuple[State, ...] = ("ready", "scheduled", "dead")
"""In which a job can be edited."""

HELP = """Change the payload or the options of jobs that wait or are dead, with the bounds of `jq enqueue`.

With no new value named, each payload is opened in $VISUAL or $EDITOR: JSON indented, a text as it is. PATH in --set and --unset
has dots between keys and list indexes; VALUE is JSON if it is JSON, else a string.

A running job is refused, and so is one that changed while it was in the editor; what was typed is then kept in a file. The former
payload stays in the job's history, which `jq show` shows. Name jobs by id, with or without their queue; - reads ids from
stdin. Prints how many were changed."""


@options.command("edit", HELP)
@click.argument("names", nargs=-1, required=True, metavar="[QUEUE] ID...", shell_complete=suggestions.ids_in())
@edit_options(filtered=False)
@click.option("--yes", is_flag=True, help="Do not ask in production.")
@click.option("-v", "--verbose", is_flag=True, help="Print the ids of the changed jobs, not their number.")
@pass_session
def command(session: Session, /, names: tuple[str, ...], yes: bool, verbose: bool, **given: Any) -> None:
    """Edit jobs by id."""
    split_queue(names, "edit")
    edits = edits_from(given, session.settings.max_payload)
    if edits:
        every_way: dict[str, Any] = {"ids": (), "every": False, "dry_run": False, "rate": None, "as_json": False}
        edit_with_values(session, edits, STATES, names, yes=yes, verbose=verbose, jobs=JobFilter(), **every_way)
    else:
        edit_by_hand(session, edits, STATES, names, yes=yes, verbose=verbose)
