"""The figures of one process, as prometheus-client keeps them: what went by between it and the store."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, Info, ProcessCollector, disable_created_metrics

from jq_cli.metrics.labels import QueueLabels

# They would be a series more for each label, which nobody queries.
disable_created_metrics()  # type: ignore[no-untyped-call]

RUN = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
WAIT = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400)
LAG = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
CALL = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
"""Upper bounds of buckets, in seconds."""


class Meters:
    """Counts what it is told. All times in seconds. A name that is not asked for costs nothing."""

    def __init__(self, labels: QueueLabels) -> None:
        self.labels = labels
        self.registry = CollectorRegistry()
        self._run = self._histogram("jq_job_run_seconds", "From taking a job to recording its outcome.", RUN)
        self._wait = self._histogram("jq_job_wait_seconds", "From the moment a job was ready to its being taken.", WAIT)
        self._losses = Counter(
            "jq_lease_losses",
            "Jobs that somebody else took while this process ran them.",
            ["queue"],
            registry=self.registry,
        )
        self._recovery = Histogram(
            "jq_recovery_lag_seconds",
            "From the end of a dead worker's lease to the recovery of its job.",
            buckets=LAG,
            registry=self.registry,
        )
        self._call = Histogram(
            "jq_store_call_seconds", "Round trips to the store.", ["call"], buckets=CALL, registry=self.registry
        )
        self._errors = Counter(
            "jq_store_errors",
            "Calls that the store did not answer, or with an error.",
            ["call"],
            registry=self.registry,
        )
        Info("jq_build", "What runs.", registry=self.registry).info({"version": version("jq-cli")})
        ProcessCollector(registry=self.registry)
        self._made: dict[tuple[int, str], Any] = {}
        self._hooks: list[Callable[[], dict[str, dict[str, int]]]] = []

    def ran(self, queue: str, seconds: float) -> None:
        """An outcome was recorded."""
        self._of(self._run, self.labels.of(queue)).observe(seconds)

    def waited(self, queue: str, seconds: float) -> None:
        """A job was taken that was ready for so long."""
        self._of(self._wait, self.labels.of(queue)).observe(seconds)

    def lost(self, queue: str) -> None:
        """A lease was lost."""
        self._of(self._losses, self.labels.of(queue)).inc()

    def recovered(self, seconds: float) -> None:
        """A job was taken back, so long after its lease had ended."""
        self._recovery.observe(seconds)

    def called(self, call: str, seconds: float) -> None:
        """The store answered a call, or failed to."""
        self._of(self._call, call).observe(seconds)

    def failed(self, call: str) -> None:
        """A call had an error for its answer, or none."""
        self._of(self._errors, call).inc()

    def watch_hooks(self, counts: Callable[[], dict[str, dict[str, int]]]) -> None:
        """Show what became of the events of each hook: by its name, how many were `sent` and `dropped`. A worker and the
        server in it both tell the same hooks; what they say is added up."""
        from jq_cli.metrics.families import HookCounts

        self._hooks.append(counts)
        if len(self._hooks) == 1:
            self.registry.register(HookCounts(self._hook_counts))

    def _hook_counts(self) -> dict[str, dict[str, int]]:
        told: dict[str, dict[str, int]] = {}
        for name, each in (item for counts in self._hooks for item in counts().items()):
            before = told.get(name, {})
            told[name] = {what: before.get(what, 0) + count for what, count in each.items()}
        return told

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, text, ["queue"], buckets=buckets, registry=self.registry)

    def _of(self, metric: Any, label: str) -> Any:
        """The part of a metric with this label; looking it up in the metric itself takes longer than counting."""
        key = (id(metric), label)
        if key not in self._made:
            self._made[key] = metric.labels(label)
        return self._made[key]
