"""Where everything lies in the table. Each item has a partition key `pk` and a sort key `sk`:

    pk                     sk                what
    NS                     q/QUEUE           that the queue exists
    NS/notes               KEY               a note
    NS/QUEUE/SHARD         j/ID              a job; SHARD is made from its id
    NS/QUEUE/SHARD         o/ID              its captured output and progress
    NS/QUEUE/SHARD         p/ID/N            part N of its payload, where it is too large to lie in the job's item
    NS/QUEUE/0             control           what an operator set
    NS/QUEUE/0             c/N               one of the counters; a count is their sum
    NS/QUEUE/0             k/NAME            a dedup or idempotency key

Three local indexes, each by a text that only some items have, order the items of a partition. They are as consistent as
the table:

    place   every job: its state and its place in it, so that one query lists a state in its order
    wake    what must be looked at when a moment has passed: leases, expiries, retention, keys
    kept    finished jobs of which a queue keeps only the last so many

No name in here holds a slash: names of queues and namespaces cannot.
"""

import re
from zlib import crc32

from jq_cli.draft import MAX_PRIORITY
from jq_cli.errors import InvalidField
from jq_cli.job import STATES, Job, State

Key = tuple[str, str]
"""(pk, sk)."""

COUNTERS = 8
"""So many items count for a queue, so that writers rarely meet in one."""

LETTERS: dict[State, str] = dict(zip(STATES, "abcdef", strict=True))
STATE_OF = {letter: state for state, letter in LETTERS.items()}
_PLACE = re.compile(r"(?:b/[0-9]{4}|[acdef])/[0-9]{13}/[0-9A-Z]{26}")
LAST = "~"
"""Sorts after every character of our names."""


class Keys:
    """The keys of a namespace."""

    def __init__(self, namespace: str, shards: int) -> None:
        self.root = namespace
        self.notes = f"{namespace}/notes"
        self._shards = shards

    def home(self, queue: str) -> str:
        """The partition with what belongs to the queue as a whole."""
        return f"{self.root}/{queue}/0"

    def partitions(self, queue: str) -> list[str]:
        """The partitions with the queue's jobs."""
        return [f"{self.root}/{queue}/{shard}" for shard in range(self._shards)]

    def of(self, queue: str, id: str) -> str:
        """The partition of a job."""
        return f"{self.root}/{queue}/{crc32(id.encode()) % self._shards}"

    def job(self, queue: str, id: str) -> Key:
        return self.of(queue, id), f"j/{id}"

    def output(self, queue: str, id: str) -> Key:
        return self.of(queue, id), f"o/{id}"

    def part(self, queue: str, id: str, number: int) -> Key:
        return self.of(queue, id), f"p/{id}/{number}"

    def control(self, queue: str) -> Key:
        return self.home(queue), "control"

    def counter(self, queue: str, number: int) -> Key:
        return self.home(queue), f"c/{number}"

    def unique(self, queue: str, name: str) -> Key:
        return self.home(queue), f"k/{name}"


def queue_of(pk: str) -> str:
    """The queue that a partition belongs to."""
    return pk.split("/")[1]


def place(job: Job) -> str:
    """The place of a job in its state, in text that sorts as the state is ordered."""
    letter = LETTERS[job.state]
    if job.state == "ready":
        return f"{letter}/{MAX_PRIORITY - job.priority:04d}/{job.ready_at:013d}/{job.id}"
    moments = {"scheduled": job.ready_at, "running": job.lease_until}
    return f"{letter}/{moments.get(job.state, job.finished_at) or 0:013d}/{job.id}"


def within(state: State) -> tuple[str, str]:
    """The least and the greatest place in a state."""
    return f"{LETTERS[state]}/", f"{LETTERS[state]}/{LAST}"


def read_cursor(cursor: str, state: State) -> str:
    """The place at which a page of a state ended. Raises InvalidField for what no listing of it gave."""
    if not _PLACE.fullmatch(cursor) or cursor[0] != LETTERS[state]:
        raise InvalidField("cursor", f"{cursor[:40]!r} does not come from a listing")
    return cursor


def before(place: str) -> str:
    """A text above every place less than this one, and below this one. Places of one state end in ids of one length."""
    return place[:-1] + chr(ord(place[-1]) - 1) + LAST


def after(place: str) -> str:
    """A text above this place and below every greater one."""
    return place + "!"


def moment(ms: int, what: str) -> str:
    """A text that sorts by the moment."""
    return f"{ms:013d}/{what}"
