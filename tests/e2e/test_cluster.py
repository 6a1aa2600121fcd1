"""A pool over queues on all nodes of a Redis Cluster, while slots and primaries move: a checker decides what was lost."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster_service import ClusterService
from tests.e2e.program import Program
from tests.e2e.test_faults import SCALE, brief_jobs, check_history
from tests.worker.bench import eventually

NUMBER = 100 * SCALE
"""Jobs in each of the queues."""


@pytest.fixture
def cluster() -> Iterator[ClusterService]:
    with ClusterService(replicas=True, node_timeout=2_000) as cluster:
        yield cluster


def test_a_pool_works_off_the_queues_strictly_in_their_order(
    redis_cluster: ClusterService, tmp_path: Path, namespace: str
) -> None:
    jq, queues = Program(redis_cluster.url, namespace, tmp_path), redis_cluster.queues()
    for queue in queues:
        jq("enqueue", queue, "--from", "-", stdin='{"payload": {}}\n' * 50)
    expected = [job["id"] for queue in reversed(queues) for job in jq.jobs(queue, "ready")]
    jq("work", *reversed(queues), "--call", "tests.e2e.handlers:order", "--until-empty", "--env", "TRACES")
    assert jq.traces() == expected
    assert [row["succeeded"] for row in jq.records("ls-queues")] == [50] * 3


def move_slots(cluster: ClusterService, queues: list[str]) -> None:
    """Move the queue that is worked on, in one step and then key by key."""
    _, second, third = cluster.primaries
    cluster.move(queues[0], third)
    cluster.begin_to_move(queues[0], second)
    cluster.end_move(queues[0], second)


def fail_over(cluster: ClusterService, queues: list[str]) -> None:
    """Change the roles of two primaries and their replicas."""
    for primary in cluster.primaries[:2]:
        cluster.fail_over(primary)


@pytest.mark.parametrize("change", [move_slots, fail_over])
def test_slots_and_primaries_move_under_a_pool_and_nothing_is_lost(
    change: Callable[[ClusterService, list[str]], None], cluster: ClusterService, tmp_path: Path, namespace: str
) -> None:
    jq, queues = Program(cluster.url, namespace, tmp_path), cluster.queues()
    for n, queue in enumerate(queues):
        jobs = [{**job, "delivery": "at_least_once"} for job in brief_jobs(n, NUMBER)]
        jq("enqueue", queue, "--from", "-", stdin="\n".join(map(json.dumps, jobs)))
    cluster.await_replicas()
    with jq.worker(*queues, "--call", "tests.e2e.handlers:brief", "--processes", "4") as worker:
        eventually(lambda: ended(jq) >= NUMBER // 5, "some jobs end", 120)
        change(cluster, queues)
        eventually(lambda: ended(jq) == 3 * NUMBER, "all jobs end", 180 * SCALE)
        worker.stop()
    check_history(jq.traces(), [job for queue in queues for job in jq.jobs(queue)], 3 * NUMBER)


def test_a_killed_primary_under_a_pool_loses_no_job_that_was_replicated(
    cluster: ClusterService, tmp_path: Path, namespace: str
) -> None:
    jq, queues = Program(cluster.url, namespace, tmp_path), cluster.queues()
    for queue in queues:
        jobs = [{"payload": {"n": n}} for n in range(NUMBER)]
        jq("enqueue", queue, "--from", "-", stdin="\n".join(map(json.dumps, jobs)))
    cluster.await_replicas()
    with jq.worker(*queues, "--call", "tests.e2e.handlers:brief", "--processes", "4") as worker:
        eventually(lambda: ended(jq) >= NUMBER // 5, "some jobs end", 120)
        cluster.primaries[0].kill()
        eventually(lambda: ended(jq) == 3 * NUMBER, "all jobs end", 180 * SCALE)
        worker.stop()
    jobs = [job for queue in queues for job in jq.jobs(queue)]
    assert {job["id"] for job in jobs} == {line.split()[1] for line in jq.traces()}
    assert {job["state"] for job in jobs} == {"succeeded"}
    assert len(jobs) == 3 * NUMBER
    assert all(job["result"] == job["payload"]["n"] for job in jobs)


def ended(jq: Program) -> int:
    return sum(int(counts["succeeded"]) + int(counts["dead"]) for counts in jq.records("ls-queues"))
