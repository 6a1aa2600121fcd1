"""What readers ask of the tables."""

from jq_cli.backends.base import Controls, QueueCounts
from jq_cli.backends.objects.queue import Place, Queue
from jq_cli.backends.objects.row import Row
from jq_cli.backends.objects.tables import Tables
from jq_cli.job import STATES


def due(tables: Tables, limit: int, now: int) -> list[tuple[str, Row]]:
    """The rows whose wake-up passed, earliest first, each with its queue."""
    wakes = sorted(
        (wake, id, name) for name, queue in tables.queues.items() for wake, id in queue.wakes.upto((now, "~"))[:limit]
    )
    return [(name, tables.queues[name].rows[id]) for _, id, name in wakes[:limit]]


def ended_keys(tables: Tables, now: int, limit: int) -> list[Place]:
    """Unique keys that ended: when, of which queue, which."""
    return tables.ends.upto((now, "~", ""))[:limit]


def held(tables: Tables, worker: str) -> list[tuple[str, Row]]:
    """The running rows of a worker, each with its queue."""
    return [
        (name, queue.rows[id])
        for name, queue in tables.queues.items()
        for _, id in queue.orders["running"].items
        if queue.rows[id].owner == worker
    ]


def counts(queue: Queue, name: str, now: int) -> QueueCounts:
    """What a queue holds. Reads no body."""
    queue.take_in(now)
    states = {state: len(queue.orders[state].items) for state in STATES}
    oldest = min((ready_at for _, ready_at, _ in queue.orders["ready"].items), default=None)
    return QueueCounts(name, now, states, oldest, dict(queue.totals), queue.controls or Controls())
