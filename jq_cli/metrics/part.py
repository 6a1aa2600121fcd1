"""The metrics' place in a worker: a thread listens, and asks the loop for the store's figures, because the loop alone uses the
store. A scrape that the loop does not answer in time gets the worker's own figures."""

import selectors
import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Condition

import msgspec

from jq_cli.backends.base import Backend, QueueCounts
from jq_cli.draft import check_name
from jq_cli.errors import InvalidField
from jq_cli.metrics.listener import Answer, Listener, plain
from jq_cli.metrics.meters import Meters
from jq_cli.metrics.page import QUEUES, figures, no_figures, page
from jq_cli.metrics.snapshot import Snapshot, Snapshots
from jq_cli.worker.part import Part

PATIENCE = 3.0
"""Seconds that a scrape waits for the loop."""


class MetricsPart(Part):
    """Shows `meters`, and the figures of the worker's store, where `listener` listens. `say` is told where that is."""

    def __init__(
        self, listener: Listener, backend: Backend, meters: Meters, snapshots: Snapshots, say: Callable[[str], None]
    ) -> None:
        self._listener = listener
        listener.answers = self._answer
        self._backend = backend
        self._meters = meters
        self._snapshots = snapshots
        self._say = say
        self._wanted = False
        self._read = Condition()

    def start(self, selector: selectors.BaseSelector) -> None:
        """Begin to answer."""
        self._selector = selector
        self._bell, self._ringer = socket.socketpair()
        for end in (self._bell, self._ringer):
            end.setblocking(False)
        selector.register(self._bell, selectors.EVENT_READ, self._heard)
        self._listener.start()
        self._say(f"metrics on http://{self._listener.address.shown}/metrics")

    def patience(self) -> float:
        """No time to lose when somebody waits."""
        return 0.0 if self._wanted else 60.0

    def talk(self) -> None:
        """Read the store's figures if somebody waits for them."""
        if self._wanted:
            self._snapshots.refresh(self._backend)
            with self._read:
                self._wanted = False
                self._read.notify_all()

    def close(self) -> None:
        """Listen no more."""
        self._listener.stop()
        self._selector.unregister(self._bell)
        self._bell.close()
        self._ringer.close()

    def _heard(self) -> None:
        with suppress(BlockingIOError):
            self._bell.recv(64)

    # --- in threads of the listener ---

    def _answer(self, path: str, accept: str) -> Answer:
        if path == "/metrics":
            body, kind = page(self._meters, self._snapshot(), accept)
            return Answer(200, kind, body)
        if not path.startswith(QUEUES):
            return plain(404, f"no such path; there are /metrics and {QUEUES}NAME")
        return self._queue(path.removeprefix(QUEUES))

    def _queue(self, name: str) -> Answer:
        try:
            check_name(name)
        except InvalidField as error:
            return plain(400, str(error))
        snapshot = self._snapshot()
        if snapshot is None:
            return plain(503, "the store does not answer")
        return Answer(200, "application/json", msgspec.json.encode(_figures(snapshot.counts, name)))

    def _snapshot(self) -> Snapshot | None:
        with self._read:
            fresh = self._snapshots.fresh()
            if fresh is None:
                self._wanted = True
                with suppress(OSError):  # it rings already, or the worker ends
                    self._ringer.send(b".")
                fresh = self._read.wait_for(self._snapshots.fresh, PATIENCE)
            return fresh


def _figures(counts: list[QueueCounts], name: str) -> object:
    return next((figures(each) for each in counts if each.queue == name), no_figures(name))
