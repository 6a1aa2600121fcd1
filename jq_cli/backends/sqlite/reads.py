"""What readers see: listings, counts, and rows whose wake-up passed."""

from jq_cli.backends.base import Page, QueueCounts
from jq_cli.backends.cursor import place_behind
from jq_cli.backends.phases import PHASES, READY, RUNNING, SCHEDULED, STATE_OF, Row, job_of, page_of
from jq_cli.backends.sqlite.rows import COLUMNS, MOMENT_BITS, MOMENTS
from jq_cli.backends.sqlite.space import COUNTERS, Space, read_controls
from jq_cli.job import STATES, Job, State

# The plus keeps the bound of scheduled jobs out of the index, which has room for one: that of the page, or deep pages are slow.
_SELECT = f"SELECT {COLUMNS} FROM jobs WHERE queue = ? AND phase = ? AND +rank > ?"
_FORWARD = f"{_SELECT} AND (rank, id) > (?, ?) ORDER BY rank, id LIMIT ?"
_BACKWARD = f"{_SELECT} AND (rank, id) < (?, ?) ORDER BY rank DESC, id DESC LIMIT ?"

_GET = f"SELECT {COLUMNS} FROM jobs WHERE queue = ? AND id = ?"
_FIND = f"""SELECT queues.name, {COLUMNS.replace("id,", "jobs.id,", 1)} FROM queues CROSS JOIN jobs
    ON jobs.queue = queues.number WHERE queues.space = ? AND jobs.id = ?"""
_OUTPUT = "SELECT data FROM jobs JOIN outputs USING (serial) WHERE queue = ? AND id = ?"
_BUSY = "SELECT number FROM queues WHERE space = ? AND running > 0"
_OWNED = f"SELECT {COLUMNS} FROM jobs WHERE queue = ? AND phase = {RUNNING} AND owner = ? ORDER BY rank, id"
_ENDED = f"SELECT {COLUMNS} FROM jobs WHERE queue = ? AND phase = {RUNNING} AND rank <= ? ORDER BY rank, id LIMIT ?"
_WOKEN = f"""SELECT wake_at, queue, {COLUMNS} FROM jobs WHERE space = ? AND wake_at <= ? ORDER BY wake_at, id LIMIT ?"""

_COUNTERS = f"SELECT number, controls, {', '.join(COUNTERS)} FROM queues WHERE space = ? AND name = ?"
_TOTALS = "SELECT name, count FROM totals WHERE queue = ?"
_COUNT_DUE = f"SELECT count(*), min(rank) FROM jobs WHERE queue = ? AND phase = {SCHEDULED} AND rank <= ?"
_NEXT_PRIORITY = f"SELECT rank FROM jobs WHERE queue = ? AND phase = {READY} AND rank >= ? ORDER BY rank LIMIT 1"


def get(space: Space, queue: str, ids: list[str], now: int) -> list[Job | None]:
    """The jobs with these ids."""
    number = space.queue(queue)
    rows = [space.cursor.execute(_GET, (number, id)).fetchone() for id in ids]
    return [None if row is None else job_of(row, queue, now) for row in rows]


def find(space: Space, id: str, now: int) -> Job | None:
    """A job by its id alone."""
    row = space.cursor.execute(_FIND, (space.number, id)).fetchone()
    return None if row is None else job_of(row[1:], row[0], now)


def outputs(space: Space, queue: str, ids: list[str]) -> list[bytes | None]:
    """The side records of jobs."""
    number = space.queue(queue)
    rows = [space.cursor.execute(_OUTPUT, (number, id)).fetchone() for id in ids]
    return [None if row is None else row[0] for row in rows]


def page(space: Space, queue: str, state: State, *, cursor: str | None, limit: int, reverse: bool, now: int) -> Page:
    """One page of a listing. Due scheduled jobs must have been taken in."""
    number, position = space.queue(queue), place_behind(cursor, reverse=reverse)
    above = now if state == "scheduled" else -1
    select = _BACKWARD if reverse else _FORWARD
    rows: list[Row] = []
    for phase in PHASES[state]:
        rows += space.cursor.execute(select, (number, phase, above, *position, limit + 1))
    return page_of(rows, queue, now, limit=limit, reverse=reverse)


def held(space: Space, worker: str, now: int) -> list[Job]:
    """The running jobs of a worker."""
    jobs: list[Job] = []
    for (queue,) in space.cursor.execute(_BUSY, (space.number,)).fetchall():
        rows = space.cursor.execute(_OWNED, (queue, worker)).fetchall()
        jobs += [job_of(row, space.name(queue), now) for row in rows]
    return jobs


def due(space: Space, limit: int, now: int) -> list[Job]:
    """Rows whose wake-up passed, earliest first. Looks at queues with running jobs one by one; the rest is one index."""
    woken: list[tuple[int, int, Row]] = []
    for wake_at, queue, *row in space.cursor.execute(_WOKEN, (space.number, now, limit)):
        woken.append((wake_at, queue, tuple(row)))
    for (queue,) in space.cursor.execute(_BUSY, (space.number,)).fetchall():
        woken += [(row[2], queue, row) for row in space.cursor.execute(_ENDED, (queue, now, limit))]
    woken.sort(key=lambda each: (each[0], each[2][0]))
    return [job_of(row, space.name(queue), now) for _, queue, row in woken[:limit]]


def counts(space: Space, queue: str, now: int) -> QueueCounts:
    """The counts of a queue. Call it within a snapshot."""
    row = space.cursor.execute(_COUNTERS, (space.number, queue)).fetchone()
    if row is None:
        row = (0, b"{}", *[0] * len(COUNTERS))
    number, controls, *jobs = row
    states: dict[State, int] = dict.fromkeys(STATES, 0)
    for phase, count in enumerate(jobs, 1):
        states[STATE_OF[phase]] += count
    came_due, oldest_due = space.cursor.execute(_COUNT_DUE, (number, now)).fetchone()
    states["scheduled"] -= came_due
    states["ready"] += came_due
    oldest = min((moment for moment in (oldest_due, _oldest_ready(space, number)) if moment is not None), default=None)
    totals = dict(space.cursor.execute(_TOTALS, (number,)).fetchall())
    return QueueCounts(queue, now, states, oldest, totals, read_controls(controls))


def _oldest_ready(space: Space, queue: int) -> int | None:
    """The least moment among ready jobs, from the first of each priority."""
    oldest, rank = None, 0
    while row := space.cursor.execute(_NEXT_PRIORITY, (queue, rank)).fetchone():
        moment = row[0] & MOMENTS
        oldest = moment if oldest is None else min(oldest, moment)
        rank = (row[0] >> MOMENT_BITS) + 1 << MOMENT_BITS
    return oldest
