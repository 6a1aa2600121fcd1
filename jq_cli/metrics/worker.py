"""The metrics of one worker, put together: what stands before its store, and what lives in its loop."""

from collections.abc import Callable
from functools import partial

from jq_cli.backends.base import Backend
from jq_cli.config.settings import Settings
from jq_cli.hooks.observed import emitter_of
from jq_cli.hooks.part import figures
from jq_cli.metrics.address import parse_address
from jq_cli.metrics.labels import QueueLabels
from jq_cli.metrics.listener import Listener
from jq_cli.metrics.measured import measured
from jq_cli.metrics.meters import Meters
from jq_cli.metrics.part import MetricsPart
from jq_cli.metrics.snapshot import Snapshots
from jq_cli.worker.part import Part


class WorkerMetrics:
    """Shows itself at an address, the text of `--metrics-port`, if there is one. Raises UsageError when it is no address, or one
    that cannot be had."""

    def __init__(self, address: str | None, settings: Settings, say: Callable[[str], None]) -> None:
        self._listener = None if address is None else Listener(parse_address(address))
        self._settings = settings
        self._say = say
        self.meters = Meters(QueueLabels(settings.queues))

    def around(self, backend: Backend) -> Backend:
        """The worker's store, measured."""
        return measured(backend, self.meters)

    def parts(self, backend: Backend) -> list[Part]:
        """What the worker gives turns to."""
        emitter = emitter_of(backend)
        if emitter is not None:
            self.meters.watch_hooks(partial(figures, emitter))
        if self._listener is None:
            return []
        return [MetricsPart(self._listener, backend, self.meters, Snapshots(self._settings), self._say)]
