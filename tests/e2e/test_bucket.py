"""The worker pool on a bucket: the threads that talk to it and the processes that are forked must not get in each other's way."""

import json
from pathlib import Path

import pytest

from tests.e2e.program import Program
from tests.e2e.test_faults import check_history, ended
from tests.moto_server import CREDENTIALS
from tests.worker.bench import eventually

JOBS = 100


@pytest.fixture
def jq(s3_url: str, tmp_path: Path, namespace: str) -> Program:
    """The program on an empty prefix of a bucket, where a slow machine may take its time."""
    program = Program(f"{s3_url}&timeout=60s", namespace, tmp_path)
    program.env |= CREDENTIALS
    return program


def test_a_pool_runs_the_jobs_of_a_bucket_each_once_and_ends_in_peace(jq: Program) -> None:
    lines = "\n".join(json.dumps({"payload": {"n": n}, "retention": "1d"}) for n in range(JOBS))
    assert jq("enqueue", "q", "--from", "-", stdin=lines) == f"{JOBS}\n"
    with jq.worker("q", "--call", "tests.e2e.handlers:brief", "--processes", "4") as worker:
        eventually(lambda: ended(jq) == JOBS, "all jobs end", 180, pause=0.5)
        assert worker.stop() == 143
    jobs = jq.jobs("q")
    check_history(jq.traces(), jobs, JOBS)
    assert {(job["state"], job["generation"]) for job in jobs} == {("succeeded", 1)}
    assert len(jq.traces()) == 2 * JOBS
