"""`jq pause`: stop handing out the jobs of queues."""

import click

from jq_cli.backends.base import Controls
from jq_cli.cli import options, suggestions
from jq_cli.cli.confirm import confirm_in_production
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session, say
from jq_cli.cli.targets import Targets
from jq_cli.durations import format_moment
from jq_cli.errors import NotFound
from jq_cli.pausing import check_reason, pause_length, pause_setting, pause_words

HELP = """Stop handing out the jobs of queues. Running jobs go on; enqueuing goes on. After this command has ended no worker
gets a job from them until `jq resume`, or the moment given with --until.

A queue that is paused already stays so, with the reason and the end that it has unless others are given: --reason '' takes the
reason away, --until none the end."""


@options.command("pause", HELP)
@click.argument("queues", nargs=-1, required=True, metavar="QUEUE...", shell_complete=suggestions.queues)
@click.option("--reason", metavar="TEXT", help="Why, for others to read.")
@click.option(
    "--until",
    metavar="MOMENT|DURATION|none",
    help="Resume by itself then: in 30m, at an RFC 3339 moment or a Unix time.",
)
@click.option("--yes", is_flag=True, help="Do not ask in production.")
@pass_session
def command(session: Session, queues: tuple[str, ...], reason: str | None, until: str | None, yes: bool) -> None:
    """Pause queues."""
    if reason is not None:
        check_reason(reason)
    confirm_in_production(session, f"pause {', '.join(queues)}", yes=yes)
    targets = Targets()
    with session.client() as client:
        pause_for = None if until is None else pause_length(until, client.backend.now)

        def pause(queue: str) -> None:
            counts = client.demand(queue)
            held = counts.controls if counts.controls.holds(counts.now) else None
            setting = pause_setting(counts.controls, counts.now, by=session.who, reason=reason, pause_for=pause_for)
            controls = counts.controls if setting is None else client.backend.control(queue, setting)
            say(f"{queue} {_told(held, controls)} (store: {client.backend.url})")

        targets.each(queues, pause, bears=NotFound)
    targets.end()


def _told(before: Controls | None, after: Controls) -> str:
    if after == before:
        return f"is {pause_words(after)}; nothing was changed"
    if before is not None:
        return f"was {pause_words(before)}; now it is {pause_words(after)}"
    ends = "" if after.paused_until is None else f" until {format_moment(after.paused_until)}"
    return f"is paused{ends}"
