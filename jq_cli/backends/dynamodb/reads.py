"""Reading without changing anything: counts, controls, listings, payloads that lie apart."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from jq_cli.backends.base import Controls
from jq_cli.backends.dynamodb.client import Client
from jq_cli.backends.dynamodb.keys import LAST, Keys, moment, queue_of, within
from jq_cli.backends.dynamodb.rows import Item, job_of
from jq_cli.job import Job, State


def counters(client: Client, keys: Keys, queue: str) -> dict[str, int]:
    """Every count of a queue by its name: a state, `counted` (finished jobs among the last so many), or `total:` and a total."""
    return _sums(client.query(keys.home(queue), "sk", "c/", "c/~"))


def overview(client: Client, keys: Keys, queue: str) -> tuple[dict[str, int], Controls]:
    """The counters of a queue and what an operator set: they lie side by side, so one query gives both."""
    items = list(client.query(keys.home(queue), "sk", "c/", "control"))
    control = items.pop() if items and items[-1]["sk"] == "control" else None
    return _sums(items), controls_of(control)


def _sums(items: Iterable[Item]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for item in items:
        for name, value in item.items():
            if isinstance(value, int):
                sums[name] = sums.get(name, 0) + value
    return sums


def controls_of(item: Item | None) -> Controls:
    """What an operator set, from the item that holds it."""
    return Controls() if item is None else msgspec.json.decode(item["controls"], type=Controls)


class Span(NamedTuple):
    """A part of an index: from one text to another, both included."""

    by: str
    low: str
    high: str


def merged(client: Client, partitions: Sequence[str], span: Span, limit: int, *, reverse: bool = False) -> list[Item]:
    """The first so many items of several partitions, in the order of an index."""
    items = [item for pk in partitions for item in client.query(pk, *span, limit=limit, reverse=reverse)]
    return sorted(items, key=lambda item: str(item[span.by]), reverse=reverse)[:limit]


def span_of(state: State) -> Span:
    """All jobs in a state, in its order."""
    return Span("place", *within(state))


def due_span(now: int) -> Span:
    """The scheduled jobs whose delay has ended."""
    low, _ = within("scheduled")
    return Span("place", low, low + moment(now, LAST))


def jobs_of(client: Client, keys: Keys, items: Sequence[Item], now: int | None) -> list[Job]:
    """The jobs in items with their payloads, as a reader sees them: one that is due is ready. `now` None: as they are stored."""
    wanted = [
        keys.part(queue_of(item["pk"]), item["sk"].removeprefix("j/"), number)
        for item in items
        for number in range(item.get("parts", 0))
    ]
    found = client.get(wanted) if wanted else {}
    jobs = [_whole(keys, item, found) for item in items]
    return jobs if now is None else [_seen(job, now) for job in jobs]


def _whole(keys: Keys, item: Item, found: dict[tuple[str, str], Item]) -> Job:
    queue, id = queue_of(item["pk"]), item["sk"].removeprefix("j/")
    parts = (found.get(keys.part(queue, id, number), {}) for number in range(item.get("parts", 0)))
    return job_of(item, b"".join(part.get("data", b"") for part in parts))


def _seen(job: Job, now: int) -> Job:
    return replace(job, state="ready") if job.state == "scheduled" and job.ready_at <= now else job
