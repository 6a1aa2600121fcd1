"""The SQLite backend: one file, no server, the embedded default. Any number of processes of one host may use it at once.

`file` knows where the file is, `database` opens it and makes transactions, `lock` says whose turn it is to
write. `space` is a namespace in it and a step one of its write transactions; `rows` is the table of jobs,
`inserts`, `changes`, `claims` and `keys` write it, `reads` reads it. `process.pipes`
wakes other processes. The tables are in `sql/`.
"""

import time
from collections.abc import Mapping, Sequence

import msgspec

from jq_cli.backends.base import (
    Backend,
    Claim,
    Claimed,
    Clock,
    Controls,
    Due,
    Extended,
    Inserted,
    Page,
    QueueCounts,
    Setting,
    Turned,
)  # fmt: skip
from jq_cli.backends.sqlite import keys, reads
from jq_cli.backends.sqlite.changes import apply
from jq_cli.backends.sqlite.claims import claim_jobs, due, extend, offers, take_in
from jq_cli.backends.sqlite.database import Database
from jq_cli.backends.sqlite.file import Settings, read_settings, watch_folder
from jq_cli.backends.sqlite.inserts import insert
from jq_cli.backends.sqlite.space import Space, read_controls
from jq_cli.change import Change, Verdict
from jq_cli.draft import Draft
from jq_cli.job import Job, State, Token
from jq_cli.process.pipes import PipeWatch


def open_sqlite(url: str, *, namespace: str = "jq", clock: Clock | None = None, **options: object) -> Backend:
    """Open a database, made if there is none: `sqlite:///var/lib/jq/jq.db`, `sqlite://here.db`, or `sqlite://` for the one
    in `$XDG_DATA_HOME/jq`.

    Options, here or in the URL's query: `synchronous`, `full` (default: what was answered survives a power cut) or `normal`
    (survives a kill, not a power cut); `timeout`, for how long a call waits for its turn (seconds or a duration, 2 s).
    Raises UsageError for other options, BackendError and its kin when the file cannot be used.
    """
    return SqliteBackend(read_settings(url, options), namespace, clock)


class SqliteBackend(Backend):
    """A namespace of a database file."""

    def __init__(self, settings: Settings, namespace: str, clock: Clock | None) -> None:
        self.url = settings.url
        self._clock = clock or (lambda: time.time_ns() // 1_000_000)
        self._database = Database(settings)
        self._space = Space(self._database, namespace, self._clock)

    # --- producers ---

    def insert(self, drafts: Sequence[Draft]) -> list[Inserted]:
        with self._space.step() as step:
            return [insert(step, draft) for draft in drafts]

    # --- workers ---

    def claim(self, claim: Claim) -> Claimed:
        with self._database.reading():
            now = self._clock()
            if not offers(self._space, claim, now):
                return Claimed(now, [])
        deadline = time.monotonic() + self._database.settings.timeout
        while True:
            with self._space.step() as step:
                jobs = claim_jobs(step, claim)
            # With more than that to take in, the jobs are handed out by a later call rather than by a late answer.
            if jobs is not None or time.monotonic() >= deadline:
                return Claimed(step.now, jobs or [])

    def extend(self, leases: Sequence[Token], *, lease: int, live: Mapping[str, bytes] | None = None) -> Extended:
        with self._space.step() as step:
            until = step.now + lease
            return Extended(step.now, [extend(step, each, until, live or {}) for each in leases])

    def replace(self, changes: Sequence[Change]) -> list[Verdict]:
        with self._space.step() as step:
            return apply(step, changes)

    def turn(self, changes: Sequence[Change], claim: Claim) -> Turned:
        if not changes:
            claimed = self.claim(claim)
            return Turned(claimed.now, [], claimed.jobs)
        with self._space.step() as step:
            verdicts = apply(step, changes)
            jobs = claim_jobs(step, claim)
        if jobs is None:
            claimed = self.claim(claim)
            return Turned(claimed.now, verdicts, claimed.jobs)
        return Turned(step.now, verdicts, jobs)

    def due(self, limit: int) -> Due:
        with self._database.snapshot():
            now = self._clock()
            jobs = reads.due(self._space, limit, now)
            ended = keys.ended(self._space.cursor, self._space.number, now)
        if ended:
            with self._space.step() as step:
                keys.forget_ended(step.cursor, self._space.number, now)
        return Due(now, jobs)

    # --- readers ---

    def get(self, queue: str, ids: Sequence[str]) -> list[Job | None]:
        with self._database.snapshot():
            return reads.get(self._space, queue, list(ids), self._clock())

    def find(self, id: str) -> Job | None:
        with self._database.reading():
            return reads.find(self._space, id, self._clock())

    def page(
        self, queue: str, state: State, *, cursor: str | None = None, limit: int = 100, reverse: bool = False
    ) -> Page:
        if state == "ready":
            self._take_in(queue)
        with self._database.snapshot():
            return reads.page(self._space, queue, state, cursor=cursor, limit=limit, reverse=reverse, now=self._clock())

    def _take_in(self, queue: str) -> None:
        """Give due scheduled jobs their places among the ready ones."""
        done = False
        while not done:
            with self._database.reading():
                number = self._space.queue(queue)
                done = number is None or not due(self._space, number, self._clock())
            if number is not None and not done:
                with self._space.step() as step:
                    done = take_in(step, number, queue)

    def outputs(self, queue: str, ids: Sequence[str]) -> list[bytes | None]:
        with self._database.snapshot():
            return reads.outputs(self._space, queue, list(ids))

    def held(self, worker: str) -> list[Job]:
        with self._database.snapshot():
            return reads.held(self._space, worker, self._clock())

    def queues(self) -> list[str]:
        with self._database.reading():
            return self._space.names()

    def counts(self, queues: Sequence[str] | None = None) -> list[QueueCounts]:
        with self._database.snapshot():
            now = self._clock()
            return [
                reads.counts(self._space, name, now) for name in (self._space.names() if queues is None else queues)
            ]

    # --- controls and notes ---

    def control(self, queue: str, setting: Setting) -> Controls:
        with self._space.step() as step:
            number = step.queue(queue)
            (stored,) = step.cursor.execute("SELECT controls FROM queues WHERE number = ?", (number,)).fetchone()
            controls = read_controls(stored).changed(setting, step.now)
            row = (msgspec.json.encode(controls), number)
            step.cursor.execute("UPDATE queues SET controls = ? WHERE number = ?", row)
            step.topics.add("ready:" + queue)
        return controls

    def read(self, prefix: str) -> dict[str, bytes]:
        query = "SELECT key, value FROM notes WHERE space = ? AND key >= ? AND key < ? ORDER BY key"
        with self._database.reading():
            rows = self._space.cursor.execute(query, (self._space.number, prefix, prefix + "\U0010ffff"))
            return dict(rows.fetchall())

    def swap(self, key: str, old: bytes | None, new: bytes | None) -> bool:
        where = (self._space.number, key)
        with self._space.step() as step:
            row = step.cursor.execute("SELECT value FROM notes WHERE space = ? AND key = ?", where).fetchone()
            if (None if row is None else row[0]) != old:
                return False
            if new is None:
                step.cursor.execute("DELETE FROM notes WHERE space = ? AND key = ?", where)
            else:
                step.cursor.execute("INSERT OR REPLACE INTO notes (space, key, value) VALUES (?, ?, ?)", (*where, new))
            return True

    def now(self) -> int:
        return self._clock()

    def watch(self, topics: Sequence[str]) -> PipeWatch | None:
        try:
            return PipeWatch(watch_folder(self._database.settings.path), [self._space.topic(topic) for topic in topics])
        except OSError:
            return None  # a file system without named pipes: polling must do

    def erase(self) -> None:
        self._space.erase()

    def close(self) -> None:
        self._database.close()
