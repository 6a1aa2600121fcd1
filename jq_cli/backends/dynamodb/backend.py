"""The DynamoDB backend: one table on demand, nothing to run, paid by the request.

`keys` draws the table, `rows` an item; `client` sends requests; `step` is the atomic step that everything is made of: `inserts`,
`changes` and `claims` fill it, `reads` change nothing. `schema` makes the table. docs/dynamodb.md is for operators.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import msgspec

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
)  # fmt: skip
from jq_cli.backends.dynamodb.address import Address, read_address
from jq_cli.backends.dynamodb.changes import apply, forget, trim, unpacked
from jq_cli.backends.dynamodb.claims import claim_jobs, extend, oldest_ready, take_in
from jq_cli.backends.dynamodb.client import Client, wire
from jq_cli.backends.dynamodb.inserts import check_sizes, insert
from jq_cli.backends.dynamodb.keys import LAST, Keys, after, before, moment, read_cursor
from jq_cli.backends.dynamodb.reads import Span, controls_of, due_span, jobs_of, merged, overview, span_of
from jq_cli.backends.dynamodb.rows import Item, check_note
from jq_cli.backends.dynamodb.schema import DynamoSchema
from jq_cli.backends.dynamodb.step import Step, Steps
from jq_cli.backends.schema import Schema
from jq_cli.change import Change, Verdict, caps_of
from jq_cli.draft import Draft
from jq_cli.job import STATES, Job, State, Token

FORGOTTEN = 50
"""Unique keys that one call of `due` forgets at most."""

A = TypeVar("A")
B = TypeVar("B")


class DynamoBackend(Backend):
    """A namespace in a table."""

    def __init__(self, address: Address, namespace: str, clock: Clock | None) -> None:
        self.url = address.url
        self.idle_poll = address.poll
        self._client = Client(address)
        self._keys = Keys(namespace, address.shards)
        self._clock = clock or self._client.clock
        self._steps = Steps(self._client, self._keys, self._clock)
        self._known: set[str] = set()

    # --- producers ---

    def insert(self, drafts: Sequence[Draft]) -> list[Inserted]:
        self._client.begin()
        check_sizes(drafts)
        for queue in dict.fromkeys(draft.job.queue for draft in drafts):
            self._exists(queue)
        return self._batches(insert, drafts)

    def _exists(self, queue: str) -> None:
        """See to it that the queue is listed."""
        if queue not in self._known:
            item = wire({"pk": self._keys.root, "sk": f"q/{queue}"})
            self._client.call("put_item", Item=item)
            self._known.add(queue)

    def _batches(self, plan: Callable[[Step, Sequence[A]], list[B]], items: Sequence[A]) -> list[B]:
        """The answers to all items: each step answers as many as fit into it."""
        answers: list[B] = []
        while len(answers) < len(items):
            left = items[len(answers) :]
            self._client.begin()
            answers += self._steps.run(partial(_swapped, plan, left))
        return answers

    # --- workers ---

    def claim(self, claim: Claim) -> Claimed:
        self._client.begin()
        items: list[Item] = []
        for queue in claim.queues:
            self._take_in(queue)
            if self._claim(claim, queue, items) or len(items) >= claim.limit:
                break
        now = self._clock()
        return Claimed(now, jobs_of(self._client, self._keys, items, now))

    def _claim(self, claim: Claim, queue: str, items: list[Item]) -> bool:
        """Add leased jobs of a queue; whether the claim ends with them."""
        while len(items) < claim.limit:
            already = len(items)
            some, ended = self._steps.run(
                partial(claim_jobs, client=self._client, claim=claim, queue=queue, already=already)
            )
            items += some
            if ended or not some:
                return ended
        return False

    def _take_in(self, queue: str) -> None:
        while self._steps.run(partial(take_in, client=self._client, queue=queue)):
            pass

    def extend(self, leases: Sequence[Token], *, lease: int, live: Mapping[str, bytes] | None = None) -> Extended:
        self._client.begin()

        def plan(step: Step, left: Sequence[Token]) -> list[Hold]:
            return extend(step, left, lease, live or {})

        holds = self._batches(plan, leases)
        return Extended(self._clock(), holds)

    def replace(self, changes: Sequence[Change]) -> list[Verdict]:
        self._client.begin()
        verdicts = self._batches(apply, changes)
        applied = [change for change, verdict in zip(changes, verdicts, strict=True) if verdict == "applied"]
        for queue, cap in caps_of(applied).items():
            while self._steps.run(partial(trim, client=self._client, queue=queue, cap=cap)):
                pass
        return verdicts

    def due(self, limit: int) -> Due:
        self._client.begin()
        now = self._clock()
        span = Span("wake", "0", moment(now, LAST))
        partitions = [pk for queue in self.queues() for pk in self._keys.partitions(queue)]
        found = [(item["pk"], item["sk"]) for item in merged(self._client, partitions, span, limit + FORGOTTEN)]
        ended = [key for key in found if key[1].startswith("k/")]
        if ended:
            self._steps.run(partial(forget, keys=ended[:FORGOTTEN]))
        keys = [key for key in found if key[1].startswith("j/")][:limit]
        items = self._client.get(keys)
        due = [items[key] for key in keys if key in items and items[key].get("wake", LAST) <= span.high]
        return Due(now, self._jobs(due, None))

    # --- readers ---

    def get(self, queue: str, ids: Sequence[str]) -> list[Job | None]:
        self._client.begin()
        keys = [self._keys.job(queue, id) for id in ids]
        found = self._client.get(list(dict.fromkeys(keys)))
        jobs = dict(zip(found, self._jobs(list(found.values()), self._clock()), strict=True))
        return [jobs.get(key) for key in keys]

    def find(self, id: str) -> Job | None:
        self._client.begin()
        found = self._client.get([self._keys.job(queue, id) for queue in self.queues()])
        return next(iter(self._jobs(list(found.values()), self._clock())), None)

    def page(
        self, queue: str, state: State, *, cursor: str | None = None, limit: int = 100, reverse: bool = False
    ) -> Page:
        span = span_of(state)
        if cursor is not None:
            last = read_cursor(cursor, state)
            span = span._replace(high=before(last)) if reverse else span._replace(low=after(last))
        self._client.begin()
        if state in ("ready", "scheduled"):
            self._take_in(queue)
        items = merged(self._client, self._keys.partitions(queue), span, limit + 1, reverse=reverse)
        jobs = self._jobs(items[:limit], self._clock())
        return Page(jobs, items[limit - 1]["place"] if len(items) > limit else None)

    def outputs(self, queue: str, ids: Sequence[str]) -> list[bytes | None]:
        self._client.begin()
        keys = [self._keys.output(queue, id) for id in ids]
        found = self._client.get(list(dict.fromkeys(keys)))
        return [unpacked(found[key]["data"]) if key in found else None for key in keys]

    def held(self, worker: str) -> list[Job]:
        self._client.begin()
        items = [
            item
            for queue in self.queues()
            for pk in self._keys.partitions(queue)
            for item in self._client.query(pk, *span_of("running"))
            if item.get("owner") == worker
        ]
        return self._jobs(items, self._clock())

    def queues(self) -> list[str]:
        self._client.begin()
        return [item["sk"].removeprefix("q/") for item in self._client.query(self._keys.root, "sk", "q/", "q/~")]

    def counts(self, queues: Sequence[str] | None = None) -> list[QueueCounts]:
        return [self._counts(queue) for queue in (self.queues() if queues is None else queues)]

    def _counts(self, queue: str) -> QueueCounts:
        self._client.begin()
        partitions = self._keys.partitions(queue)
        counts, controls = overview(self._client, self._keys, queue)
        states = {state: counts.get(state, 0) for state in STATES}
        now = self._clock()
        due = sum(self._client.count(pk, *due_span(now)) for pk in partitions) if states["scheduled"] else 0
        states["scheduled"] -= due
        states["ready"] += due
        totals = {name.removeprefix("total:"): n for name, n in counts.items() if name.startswith("total:") and n}
        oldest = self._oldest(partitions, now) if states["ready"] else None
        return QueueCounts(queue, now, states, oldest, totals, controls)

    def _oldest(self, partitions: Sequence[str], now: int) -> int | None:
        due = merged(self._client, partitions, due_span(now), 1)
        firsts = [oldest_ready(self._client, pk) for pk in partitions] + [item["ready_at"] for item in due]
        return min((first for first in firsts if first is not None), default=None)

    # --- controls and notes ---

    def control(self, queue: str, setting: Setting) -> Controls:
        self._client.begin()
        self._exists(queue)

        def plan(step: Step) -> Controls:
            key = self._keys.control(queue)
            step.read([key])
            new = controls_of(step.get(key)).changed(setting, step.now)
            step.put(key, {"controls": msgspec.json.encode(new)})
            return new

        return self._steps.run(plan)

    def read(self, prefix: str) -> dict[str, bytes]:
        self._client.begin()
        items = self._client.query(self._keys.notes, "sk", prefix or " ", prefix + "\U0010ffff")
        return {item["sk"]: item["value"] for item in items}

    def swap(self, key: str, old: bytes | None, new: bytes | None) -> bool:
        check_note(key, new)
        self._client.begin()

        def plan(step: Step) -> bool:
            place = (self._keys.notes, key)
            step.read([place])
            item = step.get(place)
            if (None if item is None else item["value"]) != old:
                return False
            if new is not None:
                step.put(place, {"value": new})
            elif item is not None:
                step.delete(place)
            return True

        return self._steps.run(plan)

    def now(self) -> int:
        if self._clock is self._client.clock:
            self._client.begin()
            self._client.get([self._keys.control("now")])  # an answer tells the service's time
        return self._clock()

    @property
    def schema(self) -> Schema:
        return DynamoSchema(self._client)

    # --- parts ---

    def _jobs(self, items: Sequence[Item], now: int | None) -> list[Job]:
        return jobs_of(self._client, self._keys, items, now)


def _swapped(plan: Callable[[Step, Sequence[A]], list[B]], items: Sequence[A], step: Step) -> list[B]:
    return plan(step, items)


def open_dynamodb(url: str, *, namespace: str = "jq", clock: Clock | None = None, **options: object) -> Backend:
    """The store in a table (forms and options: `address`). Nothing is sent before the first call.

    Credentials come from the usual chain of the AWS SDKs: environment, profiles, the role of the machine or container.
    """
    return DynamoBackend(read_address(url, options), namespace, clock)
