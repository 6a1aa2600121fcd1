"""What stands before a store must know of each call by which jobs are put in, handed out or settled: one that it does not know
would go past it without a word."""

import inspect
from collections.abc import Callable, Sequence

from jq_cli.backends.base import Backend, Claim, Turned
from jq_cli.backends.memory.backend import MemoryBackend
from jq_cli.change import Change

SEAM = {name: value for name, value in vars(Backend).items() if callable(value) and not name.startswith("_")}


def calls_about(*kinds: str) -> set[str]:
    """The calls of the seam that take or give these."""
    return {name for name, call in SEAM.items() if any(kind in str(inspect.signature(call)) for kind in kinds)}


class Halves(MemoryBackend):
    """A store that answers a turn in two halves."""

    def begin(self, changes: Sequence[Change], claim: Claim) -> Callable[[], Turned]:
        turned = self.turn(changes, claim)
        return lambda: turned
