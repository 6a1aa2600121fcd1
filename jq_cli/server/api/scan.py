"""Goes through the jobs of a queue that a filter means, a page at a time, so that other requests get their turn in between."""

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import NamedTuple

from jq_cli.backends.base import Page
from jq_cli.client import PAGE, Client
from jq_cli.errors import InvalidField
from jq_cli.job import STATES, Job, State
from jq_cli.server.api.desk import Desk
from jq_cli.triage.filter import JobFilter

ORDER: tuple[State, ...] = ("running", "ready", "scheduled", "dead", "cancelled", "succeeded")
"""States of one listing: first what moves."""

PAGES = 20
"""Pages that one request looks at, at most."""


class Seen(NamedTuple):
    """The jobs of a page that are meant, and the cursor behind them; None at the end."""

    jobs: list[Job]
    cursor: str | None


class Search(NamedTuple):
    """What a listing or an order looks for, from where on; at most `limit` jobs are looked at at once."""

    queue: str
    states: Sequence[State]
    jobs: JobFilter
    cursor: str | None = None
    limit: int = PAGE
    reverse: bool = False


async def scan(
    desk: Desk, search: Search, pages: int = PAGES, *, room: Callable[[], int] = lambda: PAGE
) -> AsyncIterator[Seen]:
    """Pages of jobs, state by state. Ends after so many of them, or when there is no `room` for more: as no page is larger than
    that, no cursor has to point into one."""
    order = [state for state in ORDER if state in search.states]
    state, inner = _place(search.cursor, order)
    now = await desk.ask(lambda client: client.backend.now())
    for _ in range(pages):
        page = await desk.ask(partial(_look, search._replace(limit=min(search.limit, room())), state, inner))
        following = _next(order, state) if page.cursor is None else state
        state, inner = following or state, page.cursor
        found = [job for job in page.jobs if search.jobs.matches(job, now)]
        yield Seen(found, following and f"{following}.{inner or ''}")
        if following is None or room() < 1:
            return


def _look(search: Search, state: State, cursor: str | None, client: Client) -> Page:
    limit = min(search.limit, PAGE)
    return client.backend.page(search.queue, state, cursor=cursor, limit=limit, reverse=search.reverse)


def _place(cursor: str | None, order: Sequence[State]) -> tuple[State, str | None]:
    if cursor is None:
        return order[0], None
    name, dot, inner = cursor.partition(".")
    found = [state for state in STATES if state == name and state in order]
    if not found or not dot:
        raise InvalidField("cursor", f"{cursor[:40]!r} does not come from a listing of these states")
    return found[0], inner or None


def _next(order: Sequence[State], state: State) -> State | None:
    at = order.index(state) + 1
    return order[at] if at < len(order) else None
