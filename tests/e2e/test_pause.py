"""`jq pause` amid busy pools: after it returned no claim begins to hand out a job of the queue, as the store's clock shows."""

import os
import subprocess
from collections import Counter

from jq_cli.backends.base import Backend
from jq_cli.draft import make_draft
from jq_cli.ids import new_id
from jq_cli.job import Job, State
from tests.e2e.program import JQ, Program
from tests.e2e.test_triage import store_of, until

ROUNDS = 3 * int(os.environ.get("JQ_SOAK", "1"))
PLENTY = 400
"""So many jobs wait, at least, as long as the pools are to be busy."""

OTHERS = 50
"""Jobs of another queue that the same pools run while `q` is paused: each claim that hands them out has asked `q` first."""


def insert(backend: Backend, queue: str, count: int) -> set[str]:
    # Kept for an hour each, so that all of them can be looked at in the end.
    drafts = [make_draft(Job(id=new_id(), queue=queue, payload=b"null", retention=3_600)) for _ in range(count)]
    backend.insert(drafts)
    return {draft.job.id for draft in drafts}


def jobs(backend: Backend, queue: str, state: State) -> list[Job]:
    found: list[Job] = []
    cursor: str | None = ""
    while cursor is not None:
        page = backend.page(queue, state, cursor=cursor or None, limit=500)
        found += page.jobs
        cursor = page.cursor
    return found


def count(backend: Backend, queue: str, state: State) -> int:
    return backend.counts([queue])[0].states[state]


def pause_amid_work(jq: Program, backend: Backend) -> int:
    """Pauses `q` while pools take jobs from it and a producer brings more; the store's time once that is told."""
    before = count(backend, "q", "succeeded")
    insert(backend, "q", PLENTY)
    until(lambda: count(backend, "q", "succeeded") > before, "the pools are busy")
    with subprocess.Popen([JQ, "pause", "q"], env=jq.env, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            if count(backend, "q", "ready") < PLENTY:
                insert(backend, "q", PLENTY)
    assert process.returncode == 0
    return backend.now()


def see_it_hold(backend: Backend, paused_at: int) -> None:
    """Has the pools claim jobs of another queue, and looks when those of `q` were claimed."""
    waiting = insert(backend, "q", PLENTY)
    others = count(backend, "other", "succeeded") + len(insert(backend, "other", OTHERS))
    until(lambda: count(backend, "other", "succeeded") == others, "the pools run another queue meanwhile")
    until(lambda: count(backend, "q", "running") == 0, "what was claimed before the pause ends")
    assert max(job.started_at or 0 for job in jobs(backend, "q", "succeeded")) <= paused_at
    assert waiting <= {job.id for job in jobs(backend, "q", "ready")}


def test_after_pause_has_returned_no_claim_of_busy_pools_begins_and_after_resume_all_jobs_run(jq: Program) -> None:
    arguments = ("q", "other", "--call", "tests.e2e.handlers:quick", "--processes", "2", "--quiet")
    with store_of(jq) as backend, jq.worker(*arguments) as one, jq.worker(*arguments) as two:
        for _ in range(ROUNDS):
            see_it_hold(backend, pause_amid_work(jq, backend))
            jq("resume", "q")
        until(lambda: count(backend, "q", "ready") + count(backend, "q", "running") == 0, "all jobs run")
        ran = [job.id for queue in ("q", "other") for job in jobs(backend, queue, "succeeded")]
        assert [counts.totals["enqueued"] for counts in backend.counts(["q"])] == [len(jobs(backend, "q", "succeeded"))]
        assert (one.stop(), two.stop()) == (143, 143)
    assert Counter(jq.traces()) == Counter(ran)
