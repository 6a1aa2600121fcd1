"""The Postgres backend: one schema of a database for each namespace. Each step is one function of that schema in `sql/`, which
draws the tables; docs/postgres.md is for operators.

`address` knows where the server is, `connection` keeps time, `link` sends steps, `schema` makes and checks the tables; `inserts`,
`changes`, `claims` and `reads` know what to say, `arrays` and `rows` how. `watch` listens, `vacuum` clears up.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

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
)  # fmt: skip
from jq_cli.backends.postgres.address import Address, parse_address
from jq_cli.backends.postgres.arrays import numbers, some_blobs, texts
from jq_cli.backends.postgres.changes import Changes
from jq_cli.backends.postgres.errors import translating
from jq_cli.backends.postgres.guest import driver_connection, run_in
from jq_cli.backends.postgres.inserts import steps_of
from jq_cli.backends.postgres.link import Link
from jq_cli.backends.postgres.reads import Reads, controls_of
from jq_cli.backends.postgres.rows import leased_of
from jq_cli.backends.postgres.schema import PostgresSchema, demand
from jq_cli.backends.postgres.statement import Rows, Statement
from jq_cli.backends.postgres.vacuum import Vacuum
from jq_cli.backends.postgres.watch import PostgresWatch
from jq_cli.change import Change, Verdict
from jq_cli.draft import Draft
from jq_cli.job import Job, State, Token

_NOW, _TAKEN, _AGAIN = 4, 6, 7
"""What the head of a claim says: the store's time, that delayed jobs became ready, and that the claim must go on."""

FOLD_ALL = 60.0
"""Seconds between two looks for numbers that came late."""


def open_postgres(url: str, *, namespace: str = "jq", clock: Clock | None = None, **options: Any) -> Backend:
    """The store at a URL (forms and options: `address`). Nothing is sent before the first call, which makes the schema where
    there is none.

    Raises UsageError when the URL or an option cannot be used.
    """
    return PostgresBackend(parse_address(url, options, namespace), clock)


class PostgresBackend(Backend):
    """One namespace on one server. With a `clock`, that one is the store's clock instead of the server's."""

    def __init__(self, address: Address, clock: Clock | None) -> None:
        self.url = address.shown
        self._address, self._clock, self._in = address, clock, address.quoted
        self._link = Link(address, lambda connection: demand(connection, address))
        self._reads = Reads(self._link)
        self._vacuum = Vacuum(address, enabled=address.vacuum and clock is None)
        self._fold_all_at = 0.0
        self._known: set[str] = set()
        self._turns: Turns[list[Rows]] = Turns()

    # --- producers ---

    def insert(self, drafts: Sequence[Draft]) -> list[Inserted]:
        """See Backend. More than 1,000 jobs or 4 MiB are several steps: one that fails may leave those before it stored;
        sent again with the same ids, they are not stored twice."""
        inserted: list[Inserted | None] = [None] * len(drafts)
        for step in steps_of(self._in, self._clock, drafts, self._link.topic):
            step.tell(self._link.step(step.statements, step.topics, again=False), inserted)
        return [result for result in inserted if result is not None]

    def insert_within(self, connection: Any, drafts: Sequence[Draft]) -> list[Inserted]:
        driver = driver_connection(connection)
        # Beforehand and apart: others would have to wait for the caller's transaction to know the number of a new queue.
        for queue in sorted({draft.job.queue for draft in drafts} - self._known):
            self._link.rows(f"SELECT {self._in}.queue_number(%s)", queue)
            self._known.add(queue)
        inserted: list[Inserted | None] = [None] * len(drafts)
        with translating(self.url):
            for step in steps_of(self._in, self._clock, drafts):
                step.tell(run_in(driver, step.statements), inserted)
        return [result for result in inserted if result is not None]

    # --- workers ---

    def claim(self, claim: Claim) -> Claimed:
        turned = self.turn((), claim)
        return Claimed(turned.now, turned.jobs)

    def replace(self, changes: Sequence[Change]) -> list[Verdict]:
        asked = Changes(self._in, self._clock, changes)
        return asked.verdicts(self._link.step(asked.statements, asked.topics)) if changes else []

    def turn(self, changes: Sequence[Change], claim: Claim) -> Turned:
        return self.begin(changes, claim)()

    def begin(self, changes: Sequence[Change], claim: Claim) -> Callable[[], Turned]:
        """See Backend. One transaction. A claim whose answer was lost is not sent again."""
        asked = Changes(self._in, self._clock, changes)  # while the server works on the turn before
        self._turns.await_last()
        answer = self._link.begin([*asked.statements, self._claim(claim)], asked.topics)
        whole = self._turns.begun(lambda: self._answers(claim, answer()))
        return lambda: _turned(asked, claim, whole())

    def _answers(self, claim: Claim, answers: list[Rows]) -> list[Rows]:
        """The rows of the changes, then those of the claim once it has come to its end."""
        until = time.monotonic() + self._address.timeout
        while True:
            head = answers[-1][0]
            if head[_TAKEN]:
                self._link.step([], [f"ready:{queue}" for queue in claim.queues])
            if not head[_AGAIN] or time.monotonic() > until:
                return answers
            answers[-1:] = self._link.step([self._claim(claim)], again=False)

    def _claim(self, claim: Claim) -> Statement:
        values = (
            self._time(), texts(claim.queues), claim.limit, claim.worker, claim.lease, claim.nonce, claim.idle,
        )  # fmt: skip
        return Statement(f"SELECT * FROM {self._in}.claim_jobs(%s, %s, %s, %s, %s, %s, %s)", values)

    def extend(self, leases: Sequence[Token], *, lease: int, live: Mapping[str, bytes] | None = None) -> Extended:
        asked = sorted(set(leases), key=lambda each: (each.id, each.queue, each.token))
        queues = list(dict.fromkeys(each.queue for each in asked))
        values = (
            self._time(), texts(queues), numbers([queues.index(each.queue) + 1 for each in asked]),
            texts([each.id for each in asked]), texts([each.token for each in asked]),
            some_blobs([(live or {}).get(each.id) for each in asked]), lease,
        )  # fmt: skip
        [[told]] = self._link.rows(f"SELECT {self._in}.extend_leases(%s, %s, %s, %s, %s, %s, %s)", *values)
        *held, now = told
        holds: dict[Token, Hold] = {asked[abs(n) - 1]: "held" if n > 0 else "stop" for n in held}
        return Extended(now, [holds.get(each, "lost") for each in leases])

    def due(self, limit: int) -> Due:
        self._vacuum.tick()
        everything = time.monotonic() >= self._fold_all_at
        due = self._reads.due(limit, self._time(), everything=everything)
        if everything:
            self._fold_all_at = time.monotonic() + FOLD_ALL
        return due

    # --- readers ---

    def get(self, queue: str, ids: Sequence[str]) -> list[Job | None]:
        return self._reads.get(queue, list(ids), self._time())

    def find(self, id: str) -> Job | None:
        return self._reads.find(id, self._time())

    def page(
        self, queue: str, state: State, *, cursor: str | None = None, limit: int = 100, reverse: bool = False
    ) -> Page:
        return self._reads.page(queue, state, cursor, limit, reverse=reverse, clock=self._time())

    def outputs(self, queue: str, ids: Sequence[str]) -> list[bytes | None]:
        return self._reads.outputs(queue, list(ids))

    def held(self, worker: str) -> list[Job]:
        return self._reads.held(worker, self._time())

    def queues(self) -> list[str]:
        return self._reads.queues()

    def counts(self, queues: Sequence[str] | None = None) -> list[QueueCounts]:
        return self._reads.counts(queues, self._time())

    # --- controls and notes ---

    def control(self, queue: str, setting: Setting) -> Controls:
        read = f"""SELECT paused, paused_reason, paused_by, paused_until, max_running FROM {self._in}.queues WHERE name = %s"""
        write = f"SELECT {self._in}.set_controls(%s, %s, %s, %s, %s::bigint, %s, %s, %s, %s, %s::bigint, %s)"
        while True:
            [[now]], rows = self._link.step([self._moment(), Statement(read, (queue,))])
            old = controls_of(rows[0]) if rows else Controls()
            new = old.changed(setting, now)
            asked = Statement(write, (queue, *_columns(old), *_columns(new)))
            [[[done]]] = self._link.step([asked], ["ready:" + queue])
            if done:
                return new

    def read(self, prefix: str) -> dict[str, bytes]:
        sql = f"SELECT key, value FROM {self._in}.notes WHERE key >= %s AND key < %s ORDER BY key"
        return dict(self._link.rows(sql, prefix, prefix + "\U0010ffff"))

    def swap(self, key: str, old: bytes | None, new: bytes | None) -> bool:
        notes = f"{self._in}.notes"
        if old is None and new is None:
            return not self._link.rows(f"SELECT FROM {notes} WHERE key = %s", key)
        if old is None:
            insert = f"INSERT INTO {notes} VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING key"
            return bool(self._link.rows(insert, key, new, again=False))
        if new is None:
            delete = f"DELETE FROM {notes} WHERE key = %s AND value = %s RETURNING key"
            return bool(self._link.rows(delete, key, old, again=False))
        update = f"UPDATE {notes} SET value = %s WHERE key = %s AND value = %s RETURNING key"
        return bool(self._link.rows(update, new, key, old, again=False))

    def now(self) -> int:
        if self._clock is not None:
            return self._clock()
        [[[now]]] = self._link.step([self._moment()])
        return int(now)

    def watch(self, topics: Sequence[str]) -> PostgresWatch | None:
        """See Backend. None where a pooler stands between: it gives the connection of one to another."""
        watch = PostgresWatch(self._address, [self._link.topic(topic) for topic in topics])
        if watch.direct:
            return watch
        watch.close()
        return None

    def erase(self) -> None:
        """See Backend. The schema goes, unless it has a name of somebody's choice: then it is emptied."""
        if self._address.chosen:
            super().erase()
        else:
            self.schema.drop()

    def close(self) -> None:
        self._vacuum.close()
        self._link.close()

    @property
    def schema(self) -> PostgresSchema:
        return PostgresSchema(self._address)

    # --- parts ---

    def _time(self) -> int | None:
        """The statements' argument for the store's time: nothing for the server's own."""
        return None if self._clock is None else self._clock()

    def _moment(self) -> Statement:
        return Statement(f"SELECT {self._in}.moment(%s)", (self._time(),))


def _turned(asked: Changes, claim: Claim, answers: list[Rows]) -> Turned:
    head, *leased = answers[-1]
    return Turned(head[_NOW], asked.verdicts(answers), leased_of(leased, claim, head[_NOW]))


def _columns(controls: Controls) -> tuple[object, ...]:
    return (
        controls.paused, controls.paused_reason, controls.paused_by, controls.paused_until, controls.max_running,
    )  # fmt: skip
