"""What an emitter and its courier say to each other, as msgpack over a socketpair. Pure data."""

import msgspec

from jq_cli.hooks.event import Event
from jq_cli.hooks.spec import HookSpec


class Assignment(msgspec.Struct, frozen=True, tag=0):
    """Emitter to courier, first: the hooks, and the seconds they may take once there is nothing more."""

    hooks: list[HookSpec]
    flush: float


class Told(msgspec.Struct, frozen=True, tag=1):
    """Emitter to courier: events, in order."""

    events: list[Event]


class Count(msgspec.Struct, omit_defaults=True):
    """What became of a hook's events. `skipped` ones are those it does not want; `error` is what went wrong last."""

    sent: int = 0
    dropped: int = 0
    skipped: int = 0
    error: str = ""

    @property
    def seen(self) -> int:
        """Events that are done with."""
        return self.sent + self.dropped + self.skipped


class Report(msgspec.Struct, frozen=True):
    """Courier to emitter: the counts by hook, since the courier began."""

    counts: dict[str, Count]
