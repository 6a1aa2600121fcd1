"""The Redis backend: Redis 7 and later, Valkey, and what speaks like them. Every step that must be atomic is a Lua script
over the keys of one queue; lua/prelude.lua draws the layout, docs/redis.md is for operators."""

import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from jq_cli.backends.answer import Turns
from jq_cli.backends.base import (
    Backend,
    Claim,
    Claimed,
    Clock,
    Controls,
    Due,
    Extended,
    Hold,
    Inserted,
    Page,
    QueueCounts,
    Setting,
    Turned,
    Watch,
)  # fmt: skip
from jq_cli.backends.redis.address import parse_address
from jq_cli.backends.redis.batches import STEP, batched, by_queue
from jq_cli.backends.redis.changes import Packed, Part, calls_apart, calls_of
from jq_cli.backends.redis.client import RedisClient
from jq_cli.backends.redis.connection import Word
from jq_cli.backends.redis.inserts import insert_call, one_part, results
from jq_cli.backends.redis.inserts import parts_of as parts_of_drafts
from jq_cli.backends.redis.keys import PARTS, Keys
from jq_cli.backends.redis.reader import RedisReader, read_controls
from jq_cli.backends.redis.rows import claimed_jobs, lease_start, text_of
from jq_cli.backends.redis.scripts import Call
from jq_cli.change import Change, Verdict
from jq_cli.draft import Draft, check_name
from jq_cli.errors import UsageError
from jq_cli.job import Job, State, Token

QUEUES_AT_ONCE = 32
"""Queues that one script call claims from, at most."""

CALLS_AT_ONCE = 16
"""Calls that are sent before the first answer is read, so that one is made while the server works on another. They share a
deadline."""

REGISTER_AGAIN = 1.0
"""Seconds after which a producer makes its queues known again where they are known to one node and lie on others: that node may
have lost them in a failover that nobody else notices."""

Taken = tuple[Claim, str, int, Sequence[Sequence[Any]]]
"""What a script call leased of a queue: by which claim, when, and the columns that `claimed_jobs` reads."""

Told = tuple[int, list[Verdict], list[Taken]]
"""What a turn comes to: the store's time, the verdicts, and what was leased."""

Steps = Generator[Call, Any, Told]

_HOLDS: dict[str, Hold] = {"h": "held", "s": "stop", "l": "lost"}
_VERDICTS: dict[bytes, Verdict] = {b"ap": "applied", b"al": "already", b"lo": "lost"}
_NOTHING = Claim((), 0, "", 0, "")


class RedisBackend(Backend):
    """One namespace on one server. With a `clock`, that one is the store's clock instead of the server's."""

    def __init__(self, client: RedisClient, namespace: str, clock: Clock | None) -> None:
        self.url = client.address.shown
        self.namespace = namespace
        self.timeout = client.address.timeout
        self._client = client
        self._keys = Keys(namespace)
        self._clock = clock
        self._reader = RedisReader(client, self._keys, self._time)
        self._turns: Turns[Told] = Turns()
        self._registered: set[str] = set()
        self._registered_on = 0
        self._registered_until = 0.0

    # --- producers ---

    def insert(self, drafts: Sequence[Draft]) -> list[Inserted]:
        """See Backend. More than 1,000 jobs or 4 MiB, or several queues, are several steps: one that fails may leave those
        before it stored; sent again with the same ids, they are not stored twice."""
        if not self._client.address.at_most_once:
            _refuse_at_most_once(drafts)
        queues = {draft.job.queue for draft in drafts}
        self._register(queues)
        if one_part(drafts):
            inserted = results(drafts, self._client.call(self._insert(drafts)))
        else:
            inserted = self._insert_parts(drafts)
        self._register(queues)
        return inserted

    def _insert_parts(self, drafts: Sequence[Draft]) -> list[Inserted]:
        inserted: dict[int, Inserted] = {}
        for parts in batched(list(parts_of_drafts(drafts)), CALLS_AT_ONCE):
            answers = self._client.pipeline(self._insert([drafts[n] for n in part]) for part in parts)
            for part, answer in zip(parts, answers, strict=True):
                inserted.update(zip(part, results([drafts[n] for n in part], answer), strict=True))
        return [inserted[n] for n in range(len(drafts))]

    def _insert(self, drafts: Sequence[Draft]) -> Call:
        return insert_call(self._keys, self._time(), drafts)

    # --- workers ---

    def claim(self, claim: Claim) -> Claimed:
        turned = self.turn((), claim)
        return Claimed(turned.now, turned.jobs)

    def replace(self, changes: Sequence[Change]) -> list[Verdict]:
        return self.turn(changes, _NOTHING).verdicts if changes else []

    def turn(self, changes: Sequence[Change], claim: Claim) -> Turned:
        """See Backend. One round trip for up to 1,000 changes and a claim over up to 32 queues. A claim whose answer was lost
        is not sent again. It may give fewer jobs than there are: 16 MiB at once, or what was taken in within the deadline."""
        if claim.limit > 0:
            return self.begin(changes, claim)()
        steps = self._steps(changes, claim)
        return _turned(self._finished(steps, self._client.call(next(steps)), again=True))

    def begin(self, changes: Sequence[Change], claim: Claim) -> Callable[[], Turned]:
        """See Backend. The first round trip, which as a rule is the only one, is under way between the halves."""
        steps = self._steps(changes, claim)
        call = next(steps)  # made while the server works on the turn before
        self._turns.await_last()
        answer = self._client.begin(call)
        whole = self._turns.begun(lambda: self._finished(steps, answer(), again=False))
        return lambda: _turned(whole())

    def _finished(self, steps: Steps, answer: Any, *, again: bool) -> Told:
        try:
            while True:
                answer = self._client.call(steps.send(answer), again=again)
        except StopIteration as end:
            told: Told = end.value
            return told

    def _steps(self, changes: Sequence[Change], claim: Claim) -> Steps:
        """The script calls of a turn, one after the other; takes the answer to each and gives what they come to."""
        verdicts: list[Verdict] = ["lost"] * len(changes)
        *early, pending = self._calls_of(changes, claim)
        for parts in early:
            told = yield self._turn(changes, parts, _NOTHING)
            _note(verdicts, parts, told[1])
        taken: list[Taken] = []
        count = 0
        until = time.monotonic() + self._client.address.timeout
        for queues in batched(claim.queues, QUEUES_AT_ONCE if self._client.one_server else 1) or [()]:
            while True:
                rest = replace(claim, queues=queues, limit=claim.limit - count, idle=claim.idle - count)
                now, told, ends, *claimed = yield self._turn(changes, pending, rest)
                _note(verdicts, pending, told)
                for number, *stored in claimed:
                    taken.append((rest, queues[number - 1], now, stored))
                    count += len(stored[0])
                pending = []
                if ends != b"again" or time.monotonic() > until:
                    break
            if ends or count >= claim.limit:
                break
        return now, verdicts, taken

    def _calls_of(self, changes: Sequence[Change], claim: Claim) -> list[list[Part]]:
        """The changes in script calls; the last one also claims."""
        if self._client.one_server:
            return calls_of(changes)
        return calls_apart(changes, claim.queues[0] if claim.queues else None)

    def _turn(self, changes: Sequence[Change], parts: Sequence[Part], claim: Claim) -> Call:
        """One script call: settle some parts of the changes, then claim. Answers now, the verdicts, why the claim ended, and
        what was claimed of each queue."""
        packed = Packed(claim.queues)
        for queue, numbers in parts:
            packed.add(queue, [changes[n] for n in numbers])
        asked = (text_of(claim.worker), claim.lease, text_of(claim.nonce), claim.limit, claim.idle, len(claim.queues))
        return Call("turn", self._keys.of(packed.queues), (self._time(), *asked, packed.shapes, *packed.sections))

    def extend(self, leases: Sequence[Token], *, lease: int, live: Mapping[str, bytes] | None = None) -> Extended:
        calls: list[Call] = []
        order: list[int] = []
        for queue, numbers in by_queue([each.queue for each in leases], STEP):
            words: list[Word] = [self._time(), lease]
            for n in numbers:
                words += (leases[n].id, lease_start(leases[n].token), (live or {}).get(leases[n].id, b""))
            calls.append(Call("extend", self._keys.of((queue,)), words))
            order += numbers
        answers = self._client.pipeline(calls)
        holds: list[Hold] = ["lost"] * len(leases)
        for n, letter in zip(order, b"".join(letters for _, letters in answers).decode(), strict=True):
            holds[n] = _HOLDS[letter]
        return Extended(answers[-1][0] if answers else self.now(), holds)

    # --- readers ---

    def due(self, limit: int) -> Due:
        return self._reader.due(limit)

    def get(self, queue: str, ids: Sequence[str]) -> list[Job | None]:
        return self._reader.get(queue, ids)

    def find(self, id: str) -> Job | None:
        return self._reader.find(id)

    def page(
        self, queue: str, state: State, *, cursor: str | None = None, limit: int = 100, reverse: bool = False
    ) -> Page:
        return self._reader.page(queue, state, cursor, limit, reverse=reverse)

    def outputs(self, queue: str, ids: Sequence[str]) -> list[bytes | None]:
        return self._reader.outputs(queue, ids)

    def held(self, worker: str) -> list[Job]:
        return self._reader.held(worker)

    def queues(self) -> list[str]:
        return self._reader.queues()

    def counts(self, queues: Sequence[str] | None = None) -> list[QueueCounts]:
        return self._reader.counts(self.queues() if queues is None else queues)

    # --- controls and notes ---

    def control(self, queue: str, setting: Setting) -> Controls:
        self._register({queue})
        while True:
            old: bytes | None = self._client.call(("GET", self._keys.part(queue, "controls")))
            new = read_controls(old).changed(setting, self.now())
            words = (old or b"", msgspec.json.encode(new))
            if self._client.call(Call("control", self._keys.of((queue,)), words)):
                return new

    def read(self, prefix: str) -> dict[str, bytes]:
        notes: dict[str, bytes] = {}
        for key, value in self._reader.scan(self._keys.notes, prefix):
            notes[key.decode()] = value
        return notes

    def swap(self, key: str, old: bytes | None, new: bytes | None) -> bool:
        words = (key, "" if old is None else "1", old or b"", "" if new is None else "1", new or b"")
        return bool(self._client.call(Call("swap", (self._keys.notes,), words), again=False))

    def now(self) -> int:
        if self._clock is not None:
            return self._clock()
        seconds, micros = self._client.call(("TIME",))
        return int(seconds) * 1_000 + int(micros) // 1_000

    def watch(self, topics: Sequence[str]) -> Watch:
        from jq_cli.backends.redis.watch import RedisWatch

        channels = [self._keys.part(queue, kind) for kind, _, queue in (topic.partition(":") for topic in topics)]
        return RedisWatch(self._client.address, channels)

    def key(self, queue: str, part: str) -> str:
        """The key that holds a part of a queue. Raises UsageError for what is none."""
        if part not in PARTS:
            raise UsageError(f"no part {part[:40]!r} of a queue; known: {', '.join(PARTS)}")
        return self._keys.part(check_name(queue), part)

    def redis_py(self) -> Any:
        """A redis-py client for the same server and database. Raises UsageError when redis-py is not installed."""
        from jq_cli.backends.redis.redis_py import redis_client

        return redis_client(self._client.address)

    def erase(self) -> None:
        for queue in self.queues():
            self._client.call(("UNLINK", *self._keys.of((queue,))))
        for key in (self._keys.queues, self._keys.notes):
            self._client.call(("UNLINK", key))

    def close(self) -> None:
        self._client.close()

    # --- parts ---

    def _time(self) -> Word:
        """The script's argument for the store's time: nothing for the server's own."""
        return "" if self._clock is None else self._clock()

    def _register(self, queues: set[str]) -> None:
        """Make the queues known before they hold anything, for what lies in an unknown queue is never recovered. Once for
        each connection: a server that came back may have lost them."""
        if self._registered_on != self._client.connections or time.monotonic() > self._registered_until:
            self._registered.clear()
        if new := queues - self._registered:
            self._client.call(("SADD", self._keys.queues, *sorted(new)))
            self._registered |= new
            self._registered_on = self._client.connections
            self._registered_until = time.monotonic() + (math.inf if self._client.one_server else REGISTER_AGAIN)


def _refuse_at_most_once(drafts: Sequence[Draft]) -> None:
    """For a store whose failover may forget that a job was started, which would start it again."""
    if any(draft.job.delivery == "at_most_once" for draft in drafts):
        raise UsageError(
            "delivery at_most_once: a failover of this store may forget that a job was started and start it again;"
            " the option accept_failover_risk=true takes such jobs all the same"
        )


def _turned(told: Told) -> Turned:
    now, verdicts, taken = told
    return Turned(now, verdicts, [job for each in taken for job in claimed_jobs(*each)])


def _note(verdicts: list[Verdict], parts: Sequence[Part], told: bytes) -> None:
    """Put what a call told of some parts of the changes where it belongs: two letters for each."""
    order = [n for _, numbers in parts for n in numbers]
    for n, at in zip(order, range(0, len(told), 2), strict=True):
        verdicts[n] = _VERDICTS[told[at : at + 2]]


def open_redis(url: str, *, namespace: str = "jq", clock: Clock | None = None, **options: Any) -> Backend:
    """The store at a URL (forms and options: `address`). Nothing is sent before the first call.

    Raises UsageError when the URL or an option cannot be used.
    """
    address = parse_address(url, options)
    if not address.nodes:
        return RedisBackend(RedisClient(address), namespace, clock)
    from jq_cli.backends.redis.cluster import ClusterClient

    return RedisBackend(ClusterClient(address), namespace, clock)
