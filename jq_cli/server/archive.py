"""The history of jobs that the server's `history` hook keeps in Postgres, read for callers of the Admin API."""

import asyncio
from itertools import islice
from typing import Any

from jq_cli.config.hook_specs import history_place
from jq_cli.config.settings import Settings
from jq_cli.errors import InvalidField, NotFound, UsageError

READERS = 4
"""Requests that read the history at once; others wait their turn."""

Cursor = tuple[int, str]
"""Moment (ms) and id of the last event that was told."""


class Archive:
    """Reads events on threads of its own: a database that is slow, or gone, holds up nobody who asks for something else."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._turns = asyncio.Semaphore(READERS)

    async def events(
        self, filters: dict[str, Any], *, namespace: str | None, limit: int, after: Cursor | None
    ) -> list[dict[str, Any]]:
        """The events of a namespace (None: the server's own) that the filters mean, newest first. Raises NotFound when no history
        is kept, BackendError and its kin for trouble with its database."""
        place = history_place(self._settings)
        if place is None:
            raise NotFound(
                "no history is kept here: set POSTGRES_DSN, or hooks.history.url in the configuration of the server"
            )
        filters = {"namespace": namespace or self._settings.namespace, **filters}
        async with self._turns:
            return await asyncio.to_thread(_read, place, filters, limit, after)


def _read(place: dict[str, Any], filters: dict[str, Any], limit: int, after: Cursor | None) -> list[dict[str, Any]]:
    try:
        from jq_cli.hooks.history.reader import Filters, History
    except ModuleNotFoundError as error:
        raise UsageError(f"the history needs the module {error.name!r}: pip install 'jq-cli[postgres]'") from error
    with History(**place) as history:
        return list(islice(history.events(Filters(**filters), limit=limit, after=after), limit))


def cursor_of(event: dict[str, Any]) -> str:
    """The cursor that goes on after an event."""
    return f"{event['at']}.{event['id']}"


def parse_cursor(text: str) -> Cursor:
    """The place that a cursor stands for. Raises InvalidField for what is none."""
    at, dot, id = text.partition(".")
    if not (dot and id and len(at) <= 15 and at.isascii() and at.isdecimal()):
        raise InvalidField("cursor", f"{text[:40]!r} does not come from a history")
    return int(at), id
