"""`jq dlq edit`: change the payload and the options of dead jobs, of one or of many at once."""

from typing import Any

from jq_cli.cli import options
from jq_cli.cli.bulk_options import bulk_options
from jq_cli.cli.edit_jobs import edit_by_hand, edit_with_values
from jq_cli.cli.edit_options import edit_options, edits_from
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session
from jq_cli.errors import UsageError

HELP = """Change the payload or the options of dead jobs, with the bounds of `jq enqueue`; with --requeue each is ready in the
same step.

Name them by id, pipe ids in with -, or name queues and a filter or --all: then it counts first, and asks. With no new value
named, the payload of each job named by id is opened in $VISUAL or $EDITOR. PATH in --set and --unset has dots between keys and
list indexes; VALUE is JSON if it is JSON, else a string. Former payloads stay in the jobs' histories, which `jq show` shows.
Prints how many were changed. After an interruption, call it again to go on."""


@options.command("edit", HELP)
@bulk_options("dead")
@edit_options(filtered=True)
@pass_session
def command(session: Session, /, names: tuple[str, ...], **given: Any) -> None:
    """Edit dead jobs."""
    edits = edits_from(given, session.settings.max_payload)
    if edits:
        edit_with_values(session, edits, ("dead",), names, **given)
        return
    if given["every"] or given["jobs"] or given["dry_run"] or given["rate"] or given["as_json"]:
        raise UsageError(
            "say what to change with --set or --new-payload; the editor opens jobs that are named by their ids"
        )
    if not names and not given["ids"]:
        raise UsageError("name the jobs to edit by their ids, or say what to change and which with a filter or --all")
    edit_by_hand(session, edits, ("dead",), [*names, *given["ids"]], yes=given["yes"], verbose=given["verbose"])
