"""Asks before something is done to many jobs, or in production; where nobody can be asked, only `--yes` will do."""

import sys

from jq_cli.cli.session import Session, say
from jq_cli.errors import JqError, UsageError


def confirm(action: str, *, yes: bool) -> None:
    """Go on, or raise: UsageError when there is no terminal to ask on, JqError when the answer is not yes."""
    if yes:
        return
    if sys.stdin is None or sys.stderr is None or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{action}: there is no terminal to ask on; say --yes")
    say(f"{action}? [y/N]")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise JqError("nothing was changed")


def confirm_in_production(session: Session, action: str, *, yes: bool) -> None:
    """Where the profile in force says `production: true`, ask before anything destructive; elsewhere go on."""
    if session.settings.production:
        confirm(action + session.where, yes=yes)
