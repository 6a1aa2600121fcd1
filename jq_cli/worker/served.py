"""The queues a worker serves, and the hints that there is new work on them."""

import selectors
from collections.abc import Container

from jq_cli.backends.base import Backend, Watch
from jq_cli.errors import BackendError


class Served:
    """The named queues, in their order; without names every queue in `handled` (`*`: all), each first in its turn.

    `dry` says that the last claim found nothing and that no hint came since; `hints` counts them.
    """

    def __init__(
        self, backend: Backend, named: tuple[str, ...], handled: Container[str], selector: selectors.BaseSelector
    ) -> None:
        self.queues = named
        self.dry = False
        self.hints = 0
        self._backend = backend
        self._named = bool(named)
        self._handled = handled
        self._selector = selector
        self._watch: Watch | None = None
        self._watched: tuple[str, ...] = ()

    @property
    def hinted(self) -> bool:
        """Whether new work is announced."""
        return self._watch is not None

    def look_up(self) -> None:
        """Find the queues to serve, and watch them for new work."""
        if not self._named:
            found = [q for q in self._backend.queues() if "*" in self._handled or q in self._handled]
            kept = tuple(q for q in self.queues if q in found)
            self.queues = kept + tuple(q for q in found if q not in kept)
        served = tuple(sorted(self.queues))
        if served != self._watched:
            self._rewatch(served)

    def turn(self) -> tuple[str, ...]:
        """The queues to claim from now. Unnamed ones rotate."""
        queues = self.queues
        if not self._named and len(queues) > 1:
            self.queues = (*queues[1:], queues[0])
        return queues

    def close(self) -> None:
        """Stop watching."""
        if self._watch is not None:
            self._selector.unregister(self._watch)
            self._watch.close()
            self._watch = None

    def _rewatch(self, queues: tuple[str, ...]) -> None:
        self.close()
        self._watch = self._backend.watch([f"ready:{queue}" for queue in queues])
        self._watched = queues
        if self._watch is not None:
            self._selector.register(self._watch, selectors.EVENT_READ, self._on_hint)
        self.dry = False

    def _on_hint(self) -> None:
        assert self._watch is not None
        try:
            self._watch.drain()
        except BackendError:
            # Polling goes on; hints come back with the next look-up.
            self.close()
            self._watched = ()
        self.dry = False
        self.hints += 1
