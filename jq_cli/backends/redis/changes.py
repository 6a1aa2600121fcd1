"""Changes as the arguments of the script `turn`. Changes of one shape (same new state, same policy) share a description."""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from jq_cli.backends.redis.batches import STEP, by_queue
from jq_cli.backends.redis.connection import Word
from jq_cli.backends.redis.rows import lease_start, open_lease, open_row, score_of, text_of
from jq_cli.change import Change
from jq_cli.job import FINAL, Job

Part = tuple[str, Sequence[int]]
"""A queue, and changes of it as numbers into a sequence."""

_FIXED = 2


class Shape(msgspec.Struct, frozen=True, omit_defaults=True):
    """What changes of a kind have in common; see lua/settle.lua."""

    to: str
    fenced: bool
    stamp: str | None = None
    base: int = 0
    stop: bool = False
    keep: int | None = None
    cap: int | None = None
    totals: tuple[str, ...] = ()
    payload: bool = False
    output: bool = False
    lease: bool = False
    expires: bool = False
    keys: bool = False


class Packed:
    """Changes of one or more queues, ready to send: `shapes` and `sections` are arguments of the script, whose keys are those of
    `queues`, at first the given ones."""

    def __init__(self, queues: Sequence[str] = ()) -> None:
        self.queues = list(queues)
        self.sections: list[Word] = []
        self._shapes: dict[Shape, bytes] = {}

    @property
    def shapes(self) -> bytes:
        """The descriptions, in the order of their numbers, as JSON."""
        encoded = [_described(shape) for shape in self._shapes]
        return msgspec.json.encode(encoded)

    def add(self, queue: str, changes: Sequence[Change]) -> None:
        """Append changes of one queue, whose ids differ."""
        if queue not in self.queues:
            self.queues.append(queue)
        self.sections += (self.queues.index(queue) + 1, len(changes))
        run, kind, size, size_at = None, None, 0, 0
        for change in changes:
            alike = change.like or _kind(change)
            row = b"" if alike is kind or alike == kind else None
            if row is None:
                kind, shape = alike, _shape(change)
                begun = (self._number(shape), change.expect, _place(change, shape))
                if begun != run:
                    run, size, size_at = begun, 0, len(self.sections) + 3
                    expect = lease_start(change.expect) if change.fenced else text_of(change.expect)
                    self.sections += (begun[0], expect, begun[2], 0)
                row = _row(change, shape)
            size += 1
            self.sections[size_at] = size
            self.sections += (change.id, row)
            self._add_rest(change, shape)

    def _number(self, shape: Shape) -> bytes:
        number = self._shapes.get(shape)
        if number is None:
            number = self._shapes[shape] = b"%d" % (len(self._shapes) + 1)
        return number

    def _add_rest(self, change: Change, shape: Shape) -> None:
        if change.job is not None and (shape.payload or shape.output or shape.lease or shape.expires):
            self._add_parts(change.job, change, shape)
        if shape.keys:
            self.sections.append(len(change.keys))
            for key in change.keys:
                self.sections += (key.name, key.outcome or b"", key.ttl)

    def _add_parts(self, job: Job, change: Change, shape: Shape) -> None:
        if shape.payload:
            self.sections.append(job.payload)
        if shape.output:
            self.sections.append(change.output or b"")
        if shape.lease:
            self.sections.append(open_lease(job, change.mark))
        if shape.expires:
            self.sections.append(job.expires_at or 0)


def _described(shape: Shape) -> dict[str, object]:
    parts = shape.payload + shape.output + shape.lease + shape.expires
    described: dict[str, object] = msgspec.to_builtins(shape)
    return {"base": 0, "totals": (), **described, "width": _FIXED + parts}


def _kind(change: Change) -> Change:
    """The change without what differs among those of jobs that were enqueued and claimed together and ended alike. Where it is
    equal, all that is sent is, but for the id and the parts of a change."""
    job = change.job
    return replace(change, id="", step=None, job=None if job is None else replace(job, id="", payload=b""))


def _row(change: Change, shape: Shape) -> bytes:
    return text_of(change.mark) if change.job is None else open_row(change.job, change.mark, stamp=shape.stamp)


def _shape(change: Change) -> Shape:
    job, keys = change.job, bool(change.keys)
    if job is None:
        return Shape("gone", change.fenced, cap=change.cap, totals=change.totals, keys=keys)
    final = job.state in FINAL
    ready = job.state == "ready"
    stamp = "ready_at" if change.delay is not None else "finished_at" if final and job.finished_at is None else None
    return Shape(
        job.state + "_kept" if final and job.state != "dead" and job.retention is not None else job.state,
        change.fenced,
        stamp,
        base=score_of(job) if ready else 0,
        stop=job.stop and not final,
        keep=change.keep if final else None,
        cap=change.cap,
        totals=change.totals,
        payload=change.payload,
        output=change.output is not None,
        lease=job.state == "running",
        expires=(ready or job.state == "scheduled") and job.expires_at is not None,
        keys=keys,
    )


def _place(change: Change, shape: Shape) -> int:
    """The score in the order of the new state, without the store's now when the shape has a stamp."""
    job = change.job
    if job is None or shape.stamp == "finished_at":
        return 0
    if change.delay is not None:
        return shape.base + change.delay
    if job.state in FINAL:
        return job.finished_at or 0
    return (job.lease_until or 0) if shape.to == "running" else shape.base + job.ready_at


def calls_of(changes: Sequence[Change]) -> list[list[Part]]:
    """The changes in script calls, at least one: each a list of parts, in their order within each queue."""
    if len({c.queue for c in changes}) == 1 and len({c.id for c in changes}) == len(changes) <= STEP:
        return [[(changes[0].queue, range(len(changes)))]]
    calls: list[list[Part]] = [[]]
    size = 0
    for queue, numbers in _parts(changes):
        if size + len(numbers) > STEP:
            calls.append([])
            size = 0
        calls[-1].append((queue, numbers))
        size += len(numbers)
    return calls


def _parts(changes: Sequence[Change]) -> list[Part]:
    """A part never holds an id twice: the script looks at all rows of a part before it writes the first."""
    parts: list[Part] = []
    for queue, numbers in by_queue([change.queue for change in changes], STEP):
        part: list[int] = []
        ids: set[str] = set()
        for n in numbers:
            if changes[n].id in ids:
                parts.append((queue, part))
                part, ids = [], set()
            part.append(n)
            ids.add(changes[n].id)
        parts.append((queue, part))
    return parts


def calls_apart(changes: Sequence[Change], last: str | None) -> list[list[Part]]:
    """As `calls_of`, but each call is for one queue: for a store where queues lie on different servers. The last call is for the
    queue `last`, and may be empty, unless that is None."""
    parts = [part for call in calls_of(changes) for part in call]
    if last is None:
        return [[part] for part in parts] or [[]]
    own = [part for part in parts if part[0] == last]
    return [[part] for part in [*(part for part in parts if part[0] != last), *own]] + ([] if own else [[]])
