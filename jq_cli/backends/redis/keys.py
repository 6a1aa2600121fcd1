"""The names under which a namespace lives in Redis; lua/prelude.lua says what is in them."""

from collections.abc import Sequence

PARTS = (
    "jobs", "payloads", "leases", "outputs", "ready", "scheduled", "running", "succeeded", "cancelled",
    "succeeded_kept", "cancelled_kept", "dead", "wake", "keys", "keyends", "totals", "controls",
)  # fmt: skip
"""Parts of a queue, in the order in which scripts expect their keys."""

INSERTED = ("jobs", "payloads", "ready", "totals", "scheduled", "wake")
KEYED = ("keys", "keyends")
"""Those that an insert touches, and those that one of jobs with keys touches too, in the order in which its script expects them.
Each costs the server and the client a little, which shows where jobs come one by one."""


class Keys:
    """The keys of one namespace."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self.queues = f"{namespace}:queues"
        self.notes = f"{namespace}:notes"
        self._made: dict[str, tuple[bytes, ...]] = {}
        self._inserted: dict[tuple[str, bool], tuple[bytes, ...]] = {}

    def part(self, queue: str, part: str) -> str:
        """The key, or the channel, that holds a part of a queue. Names of queues hold no braces, so all parts of one lie
        in the same slot of a cluster."""
        return f"{self._namespace}:{{{queue}}}:{part}"

    def of(self, queues: Sequence[str]) -> tuple[bytes, ...]:
        """All keys of the queues, as scripts take them."""
        if len(queues) == 1:
            return self._of(queues[0])
        return tuple(key for queue in queues for key in self._of(queue))

    def inserted(self, queue: str, *, keyed: bool) -> tuple[bytes, ...]:
        """The keys of a queue that an insert touches, of jobs with keys of their own or without."""
        made = self._inserted.get((queue, keyed))
        if made is None:
            parts = INSERTED + KEYED if keyed else INSERTED
            made = self._inserted[queue, keyed] = tuple(self.part(queue, part).encode() for part in parts)
        return made

    def _of(self, queue: str) -> tuple[bytes, ...]:
        made = self._made.get(queue)
        if made is None:
            made = self._made[queue] = tuple(self.part(queue, part).encode() for part in PARTS)
        return made
