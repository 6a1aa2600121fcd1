"""Options that several commands share, and the command class that gives every command the global ones."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from jq_cli.cli.session import Session

Function = TypeVar("Function", bound=Callable[..., Any])

pass_session = click.make_pass_decorator(Session)
"""Hands the run's Session to a command as its first argument."""


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    # Given before or after the command's name; what is given last, nearest to the command, wins.
    if value is None:
        return
    session: Session = context.find_object(Session) or context.ensure_object(Session)
    target = session if parameter.name in ("color", "debug") else session.flags
    setattr(target, str(parameter.name), value)


def _backends(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from jq_cli.backends.registry import known
    from jq_cli.errors import JqError

    session = context.find_object(Session)
    try:
        named = list(session.settings.backends) if session is not None else []
    except JqError:
        named = []
    return [name for name in (*named, *known()) if name.startswith(incomplete)]


def _profiles(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from jq_cli.errors import JqError

    session = context.find_object(Session)
    try:
        return (
            [name for name in session.settings.profiles if name.startswith(incomplete)] if session is not None else []
        )
    except JqError:
        return []


def _global(*names: str, **attributes: Any) -> click.Option:
    return click.Option(names, expose_value=False, callback=_keep, **attributes)


GLOBAL_OPTIONS: list[click.Parameter] = [
    _global(
        "--backend",
        metavar="NAME|URL",
        shell_complete=_backends,
        help="The store: a name from the configuration, or a URL.",
    ),
    _global("--namespace", metavar="NAME", help="Prefix that isolates environments sharing one store."),
    _global("--profile", metavar="NAME", shell_complete=_profiles, help="A set of settings that the file holds."),
    _global("--config", metavar="FILE", help="The configuration file."),
    _global("--color", type=click.Choice(["auto", "always", "never"]), help="When to use colour."),
    _global("--debug", is_flag=True, default=None, help="Show the traceback of an error."),
]


class Command(click.Command):
    """A command with the global options, listed in a section of their own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params = [*self.params, *GLOBAL_OPTIONS]

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """As always. An error that does not know its command learns it here: its message names the help to read."""
        try:
            return super().parse_args(context, args)
        except click.UsageError as error:
            error.ctx = error.ctx or context
            raise

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The command's own options, then the global ones."""
        shared = set(map(id, GLOBAL_OPTIONS))
        params = [param for param in self.get_params(context) if isinstance(param, click.Option)]
        own = [record for p in params if id(p) not in shared if (record := p.get_help_record(context))]
        common = [record for p in params if id(p) in shared if (record := p.get_help_record(context))]
        for title, records in (("Options", own), ("Global options", common)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def command(name: str, help: str, **attributes: Any) -> Callable[[Callable[..., Any]], Command]:
    """Declares a command: `@command("len", "Show how many jobs a queue holds.")`. `cls`: a kind of Command of its own."""
    return click.command(name, help=help, **{"cls": Command, **attributes})
