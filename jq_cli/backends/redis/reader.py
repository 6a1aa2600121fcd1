"""What the Redis backend only reads: jobs by id, by state, by what is due; counts. Bounded steps, few round trips."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from jq_cli.backends.base import Controls, Due, Page, QueueCounts
from jq_cli.backends.cursor import read_place
from jq_cli.backends.redis.batches import STEP, batched
from jq_cli.backends.redis.client import RedisClient
from jq_cli.backends.redis.connection import Word
from jq_cli.backends.redis.keys import Keys
from jq_cli.backends.redis.rows import Stored, headless, placed, stored_job
from jq_cli.backends.redis.scripts import Call
from jq_cli.job import STATES, Job, State

AT_ONCE = 100
"""Queues that are asked in one round trip."""

IN_A_CALL = 25
"""Queues that one call counts or looks at for what is due, which takes the server about a millisecond."""

_COUNTED: tuple[State, ...] = ("ready", "scheduled", "running", "succeeded", "dead", "cancelled")
_INDEXES: dict[str, State] = {
    "ready": "ready", "scheduled": "scheduled", "succeeded": "succeeded", "succeeded_kept": "succeeded",
    "cancelled": "cancelled", "cancelled_kept": "cancelled", "dead": "dead",
}  # fmt: skip
"""Where a job that is not running may stand, and the state it has then."""


class RedisReader:
    """The reading half of the backend. `time` gives the script's argument for the store's time."""

    def __init__(self, client: RedisClient, keys: Keys, time: Callable[[], Word]) -> None:
        self._client = client
        self._keys = keys
        self._time = time

    def get(self, queue: str, ids: Sequence[str]) -> list[Job | None]:
        """See Backend.get."""
        calls = [self._call("get", queue, *some) for some in batched(ids, STEP)]
        jobs: list[Job | None] = []
        for some, (now, *columns) in zip(batched(ids, STEP), self._client.pipeline(calls), strict=True):
            jobs += [None if stored is None else self._job(queue, stored, now) for stored in _stored(some, columns)]
        return jobs

    def find(self, id: str) -> Job | None:
        """See Backend.find."""
        for queues in batched(self.queues(), AT_ONCE):
            answers = self._client.pipeline(self._call("get", queue, id) for queue in queues)
            for queue, (now, *columns) in zip(queues, answers, strict=True):
                for stored in _stored([id], columns):
                    if stored is not None:
                        return self._job(queue, stored, now)
        return None

    def page(self, queue: str, state: State, cursor: str | None, limit: int, *, reverse: bool) -> Page:
        """See Backend.page. A cursor is the score and the id of the last job."""
        place: tuple[Word, Word] = ("", "") if cursor is None else read_place(cursor)
        more_to_take_in = b"1"
        while more_to_take_in:
            call = self._call("page", queue, state, limit, "1" if reverse else "", *place)
            now, more_to_take_in, *answer = self._client.call(call)
        more, ids, scores, *columns = answer
        found = _stored([id_.decode() for id_ in ids], columns)
        jobs: list[Job] = []
        for stored, score in zip(found, scores, strict=True):
            if stored is not None:
                job = stored_job(queue, stored, now)
                jobs.append(placed(job, state, int(float(score)), now) if headless(job, stored) else job)
        last = msgspec.json.encode((int(float(scores[-1])), ids[-1].decode())).decode() if more else None
        return Page(jobs, last)

    def outputs(self, queue: str, ids: Sequence[str]) -> list[bytes | None]:
        """See Backend.outputs."""
        key = self._keys.part(queue, "outputs")
        answers = self._client.pipeline(("HMGET", key, *some) for some in batched(ids, STEP))
        return [output for answer in answers for output in answer]

    def held(self, worker: str) -> list[Job]:
        """See Backend.held. Reads all leases: for rare use."""
        owner = b'"owner":%b,' % msgspec.json.encode(worker)
        jobs: list[Job] = []
        for queue in self.queues():
            leases = self.scan(self._keys.part(queue, "leases"))
            ids = {id_.decode(): None for id_, lease in leases if owner in lease}
            held = [job for job in self.get(queue, list(ids)) if job and job.state == "running" and job.owner == worker]
            jobs += sorted(held, key=lambda job: (job.lease_until or 0, job.id))
        return jobs

    def queues(self) -> list[str]:
        """See Backend.queues."""
        return sorted(name.decode() for name in self._client.call(("SMEMBERS", self._keys.queues)))

    def counts(self, queues: Sequence[str]) -> list[QueueCounts]:
        """See Backend.counts."""
        counts: list[QueueCounts] = []
        for some in batched(queues, AT_ONCE):
            for part, (now, *answers) in self._for_parts("counts", some):
                counts += [_counts(queue, now, *answer) for queue, answer in zip(part, answers, strict=True)]
        return counts

    def due(self, limit: int) -> Due:
        """See Backend.due. First what is due in each queue, then the rows of the earliest."""
        now: int | None = None
        moments: list[tuple[int, str, str]] = []
        queues: Sequence[str] = self.queues()
        while queues:
            left = list(queues[AT_ONCE:])
            for part, (at_part, *answers) in self._for_parts("due", queues[:AT_ONCE], limit):
                now = at_part
                for queue, found in zip(part, answers, strict=False):
                    moments += [(at, id_.decode(), queue) for at, id_ in zip(found[::2], found[1::2], strict=True)]
                left += part[len(answers) :]
            queues = left
        chosen = sorted(moments)[:limit]
        jobs: dict[tuple[str, str], Job] = {}
        for queue in {queue for _, _, queue in chosen}:
            ids = [id_ for _, id_, its in chosen if its == queue]
            jobs |= {(queue, job.id): job for job in self._still_due(queue, ids)}
        return Due(
            self._now() if now is None else now, [jobs[queue, id_] for _, id_, queue in chosen if (queue, id_) in jobs]
        )

    def scan(self, key: str, prefix: str = "") -> Iterator[tuple[bytes, bytes]]:
        """The fields of a hash that start with a prefix; those present throughout are there, some may come twice."""
        pattern = "".join(f"\\{c}" if c in "*?[]^\\-" else c for c in prefix) + "*"
        cursor: Word = 0
        while True:
            cursor, found = self._client.call(("HSCAN", key, cursor, "MATCH", pattern, "COUNT", STEP))
            yield from zip(found[::2], found[1::2], strict=True)
            if int(cursor) == 0:
                return

    # --- parts ---

    def _for_parts(self, name: str, queues: Sequence[str], *words: Word) -> Iterator[tuple[Sequence[str], list[Any]]]:
        """The answers of a script that takes several queues, each with the queues it was asked for, in one round trip."""
        parts = batched(queues, IN_A_CALL if self._client.one_server else 1)
        calls = (Call(name, self._keys.of(part), (self._time(), *words)) for part in parts)
        return zip(parts, self._client.pipeline(calls), strict=True)

    def _call(self, name: str, queue: str, *words: Word) -> Call:
        return Call(name, self._keys.of((queue,)), (self._time(), *words))

    def _now(self) -> int:
        """The store's time where no queue could tell it."""
        given = self._time()
        if given != "":
            return int(given)
        seconds, micros = self._client.call(("TIME",))
        return int(seconds) * 1_000 + int(micros) // 1_000

    def _still_due(self, queue: str, ids: Sequence[str]) -> list[Job]:
        """The jobs of these ids that are due at this moment. What is left of ids without a row is removed."""
        jobs: list[Job] = []
        for some in batched(ids, STEP):
            now, *columns = self._client.call(self._call("get", queue, *some))
            found = _stored(some, columns)
            if gone := [id_ for id_, stored in zip(some, found, strict=True) if stored is None]:
                self._client.call(Call("sweep", self._keys.of((queue,)), gone))
            jobs += [self._job(queue, stored, now) for stored in found if stored and _is_due(stored, now)]
        return jobs

    def _job(self, queue: str, stored: Stored, now: int) -> Job:
        job = stored_job(queue, stored, now)
        if not headless(job, stored):
            return job
        scores = self._client.pipeline(("ZSCORE", self._keys.part(queue, index), stored.id) for index in _INDEXES)
        for state, score in zip(_INDEXES.values(), scores, strict=True):
            if score is not None:
                return placed(job, state, int(score), now)
        return job


def _stored(ids: Sequence[str], columns: Sequence[Sequence[Any]]) -> list[Stored | None]:
    """What the script `read_rows` gave, by job; None where there is no row."""
    found: list[Stored | None] = []
    for id_, row, payload, lease, *scores in zip(ids, *columns, strict=True):
        moments = (None if score is None else int(float(score)) for score in scores)
        found.append(None if row is None else Stored(id_, row, payload, lease, *moments))
    return found


def _is_due(stored: Stored, now: int) -> bool:
    moment = stored.wake if stored.lease_until is None else stored.lease_until
    return moment is not None and moment <= now


def _counts(queue: str, now: int, *answer: Any) -> QueueCounts:
    *numbers, oldest, totals, controls = answer
    states: dict[State, int] = dict.fromkeys(STATES, 0) | dict(zip(_COUNTED, numbers, strict=True))
    named = {name.decode(): int(total) for name, total in zip(totals[::2], totals[1::2], strict=True)}
    return QueueCounts(queue, now, states, oldest, named, read_controls(controls))


def read_controls(stored: bytes | None) -> Controls:
    """The controls of a queue; none when they were never set or cannot be read, as the script `claim` sees them."""
    try:
        return msgspec.json.decode(stored or b"{}", type=Controls)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Controls()
