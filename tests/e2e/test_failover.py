"""A failover of Redis under a working pool: jobs that had reached the replica are not lost."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.program import Program
from tests.e2e.test_faults import SCALE, ended
from tests.sentinel_service import LOGIN, SentinelService
from tests.worker.bench import eventually


@pytest.fixture
def service() -> Iterator[SentinelService]:
    with SentinelService() as service:
        yield service


@pytest.mark.parametrize("how", ["asked", "killed"])
def test_a_failover_under_a_pool_loses_no_job_that_was_replicated(
    how: str, service: SentinelService, tmp_path: Path, namespace: str
) -> None:
    jq = Program(service.url, namespace, tmp_path)
    number = 200 * SCALE
    jq("enqueue", "q", "--from", "-", stdin="\n".join(json.dumps({"payload": {"n": n}}) for n in range(number)))
    service.primary.command("WAIT", 1, 10_000, auth=LOGIN)
    with jq.worker("q", "--call", "tests.e2e.handlers:brief") as worker:
        eventually(lambda: ended(jq) >= number // 4, "a quarter of the jobs ends", 120)
        service.fail_over() if how == "asked" else service.kill_primary()
        eventually(lambda: ended(jq) == number, "all jobs end", 180)
        worker.stop()
    jobs = jq.jobs("q")
    assert {job["id"] for job in jobs} == {line.split()[1] for line in jq.traces()}
    assert [job["payload"]["n"] for job in sorted(jobs, key=lambda job: str(job["id"]))] == list(range(number))
    assert {job["state"] for job in jobs} == {"succeeded"}
    assert all(job["result"] == job["payload"]["n"] for job in jobs)
