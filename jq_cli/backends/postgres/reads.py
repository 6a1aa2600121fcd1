"""What readers see: single jobs, listings and counts."""

from collections.abc import Sequence
from typing import Any

from jq_cli.backends.base import Controls, Due, Page, QueueCounts
from jq_cli.backends.cursor import place_behind
from jq_cli.backends.phases import PHASES, RUNNING, SCHEDULED, STATE_OF, Row, job_of, page_of
from jq_cli.backends.postgres.arrays import texts
from jq_cli.backends.postgres.link import Link
from jq_cli.backends.postgres.rows import COLUMNS
from jq_cli.backends.postgres.statement import Rows, Statement
from jq_cli.job import STATES, Job, State

Position = tuple[int, str]
"""A rank and an id: where a job stands within its phase."""

_TOTALS = ("enqueued", "succeeded", "failed", "dead", "recovered", "duplicates")


class Reads:
    """The questions of readers, asked by a link."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._schema = link.address.quoted

    def get(self, queue: str, ids: list[str], clock: int | None) -> list[Job | None]:
        """The jobs with these ids."""
        sql = self._select("WHERE queues.name = %s AND jobs.id = ANY (%s)")
        rows = self._link.rows(sql, clock, queue, texts(ids))
        found = {row[2]: job_of(row[2:], queue, row[0]) for row in rows}
        return [found.get(id) for id in ids]

    def find(self, id: str, clock: int | None) -> Job | None:
        """A job by its id alone."""
        rows = self._link.rows(self._select("WHERE jobs.id = %s LIMIT 1"), clock, id)
        return job_of(rows[0][2:], rows[0][1], rows[0][0]) if rows else None

    def held(self, worker: str, clock: int | None) -> list[Job]:
        """The running jobs of a worker."""
        sql = self._select(f"WHERE jobs.phase = {RUNNING} AND jobs.owner = %s ORDER BY jobs.rank, jobs.id")
        return [job_of(row[2:], row[1], row[0]) for row in self._link.rows(sql, clock, worker)]

    def outputs(self, queue: str, ids: list[str]) -> list[bytes | None]:
        """The side records of jobs."""
        sql = f"""SELECT jobs.id, jobs.output FROM {self._schema}.jobs JOIN {self._schema}.queues ON queues.number = jobs.queue
            WHERE queues.name = %s AND jobs.id = ANY (%s)"""
        found: dict[str, bytes | None] = dict(self._link.rows(sql, queue, texts(ids)))
        return [found.get(id) for id in ids]

    def due(self, limit: int, clock: int | None, *, everything: bool) -> Due:
        """Rows whose wake-up passed. Folds too, `everything`: also what came late."""
        sql = f"SELECT * FROM {self._schema}.due_jobs(%s, %s, %s)"
        head, *found = self._link.rows(sql, clock, limit, everything)
        return Due(head[0], [job_of(row[2:], row[1], head[0]) for row in found])

    def page(
        self, queue: str, state: State, cursor: str | None, limit: int, *, reverse: bool, clock: int | None
    ) -> Page:
        """One page of a listing. Of scheduled jobs only those that are not due."""
        position = place_behind(cursor, reverse=reverse)
        statements = [
            self._phase(queue, phase, position, limit + 1, reverse=reverse, clock=clock) for phase in PHASES[state]
        ]
        if state == "ready":
            statements.insert(0, Statement(f"SELECT {self._schema}.take_in_due(%s, %s)", (clock, queue)))
        answers = self._link.step(statements)
        rows = [row[1:] for answer in answers[state == "ready" :] for row in answer]
        now = next((row[0] for answer in answers[state == "ready" :] for row in answer), 0)
        return page_of(rows, queue, now, limit=limit, reverse=reverse)

    def _phase(
        self, queue: str, phase: int, position: Position, limit: int, *, reverse: bool, clock: int | None
    ) -> Statement:
        sign, order = ("<", " DESC") if reverse else (">", "")
        due = " AND jobs.rank > now.now" if phase == SCHEDULED else ""
        return Statement(
            f"""SELECT now.now, {COLUMNS} FROM (SELECT {self._schema}.moment(%s) AS now OFFSET 0) AS now, {self._schema}.jobs
            WHERE jobs.queue = (SELECT number FROM {self._schema}.queues WHERE name = %s) AND jobs.phase = {phase}{due}
            AND (jobs.rank, jobs.id) {sign} (%s, %s) ORDER BY jobs.rank{order}, jobs.id{order} LIMIT %s""",
            (clock, queue, *position, limit),
        )

    def _select(self, rest: str) -> str:
        return f"""SELECT {self._schema}.moment(%s), queues.name, {COLUMNS} FROM {self._schema}.jobs
            JOIN {self._schema}.queues ON queues.number = jobs.queue {rest}"""

    def queues(self) -> list[str]:
        """The names of all queues."""
        return [name for (name,) in self._link.rows(f"SELECT name FROM {self._schema}.queues ORDER BY name")]

    def counts(self, queues: Sequence[str] | None, clock: int | None) -> list[QueueCounts]:
        """The counts of the named queues, or of all."""
        sql = f"SELECT * FROM {self._schema}.counts_of(%s, %s)"
        rows: Rows = self._link.rows(sql, clock, None if queues is None else texts(queues))
        found = {row[0]: _counts(row) for row in rows}
        if queues is None:
            return list(found.values())
        unused: list[Any] = [0] * 18
        now = rows[0][1] if rows else (clock or 0)
        return [found.get(name) or _counts((name, now, *unused[2:-1], None, False, "", "", None, 0)) for name in queues]


def controls_of(row: Sequence[Any]) -> Controls:
    """The controls in the columns of `queues`, from `paused` on."""
    paused, reason, by, until, max_running = row
    return Controls(paused, reason, by, until, max_running)


def _counts(row: Row) -> QueueCounts:
    name, now, phases, totals, due, oldest = row[0], row[1], row[2:10], row[10:16], row[16], row[17]
    states: dict[State, int] = dict.fromkeys(STATES, 0)
    for phase, count in enumerate(phases, 1):
        states[STATE_OF[phase]] += count
    states["scheduled"] -= due
    states["ready"] += due
    counted = {total: count for total, count in zip(_TOTALS, totals, strict=True) if count}
    return QueueCounts(name, now, states, oldest, counted, controls_of(row[18:]))
