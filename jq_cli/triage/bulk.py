"""One kind of change to many jobs: in batches, compared by version, tried again where a job changed meanwhile."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice, takewhile

import msgspec

from jq_cli.change import Change, Unchanged
from jq_cli.client import PAGE, Client
from jq_cli.errors import Conflict, JqError, NotFound, UsageError
from jq_cli.ids import nonce
from jq_cli.job import FINAL, Job, State

TRIES = 5
"""How often a change is made again because the job changed between look and write."""


class Refused(Conflict):
    """The change does not apply to the job as it is."""


class Unmatched(Refused):
    """The job is not, or not any more, one of those that are meant."""


class Result(msgspec.Struct, frozen=True):
    """What became of one job: when `error` is None, the `change` was made."""

    id: str
    error: JqError | None = None
    change: Change | None = None


def everything(job: Job) -> bool:
    """Means every job."""
    return True


def known_by(now: int) -> Callable[[Job], bool]:
    """Means the jobs that were there, and had ended if they have ended, at a moment (ms): what came later was not counted, and
    jobs that come back at once could keep a run busy for ever."""
    return lambda job: ((job.finished_at or 0) if job.state in FINAL else job.created_at) <= now


class Pace:
    """Holds a run down to `rate` jobs a second; None: as fast as it goes."""

    def __init__(
        self,
        rate: float | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._wait = wait
        self._next = clock()

    @property
    def batch(self) -> int:
        """How many jobs to change in one step."""
        return PAGE if self._rate is None else max(1, min(PAGE, int(self._rate)))

    def spend(self, jobs: int) -> None:
        """Wait until that many more jobs may be changed."""
        if self._rate is not None:
            now = self._clock()
            if self._next > now:
                self._wait(self._next - now)
            self._next = max(self._next, now) + jobs / self._rate


class Bulk:
    """Makes changes with `make(job, mark)`, which raises Conflict for a job that it does not apply to, Unchanged for one that
    is already as it should be, and UsageError for one that it cannot be made of.

    report  is told of each batch what became of its jobs
    chosen  which jobs are meant; asked of each job as it is when it is changed
    held    a context that holds interruptions back, entered for each batch: what was changed was also reported
    """

    def __init__(
        self,
        client: Client,
        make: Callable[[Job, str], Change],
        report: Callable[[list[Result]], None],
        *,
        chosen: Callable[[Job], bool] = everything,
        pace: Pace | None = None,
        held: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._client = client
        self._make = make
        self._report = report
        self._chosen = chosen
        self._pace = pace or Pace()
        self._held = held

    def named(self, queue: str, ids: Iterable[str]) -> None:
        """Change the jobs with these ids. One that is not meant is reported as Unmatched."""
        left = iter(ids)
        while some := list(islice(left, self._pace.batch)):
            self._pace.spend(len(some))
            with self._held():
                self._report(self._change(queue, some, self._client.get(queue, some)))

    def every(self, queue: str, state: State, most: int, within: Callable[[Job], bool] = everything) -> int:
        """Change the jobs in a state that are meant, in its order, `most` of them or up to the first that is not `within`. Jobs
        that somebody else moved meanwhile are passed over. Called again after an interruption, it goes on with what is left.
        Gives how many it tried to change."""
        cursor: str | None = None
        tried = 0
        while tried < most:
            page = self._client.backend.page(queue, state, cursor=cursor, limit=PAGE)
            jobs = list(takewhile(within, page.jobs))
            meant = [job for job in jobs if self._chosen(job)][: most - tried]
            self._in_steps(queue, meant)
            tried += len(meant)
            cursor = page.cursor
            if cursor is None or len(jobs) < len(page.jobs):
                break
        return tried

    def _in_steps(self, queue: str, jobs: Sequence[Job]) -> None:
        for at in range(0, len(jobs), self._pace.batch):
            some = jobs[at : at + self._pace.batch]
            self._pace.spend(len(some))
            with self._held():
                results = self._change(queue, [job.id for job in some], some)
                self._report([result for result in results if not isinstance(result.error, NotFound | Refused)])

    def _change(self, queue: str, ids: Sequence[str], jobs: Sequence[Job | None]) -> list[Result]:
        results: list[Result] = []
        for _ in range(TRIES):
            changes = self._changes(queue, ids, jobs, results)
            verdicts = self._client.replace(changes) if changes else []
            lost = [change.id for change, verdict in zip(changes, verdicts, strict=True) if verdict == "lost"]
            results += [
                Result(c.id, None, c) for c, verdict in zip(changes, verdicts, strict=True) if verdict != "lost"
            ]
            if not lost:
                return results
            ids, jobs = lost, self._client.get(queue, lost)
        return results + [Result(id, Conflict(f"job {id} kept changing; try again")) for id in ids]

    def _changes(
        self, queue: str, ids: Sequence[str], jobs: Sequence[Job | None], results: list[Result]
    ) -> list[Change]:
        changes: list[Change] = []
        for id, job in zip(ids, jobs, strict=True):
            if job is None:
                results.append(Result(id, NotFound(f"no such job: {id} on {queue}")))
                continue
            if not self._chosen(job):
                results.append(Result(id, Unmatched(f"job {id} is not one of those meant")))
                continue
            try:
                changes.append(self._make(job, nonce()))
            except (Unchanged, UsageError) as error:
                results.append(Result(id, error))
            except Conflict as error:
                results.append(Result(id, Refused(str(error))))
        return changes
