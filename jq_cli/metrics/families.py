"""What is read when somebody asks, in the form that prometheus-client prints."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from jq_cli.backends.base import QueueCounts
from jq_cli.job import STATES
from jq_cli.metrics.labels import QueueLabels
from jq_cli.metrics.snapshot import Snapshot

TOTALS = {
    "enqueued": ("enqueued", "Jobs put on the queue, ever."),
    "succeeded": ("succeeded", "Jobs that succeeded, ever."),
    "failed": ("failed", "Executions that failed, ever; their jobs may have been tried again."),
    "dead": ("dead", "Jobs that went to the dead letter queue, ever."),
    "recovered": ("recovered", "Executions whose worker or process vanished under them, ever."),
    "duplicate": ("duplicates", "Jobs not made because they were there already, ever."),
}
"""By metric: the queue's total behind it, and its help."""


def store_families(snapshot: Snapshot | None, labels: QueueLabels) -> Iterator[Metric]:
    """The store's figures; without an answer from it no more than that there was none."""
    yield GaugeMetricFamily("jq_store_up", "Whether the store answered: 1 or 0.", value=snapshot is not None)
    if snapshot is None:
        return
    groups = _grouped(snapshot.counts, labels)
    yield GaugeMetricFamily("jq_queues", "Queues there are.", value=len(snapshot.counts))
    yield GaugeMetricFamily("jq_workers", "Workers with a valid heartbeat.", value=snapshot.workers)
    yield GaugeMetricFamily("jq_schedules", "Cron schedules.", value=snapshot.schedules)
    yield GaugeMetricFamily("jq_scheduler_lag_seconds", "How late the latest schedule is.", value=snapshot.lag)
    yield _states(groups)
    yield _gauge(
        "jq_queue_oldest_ready_age_seconds", "Age of the oldest ready job; 0 when none is ready.", groups, _age
    )
    yield _gauge("jq_queue_paused", "Whether the queue is paused; of others how many.", groups, _paused)
    for name, (total, text) in TOTALS.items():
        family = CounterMetricFamily(f"jq_jobs_{name}", text, labels=["queue"])
        for label, counts in groups.items():
            family.add_metric([label], sum(each.totals.get(total, 0) for each in counts))
        yield family


Groups = dict[str, list[QueueCounts]]


def _grouped(counts: Iterable[QueueCounts], labels: QueueLabels) -> Groups:
    groups: Groups = {}
    for each in counts:
        groups.setdefault(labels.of(each.queue), []).append(each)
    return groups


def _states(groups: Groups) -> Metric:
    family = GaugeMetricFamily("jq_queue_jobs", "Jobs by state.", labels=["queue", "state"])
    for label, counts in groups.items():
        for state in STATES:
            family.add_metric([label, state], sum(each.states.get(state, 0) for each in counts))
    return family


def _gauge(name: str, text: str, groups: Groups, value: Callable[[list[QueueCounts]], float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=["queue"])
    for label, counts in groups.items():
        family.add_metric([label], value(counts))
    return family


def age(counts: QueueCounts) -> float:
    """Seconds since the oldest ready job of a queue became ready; 0 when none is."""
    return 0.0 if counts.oldest_ready_at is None else max(0, counts.now - counts.oldest_ready_at) / 1_000


def _age(counts: list[QueueCounts]) -> float:
    return max(map(age, counts))


def _paused(counts: list[QueueCounts]) -> float:
    return sum(each.controls.holds(each.now) for each in counts)


class HookCounts:
    """A collector of what became of the events of hooks."""

    def __init__(self, counts: Callable[[], dict[str, dict[str, int]]]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """As prometheus-client asks for it."""
        for what, text in (("sent", "Events that hooks delivered."), ("dropped", "Events that hooks dropped.")):
            family = CounterMetricFamily(f"jq_hook_events_{what}", text, labels=["hook"])
            for hook, counts in self._counts().items():
                family.add_metric([hook], counts[what])
            yield family
