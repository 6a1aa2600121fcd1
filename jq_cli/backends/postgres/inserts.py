"""Drafts as statements, one for each queue and kind, and the answers as what became of each draft."""

from collections.abc import Callable, Iterator, Sequence

from jq_cli.backends.base import Clock, Inserted
from jq_cli.backends.postgres.arrays import blobs, numbers, some_texts, texts
from jq_cli.backends.postgres.statement import Rows, Statement
from jq_cli.change import DEDUP, IDEMPOTENCY
from jq_cli.draft import Draft, runs_of
from jq_cli.job import Job, encode_body

Naming = Callable[[str], Sequence[object]]
"""The channel and the lock of a topic."""

MOST_JOBS = 1_000
MOST_BYTES = 4 * 1024 * 1024
"""What one step stores at most, so that it ends in time."""


class Inserts:
    """The statements of one step. `parts`: for each, the drafts it stores as numbers into all. `topics` are left to be hinted
    at; with a `topic`, which says how one is called, a step that the server can hint at by itself has none."""

    def __init__(
        self, schema: str, clock: Clock | None, drafts: Sequence[Draft], numbers: Sequence[int], topic: Naming | None
    ) -> None:
        self._schema, self._clock, self._drafts = schema, clock, drafts
        self.parts = list(_parts(drafts, numbers))
        self.topics = sorted({"ready:" + drafts[n].job.queue for n in numbers if not drafts[n].delay})
        told: Sequence[object] = ()
        if topic is not None and len(self.topics) == len(self.parts) == 1 and not _keyed(drafts[numbers[0]].job):
            told = topic(self.topics.pop())
        self.statements = [self._statement(part, told) for part in self.parts]

    def tell(self, answers: Sequence[Rows], inserted: list[Inserted | None]) -> None:
        """Enter what became of the drafts."""
        for part, rows in zip(self.parts, answers, strict=True):
            results = _plain_results if rows and len(rows[0]) == 1 else _keyed_results
            for n, result in zip(part, results([self._drafts[n].job for n in part], rows), strict=True):
                inserted[n] = result

    def _statement(self, part: Sequence[int], told: Sequence[object]) -> Statement:
        drafts = [self._drafts[n] for n in part]
        jobs = [draft.job for draft in drafts]
        runs = [(run, len(run)) for run in runs_of(drafts)]
        words = [word for run, count in runs for word in _numbers(run[0]) * count]
        bodies = [body for run, count in runs for body in [encode_body(run[0].job)] * count]
        moment = None if self._clock is None else self._clock()
        columns = (numbers(words), texts([job.id for job in jobs]), blobs(bodies), blobs([job.payload for job in jobs]))
        if not _keyed(jobs[0]):
            delayed = sum(count for run, count in runs if run[0].delay)
            values = (moment, jobs[0].queue, delayed, *columns, *told)
            if told:
                return Statement(f"CALL {self._schema}.enqueue_jobs(%s, %s, %s, %s, %s, %s, %s, %s, %s, NULL)", values)
            return Statement(f"SELECT {self._schema}.insert_jobs(%s, %s, %s, %s, %s, %s, %s)", values)
        keys = (
            texts([None if job.dedup_key is None else DEDUP + job.dedup_key for job in jobs]),
            texts([None if job.idempotency_key is None else IDEMPOTENCY + job.idempotency_key for job in jobs]),
            some_texts([draft.fingerprint for draft in drafts]),
        )
        return Statement(
            f"SELECT * FROM {self._schema}.insert_keyed(%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (moment, jobs[0].queue, *columns, *keys),
        )


def steps_of(
    schema: str, clock: Clock | None, drafts: Sequence[Draft], topic: Naming | None = None
) -> Iterator[Inserts]:
    """All drafts, in steps; `topic` as in Inserts."""
    begin = size = 0
    for n, draft in enumerate(drafts):
        size += len(draft.job.payload)
        if n > begin and (n - begin >= MOST_JOBS or size > MOST_BYTES):
            yield Inserts(schema, clock, drafts, range(begin, n), topic)
            begin, size = n, len(draft.job.payload)
    if begin < len(drafts):
        yield Inserts(schema, clock, drafts, range(begin, len(drafts)), topic)


def _parts(drafts: Sequence[Draft], numbers: Sequence[int]) -> Iterator[list[int]]:
    """The drafts by queue, in the order of the queues' names, and those with and without keys apart: what is judged as one
    follows another only where an id comes twice. Those without are in the order of their ids."""
    queues: dict[str, list[int]] = {}
    for n in numbers:
        queues.setdefault(drafts[n].job.queue, []).append(n)
    for _, own in sorted(queues.items()):
        if len({drafts[n].job.id for n in own}) == len(own):
            plain = sorted((n for n in own if not _keyed(drafts[n].job)), key=lambda n: drafts[n].job.id)
            yield from filter(None, (plain, [n for n in own if _keyed(drafts[n].job)]))
        else:
            yield from ([n] for n in own)


def _keyed(job: Job) -> bool:
    return job.dedup_key is not None or job.idempotency_key is not None


def _numbers(draft: Draft) -> tuple[int, int, int, int, int]:
    job = draft.job
    ttl = -1 if job.dedup_ttl is None else round(job.dedup_ttl * 1_000)
    expires_in = -1 if draft.expires_in is None else draft.expires_in
    return job.priority, draft.delay, expires_in, int(job.delivery == "at_most_once"), ttl


def _plain_results(jobs: Sequence[Job], rows: Rows) -> Iterator[Inserted]:
    made = rows[0][0]
    if made is None:
        return (Inserted("created", job.id) for job in jobs)
    created = set(made)
    return (Inserted("created" if job.id in created else "duplicate", job.id) for job in jobs)


def _keyed_results(jobs: Sequence[Job], rows: Rows) -> Iterator[Inserted]:
    return (Inserted(*row) for row in rows)
