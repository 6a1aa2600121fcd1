"""Measures of a store alone, without a pool: what a producer's calls and a worker's calls take."""

import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from jq_cli.backends.base import Backend
from jq_cli.bench.load import batches, draft
from jq_cli.bench.sample import Sample
from jq_cli.change import Change
from jq_cli.consumer import Consumer
from jq_cli.job import Job
from jq_cli.lifecycle import Outcome

T = TypeVar("T")
SUCCEEDED = Outcome("succeeded")


class Stopwatch:
    """Times calls, and counts what requests they took. `until`: when to end (monotonic)."""

    def __init__(self, backend: Backend, most: float) -> None:
        self._backend = backend
        self._times: list[float] = []
        self._jobs = 0
        self._requests = 0
        self.until = time.monotonic() + most

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self.until

    def time(self, call: Callable[[], T], jobs: int | Callable[[T], int]) -> T:
        """Make a call that is about so many jobs; `jobs` may tell it from the answer."""
        before = sum(self._backend.requests.values())
        began = time.perf_counter()
        answer = call()
        self._times.append(time.perf_counter() - began)
        self._requests += sum(self._backend.requests.values()) - before
        self._jobs += jobs(answer) if callable(jobs) else jobs
        return answer

    @property
    def sample(self) -> Sample:
        """What was timed."""
        return Sample(self._jobs, sum(self._times), self._times, self._requests if self._backend.requests else None)


def enqueue(backend: Backend, queue: str, jobs: int, payload: bytes, most: float, *, at_once: int = 1) -> Sample:
    """Put jobs on a queue, so many with each call, as a producer does: making them counts."""
    watch = Stopwatch(backend, most)
    for size in batches(jobs, at_once):
        if watch.over:
            break
        watch.time(partial(_insert, backend, queue, payload, size), size)
    return watch.sample


def claim_and_settle(consumer: Consumer, queue: str, jobs: int, batch: int, most: float) -> tuple[Sample, Sample]:
    """Claim ready jobs with one call and settle them with another, until so many are done; a sample of each."""
    claims, settles = Stopwatch(consumer.backend, most), Stopwatch(consumer.backend, most)
    left = jobs
    while left > 0 and not claims.over:
        claimed = claims.time(partial(consumer.claim, [queue], min(batch, left)), len)
        if not claimed:
            break
        settles.time(partial(_settle, consumer, claimed), len(claimed))
        left -= len(claimed)
    return claims.sample, settles.sample


def turns(consumer: Consumer, queue: str, jobs: int, batch: int, most: float) -> Sample:
    """Settle the last batch and claim the next with one call, as a pool does, until so many jobs are done."""
    watch = Stopwatch(consumer.backend, most)
    left, held = jobs, consumer.claim([queue], min(batch, jobs))
    while held and not watch.over:
        left -= len(held)
        if left <= 0:
            watch.time(partial(_settle, consumer, held), len(held))
            break
        held = watch.time(partial(_turn, consumer, queue, held, min(batch, left)), len(held))
    return watch.sample


def _insert(backend: Backend, queue: str, payload: bytes, count: int) -> None:
    backend.insert([draft(queue, payload) for _ in range(count)])


def _settle(consumer: Consumer, jobs: list[Job]) -> None:
    consumer.write(_settled(consumer, jobs))


def _turn(consumer: Consumer, queue: str, held: list[Job], limit: int) -> list[Job]:
    return consumer.turn(_settled(consumer, held), [queue], limit)[1]


def _settled(consumer: Consumer, jobs: list[Job]) -> list[Change]:
    return [consumer.settle(job, SUCCEEDED) for job in jobs]
