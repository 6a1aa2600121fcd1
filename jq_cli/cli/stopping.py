"""Waits until running jobs that were asked to stop have stopped, and says of each what became of it."""

import time
from collections.abc import Callable, Sequence

from jq_cli import lifecycle
from jq_cli.change import Change
from jq_cli.client import PAGE, Client
from jq_cli.durations import format_duration
from jq_cli.errors import Conflict, JqError, TimedOut
from jq_cli.ids import nonce
from jq_cli.job import FINAL, WAITING, Job

LOOK = 0.25
"""Seconds between two looks. A worker hears of a request with its next heartbeat, every three seconds."""


class Stopping:
    """Waits for jobs, given as queue and id, at most `wait` seconds.

    done    is told of each job that the store shows as cancelled, or that is gone
    failed  is told of each that ended otherwise before it was stopped, or that still runs when the time is up
    looked  is told after each look which are left
    """

    def __init__(
        self,
        client: Client,
        jobs: Sequence[tuple[str, str]],
        *,
        wait: float,
        done: Callable[[str, str], None],
        failed: Callable[[JqError], None],
        looked: Callable[[list[tuple[str, str]]], None],
    ) -> None:
        self._client = client
        self._wait = wait
        self._done, self._failed, self._looked = done, failed, looked
        self._left: dict[str, list[str]] = {}
        for queue, id in jobs:
            self._left.setdefault(queue, []).append(id)

    def run(self) -> None:
        """Wait for all of them."""
        end = time.monotonic() + self._wait
        while True:
            running = [job for queue, ids in self._left.items() for job in self._look(queue, ids)]
            self._left = {queue: [job.id for job in running if job.queue == queue] for queue in self._left}
            self._looked([(job.queue, job.id) for job in running])
            if not running:
                return
            if time.monotonic() >= end:
                break
            self._help(running)
            time.sleep(LOOK)
        for job in running:
            where = f"still runs on {job.owner}" if job.owner else f"is {job.state}"
            after = format_duration(self._wait * 1_000)
            self._failed(TimedOut(f"job {job.id} was asked to stop and {where} after {after}"))

    def _look(self, queue: str, ids: Sequence[str]) -> list[Job]:
        """The jobs that have not ended; the others are told."""
        left = []
        for at in range(0, len(ids), PAGE):
            some = ids[at : at + PAGE]
            for id, job in zip(some, self._client.get(queue, some), strict=True):
                if job is None or job.state == "cancelled":
                    self._done(queue, id)
                elif job.state in FINAL:
                    ended = "succeeded" if job.state == "succeeded" else "died"
                    self._failed(Conflict(f"job {id} {ended} before it could be stopped"))
                else:
                    left.append(job)
        return left

    def _help(self, jobs: Sequence[Job]) -> None:
        """Where no worker is left to stop a job, do what its recovery would."""
        now = self._client.backend.now()
        changes = [change for job in jobs if (change := self._end(job, now)) is not None]
        if changes:
            self._client.replace(changes)

    def _end(self, job: Job, now: int) -> Change | None:
        keeping = self._client.settings.keeping(job.queue)
        if job.state in WAITING:
            return lifecycle.cancel(job, nonce(), keeping)
        if job.state == "running" and (job.lease_until or 0) <= now:
            return lifecycle.lose(job, now=now, mark=nonce(), keeping=keeping)
        return None
