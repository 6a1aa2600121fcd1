"""What completion offers for arguments: names of queues, ids of the queue named before. Whatever goes wrong offers nothing."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import click

from jq_cli.cli.session import Session
from jq_cli.client import Client
from jq_cli.errors import JqError
from jq_cli.job import STATES, State

MOST = 100
"""Ids offered at most."""

Suggest = Callable[[click.Context, click.Parameter, str], list[str]]


def queues(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of queues that begin like this."""
    return _offered(context, incomplete, lambda client: client.queues())


def ids_in(*states: State) -> Suggest:
    """Ids of jobs in these states (none given: in any), of the queue named before; until one is named, queues."""

    def suggest(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        queue = _queue_before(context)
        if queue is None or context.params.get("every"):
            return queues(context, parameter, incomplete)
        return _offered(context, incomplete, lambda client: _ids(client, queue, states or STATES))

    return suggest


def schedules(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of schedules that begin like this."""
    from jq_cli.cron.schedules import Schedules  # reads expressions and zones, which most completions need not

    return _offered(
        context, incomplete, lambda client: (each.name for each in Schedules(client.backend, client.settings).all())
    )


def timezones(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """IANA names that begin like this."""
    from zoneinfo import available_timezones

    return sorted(name for name in available_timezones() if name.startswith(incomplete))


def states(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """States that begin like this."""
    return [state for state in (*STATES, "all") if state.startswith(incomplete)]


def _queue_before(context: click.Context) -> str | None:
    names = context.params.get("names") or context.params.get("queue")
    return names[0] if isinstance(names, tuple) and names else names or None


def _ids(client: Client, queue: str, states: Iterable[State]) -> Iterator[str]:
    for state in states:
        for job in client.jobs(queue, state):
            yield job.id


def _offered(context: click.Context, incomplete: str, candidates: Callable[[Client], Iterable[str]]) -> list[str]:
    session = context.find_object(Session) or Session()
    try:
        with session.client() as client:
            return list(islice((text for text in candidates(client) if text.startswith(incomplete)), MOST))
    except JqError:
        return []
