"""The hooks of a server: they hear what is done through the Admin API, by its maintenance, by its schedules, and through the HTTP
backend by clients that have no hooks of their own. A client that has some tells by itself, as every process does that has."""

from collections.abc import Callable
from functools import partial

from jq_cli.backends.base import Backend
from jq_cli.cli.session import say
from jq_cli.config.hook_specs import specs
from jq_cli.config.settings import Settings
from jq_cli.hooks.emitter import Emitter
from jq_cli.hooks.observed import emitter_of, seen_through
from jq_cli.hooks.part import HookPart, figures
from jq_cli.hooks.spec import check_kind
from jq_cli.metrics.meters import Meters

IDLE = 1.0
"""Seconds between two turns where nothing is told."""


class Hooks:
    """The configured hooks before the store of the server's own namespace; `meters` count what they send and drop. Raises
    ConfigError and UsageError for one that cannot be run."""

    def __init__(self, settings: Settings, meters: Meters) -> None:
        self._meters = meters
        self._specs = specs(settings)
        self._own = settings.namespace
        for spec in self._specs:
            check_kind(spec)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._specs)

    def telling(self, opener: Callable[[str], Backend]) -> Callable[[str], Backend]:
        """The opener, whose store of the server's own namespace tells its changes."""
        return lambda name: self._observed(opener(name)) if self._specs and name == self._own else opener(name)

    def _observed(self, backend: Backend) -> Backend:
        emitter = Emitter(self._specs, self._own, say=say)
        self._meters.watch_hooks(partial(figures, emitter))
        return seen_through(backend, emitter)


class HookDuty:
    """Hands over what waits for the hooks of a store, and hears what became of it."""

    def __call__(self, backend: Backend) -> float:
        """One turn; gives the seconds until the next."""
        emitter = emitter_of(backend)
        if not isinstance(emitter, Emitter):
            return IDLE
        part = HookPart(emitter)
        part.tick()
        return part.patience()
