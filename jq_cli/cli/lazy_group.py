"""A group of commands that are imported when they are used: its help and its completion of names need none of them."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from jq_cli.cli.options import GLOBAL_OPTIONS

Entry = tuple[str, str]
"""Module with an object `command`, and its one-line help."""


OTHER_WORDS = {
    "list": ("ls",), "queues": ("ls-queues",), "status": ("ls-queues",), "info": ("show",), "get": ("show",),
    "inspect": ("show",), "push": ("enqueue",), "put": ("enqueue",), "add": ("enqueue",), "submit": ("enqueue",),
    "create": ("add", "enqueue"),
    "worker": ("work",), "start": ("work",), "delete": ("rm", "purge"), "remove": ("rm", "purge"), "clear": ("purge", "rm"),
    "retry": ("dlq requeue", "requeue"), "dead": ("dlq ls",), "failed": ("dlq ls",), "purge": ("dlq purge",),
    "stop": ("cancel", "pause"), "kill": ("cancel",), "unpause": ("resume",), "schedule": ("cron add",),
    "schedules": ("cron ls",),
}  # fmt: skip
"""What other programs call what ours call so; the first that a group has is meant."""


class LazyGroup(click.Group):
    """`sections` maps titles to tables of commands."""

    def __init__(self, *args: Any, sections: Mapping[str, Mapping[str, Entry]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params = [*self.params, *GLOBAL_OPTIONS]
        self._sections = sections
        self._table = {name: entry for entries in sections.values() for name, entry in entries.items()}

    def list_commands(self, context: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return list(self._table)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command, imported now."""
        if name not in self._table:
            return None
        command: click.Command = import_module(self._table[name][0]).command
        return command

    def resolve_command(self, context: click.Context, args: list[str]) -> Any:
        """The command that the first argument names; an unknown one is refused with near names."""
        if args and args[0] not in self._table:
            near = self._near(args[0])
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise click.UsageError(f"no such command: {args[0][:60]!r}{hint}", context)
        return super().resolve_command(context, args)

    def _near(self, word: str) -> list[str]:
        from difflib import get_close_matches

        meant = [name for name in OTHER_WORDS.get(word, ()) if name.partition(" ")[0] in self._table]
        return [*dict.fromkeys([*meant[:1], *get_close_matches(word, self._table, n=3)])]

    def shell_complete(self, context: click.Context, incomplete: str) -> list[Any]:
        """The names that begin like this, from the table; the group's own options."""
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=help) for name, (_, help) in self._table.items() if name.startswith(incomplete)
        ]
        return [*names, *click.Command.shell_complete(self, context, incomplete)]

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, by section."""
        for title, entries in self._sections.items():
            with formatter.section(title):
                formatter.write_dl([(name, help) for name, (_, help) in entries.items()])
