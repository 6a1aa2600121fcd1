"""What must be true of a store at every moment, whatever happened before: counts, listings and rows tell the same story."""

from collections.abc import Callable
from typing import Any

from jq_cli.backends.base import Backend
from jq_cli.job import FINAL, STATES, Job, State

_ORDERS: dict[State, Callable[[Job], tuple[Any, ...]]] = {
    "ready": lambda job: job.order,
    "scheduled": lambda job: (job.ready_at, job.id),
    "running": lambda job: (job.lease_until, job.id),
}


def order_of(state: State) -> Callable[[Job], tuple[Any, ...]]:
    """The key by which the jobs of a state are listed, smallest first."""
    return _ORDERS.get(state, lambda job: (job.finished_at, job.id))


def listed(
    backend: Backend, queue: str, state: State, *, limit: int = 1_000, reverse: bool = False, most: int = 10_000
) -> list[Job]:
    """All jobs of a queue in a state, page by page."""
    jobs: list[Job] = []
    cursor = None
    for _ in range(most):
        page = backend.page(queue, state, cursor=cursor, limit=limit, reverse=reverse)
        assert len(page.jobs) <= limit, "a page holds more than was asked for"
        jobs += page.jobs
        cursor = page.cursor
        if cursor is None:
            return jobs
    raise AssertionError(f"the listing of {state} jobs does not end")


def check_structure(backend: Backend) -> None:
    """Check every queue of a store. Nobody else may use it meanwhile."""
    queues = backend.queues()
    assert queues == sorted(set(queues)), "queues are listed once, sorted"
    assert [counts.queue for counts in backend.counts()] == queues, "counts of all queues are those of each queue"
    for queue in queues:
        jobs = {state: listed(backend, queue, state) for state in STATES}
        _check_counts(backend, queue, jobs)
        _check_listings(jobs)
        _check_rows(backend, queue, [job for state in STATES for job in jobs[state]])
    _check_held(backend, queues)


def _check_counts(backend: Backend, queue: str, jobs: dict[State, list[Job]]) -> None:
    (counts,) = backend.counts([queue])
    assert counts.states == {state: len(jobs[state]) for state in STATES}, f"counts of {queue} are not what is listed"
    oldest = min((job.ready_at for job in jobs["ready"]), default=None)
    assert counts.oldest_ready_at == oldest, f"oldest_ready_at of {queue}"


def _check_listings(jobs: dict[State, list[Job]]) -> None:
    for state in STATES:
        assert {job.state for job in jobs[state]} <= {state}, f"jobs in another state are listed as {state}"
        assert jobs[state] == sorted(jobs[state], key=order_of(state)), f"{state} jobs are not listed in their order"
    ids = [job.id for state in STATES for job in jobs[state]]
    assert len(ids) == len(set(ids)), "a job is in two states"


def _check_rows(backend: Backend, queue: str, jobs: list[Job]) -> None:
    for start in range(0, len(jobs), 1_000):
        part = jobs[start : start + 1_000]
        assert backend.get(queue, [job.id for job in part]) == part, "a row differs from its listing"
    for job in jobs:
        assert job.queue == queue
        _check_marks(job)


def _check_marks(job: Job) -> None:
    running, final = job.state == "running", job.state in FINAL
    assert all((mark is not None) == running for mark in (job.token, job.owner, job.lease_until)), f"lease of {job}"
    assert (job.finished_at is not None) == final, f"finished_at of {job}"
    assert job.version, f"version of {job}"


def _check_held(backend: Backend, queues: list[str]) -> None:
    running = [job for queue in queues for job in listed(backend, queue, "running")]
    for owner in {job.owner for job in running if job.owner}:
        wanted = [job for job in running if job.owner == owner]
        held = backend.held(owner)
        assert sorted(held, key=_place) == sorted(wanted, key=_place), f"held({owner}) is not what is running"


def _place(job: Job) -> tuple[str, str]:
    return job.queue, job.id
