"""Changes as statements: those that settle leases in one way, all others in another, which looks at the rows first."""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from jq_cli.backends.base import Clock
from jq_cli.backends.phases import phase_of
from jq_cli.backends.postgres.arrays import blobs, numbers, some_blobs, some_texts, texts
from jq_cli.backends.postgres.statement import Rows, Statement
from jq_cli.change import Change, Verdict
from jq_cli.job import FINAL, Job, encode_body

MOST = 1_000
"""Changes in one statement."""

TOTALS = {"enqueued": 1, "succeeded": 2, "failed": 4, "dead": 8, "recovered": 16, "duplicates": 32}
_GONE = Job()


class Changes:
    """The statements of one step. `parts`: for each, the changes it makes as numbers into all, in the order of their ids:
    all steps lock rows in that order, so that no two can wait for each other."""

    def __init__(self, schema: str, clock: Clock | None, changes: Sequence[Change]) -> None:
        self._changes = changes
        self.parts = list(_parts(changes))
        moment = None if clock is None else clock()
        self.statements = [_statement(schema, moment, [changes[n] for n in part]) for part in self.parts]
        self.topics = sorted({topic for change in changes for topic in _topics(change)})

    def verdicts(self, answers: Sequence[Rows]) -> list[Verdict]:
        """What became of each change."""
        verdicts: list[Verdict] = ["lost"] * len(self._changes)
        for part, [[told]] in zip(self.parts, answers, strict=False):
            for n in told:
                verdicts[part[abs(n) - 1]] = "applied" if n > 0 else "already"
        return verdicts


def _parts(changes: Sequence[Change]) -> Iterator[list[int]]:
    """A part is of one kind and holds an id but once; what comes after a change of the same job is in a later part."""
    seen: dict[tuple[str, str], int] = {}
    rounds: list[tuple[list[int], list[int]]] = []
    for n, change in enumerate(changes):
        place = seen.get((change.queue, change.id), -1) + 1
        seen[change.queue, change.id] = place
        if place == len(rounds):
            rounds.append(([], []))
        rounds[place][not _plain(change)].append(n)
    for kinds in rounds:
        for part in kinds:
            part.sort(key=lambda n: (changes[n].id, changes[n].queue))
            yield from (part[at : at + MOST] for at in range(0, len(part), MOST))


def _plain(change: Change) -> bool:
    return change.fenced and change.job is not None and not change.payload


def _statement(schema: str, moment: int | None, changes: Sequence[Change]) -> Statement:
    queues = list(dict.fromkeys(change.queue for change in changes))
    places = {queue: place for place, queue in enumerate(queues, 1)}
    runs = _runs(changes)
    firsts = [changes[start] for start, _ in runs]
    jobs = [change.job or _GONE for change in firsts]
    plain = _plain(firsts[0])
    words = [
        word for run, change in zip(runs, firsts, strict=True) for word in _numbers(change, places[change.queue], *run)
    ]
    times = [time for c in changes for time in ((0, 0) if c.job is None else (c.job.ready_at, c.job.created_at))]
    values = (
        moment, texts(queues), numbers([-1 if c.cap is None else c.cap for c in firsts]),
        None if plain else numbers([_kind(c) for c in firsts]), numbers(words), numbers(times),
        texts([c.id for c in changes]), texts([c.expect for c in firsts]), texts([c.mark for c in firsts]),
        blobs([encode_body(job) for job in jobs]),
        some_blobs([c.job.payload if c.payload and c.job else None for c in changes]),
        some_blobs([c.output for c in firsts]),
        some_texts([job.owner for job in jobs]), some_texts([job.token for job in jobs]), *_keys(changes, places),
    )  # fmt: skip
    return Statement(f"SELECT {schema}.change_jobs({', '.join(['%s'] * len(values))})", values)


def _runs(changes: Sequence[Change]) -> list[tuple[int, int]]:
    """Where changes begin that are alike but for the ids, times and payloads of their jobs and for their keys, and how many they
    are: jobs that were claimed together mostly end alike."""
    starts, last = [], None
    for n, change in enumerate(changes):
        job = change.job
        job = None if job is None else replace(job, id="", payload=b"", ready_at=0, created_at=0)
        alike = replace(change, id="", job=job, keys=(), step=None)
        if alike != last:
            starts.append(n)
            last = alike
    return [(start, end - start) for start, end in zip(starts, [*starts[1:], len(changes)], strict=True)]


def _kind(change: Change) -> int:
    return (1 if change.fenced else 3) + (change.job is None)


def _numbers(change: Change, place: int, start: int, size: int) -> tuple[int, ...]:
    job = change.job
    if job is None:
        return (place, 1, *[0] * 4, start, size, *[0] * 5, _bits(change))
    end = job.lease_until if job.state == "running" else job.finished_at
    return (
        place, phase_of(job), -1 if end is None else end, -1 if change.delay is None else change.delay,
        -1 if change.keep is None else change.keep, job.priority, start, size,
        -1 if job.expires_at is None else job.expires_at, -1 if job.started_at is None else job.started_at,
        job.generation, int(job.stop), int(job.delivery == "at_most_once"), _bits(change),
    )  # fmt: skip


def _bits(change: Change) -> int:
    return sum(TOTALS[total] for total in set(change.totals))


def _keys(changes: Sequence[Change], places: dict[str, int]) -> tuple[object, ...]:
    keys = [(n, places[change.queue], key) for n, change in enumerate(changes, 1) for key in change.keys]
    if not keys:
        return (None, None, None, None, None)
    return (
        numbers([n for n, _, _ in keys]),
        numbers([place for _, place, _ in keys]),
        texts([key.name for _, _, key in keys]),
        blobs([key.outcome for _, _, key in keys]),
        numbers([key.ttl for _, _, key in keys]),
    )


def _topics(change: Change) -> Iterator[str]:
    if change.job is None or change.job.state in FINAL:
        yield "done:" + change.queue
    elif change.job.state == "ready":
        yield "ready:" + change.queue
