"""The options of commands that wait for jobs, and the command class that keeps a job's own exit code apart from ours."""

from typing import Any

import click
import msgspec

from jq_cli.cli.options import Command, Function
from jq_cli.draft import MAX_DELAY
from jq_cli.durations import format_duration, parse_duration
from jq_cli.errors import InvalidField

OWN_ERROR = 125
"""With --exit-code: whatever is not the exit code of the job's own command."""


class OwnCode(SystemExit):
    """The command ends with the exit code of a job's own command."""


class WaitCommand(Command):
    """With --exit-code, everything but a job's own exit code becomes 125; without it nothing changes, nor where --wait is an
    option and was not given."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """As always; what is wrong with the arguments is an error of the program's own."""
        wanted = "--exit-code" in args and (self._always_waits() or "--wait" in args)
        try:
            return super().parse_args(context, args)
        except click.ClickException as error:
            if wanted:
                error.exit_code = OWN_ERROR  # type: ignore[misc]  # of this one error, not of its class
            raise

    def _always_waits(self) -> bool:
        return all(param.name != "wait" for param in self.params)

    def invoke(self, context: click.Context) -> Any:
        """As always, with 125 for errors when the job's own exit code was asked for."""
        if not context.params.get("exit_code") or not context.params.get("wait", True):
            return super().invoke(context)
        try:
            return super().invoke(context)
        except (OwnCode, click.exceptions.Exit, BrokenPipeError):
            raise
        except SystemExit as end:
            raise SystemExit(OWN_ERROR if end.code else 0) from None
        except Exception as error:
            error.exit_code = OWN_ERROR  # type: ignore[attr-defined]  # read where errors become exit codes
            raise


class Wish(msgspec.Struct, frozen=True):
    """What to do with the ends of jobs. `timeout` in seconds.

    exit_code  end with the code of the job's own command
    output     write what the jobs' commands printed, and nothing else, to stdout
    first      one end is enough
    """

    timeout: float | None = None
    exit_code: bool = False
    output: bool = False
    first: bool = False


def wait_options(function: Function) -> Function:
    """Adds `--wait-timeout`, `--exit-code` and `--output`."""
    options = [
        click.option(
            "--wait-timeout", metavar="DURATION", help="Stop waiting after this with exit code 8; jobs go on."
        ),
        click.option(
            "--exit-code", is_flag=True, help="End with the exit code of the job's own command; 125 otherwise."
        ),
        click.option("--output", is_flag=True, help="Print what the job's command printed, to stdout and to stderr."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def wish_of(given: dict[str, Any], *, first: bool = False) -> Wish:
    """The wish that the options amount to; takes them out of `given`."""
    text: str | None = given.pop("wait_timeout")
    timeout = None if text is None else parse_duration(text, "wait-timeout")
    if timeout is not None and not 0 <= timeout <= MAX_DELAY:
        raise InvalidField("wait-timeout", f"expected 0..{format_duration(MAX_DELAY)}, got {text}")
    seconds = None if timeout is None else timeout / 1_000
    return Wish(seconds, given.pop("exit_code"), given.pop("output"), first)
