"""The hooks' place in a worker's loop: hands over what waits, and tells the store how many events were sent and dropped."""

from jq_cli.backends.base import Backend
from jq_cli.hooks.emitter import Emitter
from jq_cli.hooks.observed import emitter_of
from jq_cli.worker.part import Part

EVERY = 1.0
SOON = 0.05
"""Seconds between two turns, and when something waits to be handed over."""


class HookPart(Part):
    """Takes turns for an emitter."""

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter

    def patience(self) -> float:
        """Seconds until there is something to hand over or to hear."""
        return SOON if self._emitter.waiting else EVERY

    def tick(self) -> None:
        """Hand over, and hear what became of it."""
        self._emitter.pump()

    def registration(self) -> dict[str, object]:
        """The counts, for `jq workers`."""
        return {"hooks": figures(self._emitter)}


def figures(emitter: Emitter) -> dict[str, dict[str, int]]:
    """How many events of each hook were sent and dropped."""
    return {name: {"sent": each.sent, "dropped": each.dropped} for name, each in emitter.counts().items()}


def hook_parts(backend: Backend) -> list[Part]:
    """What a worker on this backend must give turns to: nothing when no hook is configured."""
    emitter = emitter_of(backend)
    return [HookPart(emitter)] if isinstance(emitter, Emitter) else []
