"""Asks before something is done to many jobs, or in production; where nobody can be asked, only `--yes` will do."""

import sys

from jq_cli.cli.session import Session, say
from jq_cli.errors import JqError, UsageError


def confirm(action: str, *, yes: bool) -> None:
    """Go on, or raise: UsageError when there is no terminal to ask on, JqError when the answer is not yes."""
    if yes:
        return
    if not somebody():
        raise UsageError(f"{action}: there is no terminal to ask on; say --yes")
    if not agreed(f"{action}? [y/N]", default=False):
        raise JqError("nothing was changed")


def somebody() -> bool:
    """Whether there is a terminal to ask on."""
    return sys.stdin is not None and sys.stderr is not None and sys.stdin.isatty() and sys.stderr.isatty()


def agreed(question: str, *, default: bool) -> bool:
    """The answer to a question; `default` is that of an empty line, and the end of input is a no."""
    say(question)
    line = sys.stdin.readline()
    answer = line.strip().lower()
    return answer in ("y", "yes") or (default and answer == "" and line != "")


def confirm_in_production(session: Session, action: str, *, yes: bool) -> None:
    """Where the profile in force says `production: true`, ask before anything destructive; elsewhere go on."""
    if session.settings.production:
        confirm(action + session.where, yes=yes)
