"""Kills under load, on every store: a checker over what the handlers logged decides, not a counter."""

import json
import os
import random
import signal
import threading
from collections import Counter, defaultdict
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from tests.e2e.conftest import STORES
from tests.e2e.program import Program, Running, children_of, descendants_of
from tests.worker.bench import alive, eventually

SCALE = int(os.environ.get("JQ_SOAK", "1"))
JOBS = 2_000 * SCALE
FOLDER_JOBS = 300 * SCALE  # every commit in a folder waits for the disk
FINAL = {"succeeded", "dead"}

pytestmark = pytest.mark.parametrize("jq", [*STORES, "folder"], indirect=True)


def brief_jobs(seed: int, number: int) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    jobs = []
    for n in range(number):
        job: dict[str, Any] = {"payload": {"n": n}, "retention": "1d", "priority": chance.choice([0, 0, 5])}
        if chance.random() < 0.15:
            job["delivery"] = "at_most_once"
        elif chance.random() < 0.03:
            job["payload"]["hopeless"] = True
        jobs.append(job)
    return jobs


class Killer:
    """Kills a random child of the workers every 200 ms until it is told to stop."""

    def __init__(self, workers: list[Running]) -> None:
        self.workers = workers
        self.kills = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Killer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.2):
            children = [child for worker in list(self.workers) for child in worker.children()]
            if children:
                with suppress(ProcessLookupError):
                    os.kill(random.choice(children), signal.SIGKILL)
                    self.kills += 1


def test_kills_under_load_lose_nothing_and_start_at_most_once_jobs_once(jq: Program) -> None:
    kill_under_load(jq, FOLDER_JOBS if jq.env["JQ_BACKEND"].startswith("file:") else JOBS)


def kill_under_load(jq: Program, number: int, slowness: float = 1) -> None:
    """Run so many jobs while children and whole pools are killed; then judge. `slowness`: how many times longer than usual to wait."""
    lines = "\n".join(json.dumps(job) for job in brief_jobs(1, number))
    assert jq("enqueue", "q", "--from", "-", stdin=lines) == f"{number}\n"
    arguments = ("q", "--call", "tests.e2e.handlers:brief", "--processes", "4")
    with ExitStack() as stack:
        workers = first, second = [stack.enter_context(jq.worker(*arguments)) for _ in range(2)]
        with Killer(workers) as killer:
            for victim, done in ((first, number // 4), (second, number // 2)):
                eventually(
                    lambda done=done: ended(jq) >= done, f"{done} jobs end", 120 * slowness, pause=0.2 * slowness
                )
                family = descendants_of(victim.process.pid)
                victim.kill()
                eventually(lambda family=family: not any(map(alive, family)), "the killed pool leaves nothing behind")
                workers.remove(victim)
                workers.append(stack.enter_context(jq.worker(*arguments)))
            eventually(lambda: killer.kills >= 10, "ten children were killed", 60)
        eventually(lambda: ended(jq) == number, "all jobs end", 180 * slowness, pause=0.2 * slowness)
        for worker in workers:
            worker.stop()
    check_history(jq.traces(), jq.jobs("q"), number)


def ended(jq: Program) -> int:
    [counts] = jq.records("ls-queues")
    return int(counts["succeeded"]) + int(counts["dead"])


def check_history(traces: list[str], jobs: list[dict[str, Any]], number: int) -> None:
    """What must hold whatever was killed. `traces` are the handlers' own words, `jobs` the store's final state."""
    starts, ends = defaultdict(list), defaultdict(list)
    for line in traces:
        word, id, fence = line.split()
        (starts if word == "start" else ends)[id].append(fence)
    assert len(jobs) == number
    assert len({job["id"] for job in jobs}) == number, "a job is in two states"
    assert set(starts) <= {job["id"] for job in jobs}, "a job was started that nobody enqueued"
    for job in jobs:
        check_job(job, starts[job["id"]], ends[job["id"]])


def check_job(job: dict[str, Any], starts: list[str], ends: list[str]) -> None:
    assert job["state"] in FINAL, job
    assert len(set(starts)) == len(starts), f"two executions under one lease: {job['id']}"
    assert len(starts) <= job["generation"], f"started more often than claimed: {job['id']}"
    if job.get("delivery") == "at_most_once":
        assert len(starts) <= 1, f"an at_most_once job started twice: {job['id']}"
    if job["state"] == "succeeded":
        assert ends, f"succeeded without having run to its end: {job['id']}"
        assert job["result"] == job["payload"]["n"]
        return
    reasons = {"at_most_once", "interrupted"} if job.get("delivery") == "at_most_once" else {"poison", "permanent"}
    assert job["reason"] in reasons, job
    if job["reason"] == "permanent":
        assert job["payload"].get("hopeless")
    if job["reason"] == "poison":
        assert job["losses"] > 3


def test_order_is_kept_where_nothing_is_killed(jq: Program) -> None:
    lines = "\n".join(json.dumps({"payload": n, "priority": n % 3}) for n in range(600))
    jq("enqueue", "q", "--from", "-", stdin=lines)
    expected = [job["id"] for job in jq.jobs("q", "ready")]
    jq("work", "q", "--call", "tests.e2e.handlers:order", "--until-empty", "--env", "TRACES")
    assert jq.traces() == expected
    assert len(expected) == 600
    ids = [job["id"] for job in sorted(jq.jobs("q", "succeeded"), key=lambda job: (-job.get("priority", 0), job["id"]))]
    assert ids == expected


def test_the_job_of_a_killed_child_runs_again_long_before_its_lease_ends(jq: Program) -> None:
    id = jq("enqueue", "q", "{}").strip()
    with jq.worker("q", "--call", "tests.e2e.handlers:once_endless") as worker:
        [first] = eventually(jq.traces, "the job starts")
        [running] = jq.jobs("q", "running")
        os.kill(int(first.split()[-1]), signal.SIGKILL)
        eventually(lambda: len(jq.traces()) == 2, "the job starts again")
        eventually(lambda: jq("len", "q", "--state", "succeeded") == "1\n", "it succeeds")
        worker.stop()
    [job] = jq.jobs("q", "succeeded")
    assert job["started_at"] < running["lease_until"]
    assert (job["id"], job["losses"], job["generation"]) == (id, 1, 2)


def test_the_jobs_of_a_killed_pool_run_again_once_their_leases_end_and_never_before(jq: Program) -> None:
    jq("enqueue", "q", "{}")
    arguments = ("q", "--call", "tests.e2e.handlers:once_endless")
    with jq.worker(*arguments) as first:
        eventually(jq.traces, "the job starts")
        [running] = jq.jobs("q", "running")
        family = descendants_of(first.process.pid)
        with jq.worker(*arguments) as second:
            eventually(lambda: len(jq.records("workers")) == 2, "the second worker is there")
            first.kill()
            eventually(lambda: not any(map(alive, family)), "the killed pool leaves nothing behind")
            eventually(lambda: jq("len", "q", "--state", "succeeded") == "1\n", "the job is recovered", 60)
            second.stop()
    [job] = jq.jobs("q", "succeeded")
    assert job["started_at"] >= running["lease_until"]
    assert (job["losses"], job["generation"], job["failures"]) == (1, 2, 0)


def test_a_frozen_pool_is_overtaken_and_records_nothing_when_it_wakes(jq: Program) -> None:
    jq("enqueue", "q", "{}")
    arguments = ("q", "--call", "tests.e2e.handlers:once_endless")
    with jq.worker(*arguments) as frozen:
        eventually(jq.traces, "the job starts")
        family = [frozen.process.pid, *descendants_of(frozen.process.pid)]
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        with jq.worker(*arguments) as second:
            eventually(lambda: jq("len", "q", "--state", "succeeded") == "1\n", "the job is recovered", 60)
            for pid in family:
                with suppress(ProcessLookupError):  # the first to wake kills the others
                    os.kill(pid, signal.SIGCONT)
            eventually(lambda: not alive(family[-1]), "the frozen pool's handler is killed when it wakes")
            second.stop()
        frozen.stop()
    [job] = jq.jobs("q", "succeeded")
    assert (job["losses"], job["generation"]) == (1, 2)
    assert Counter(word for line in jq.traces() for word in [line.split()[0]]) == {"start": 2}


def test_commands_and_what_they_started_die_with_a_killed_worker(jq: Program) -> None:
    pids = jq.folder / "pids"
    jq("enqueue", "q", "{}")
    line = f"sleep 600 & echo $! >> {pids}; setsid sleep 600 & echo $! >> {pids}; echo $$ >> {pids}; wait"
    with jq.worker("q", "--shell", line) as worker:
        eventually(lambda: pids.exists() and len(pids.read_text().split()) == 3, "the command starts")
        assert children_of(worker.process.pid)
        worker.kill()
        for pid in map(int, pids.read_text().split()):
            eventually(lambda pid=pid: not alive(pid), "the command's processes die")


def test_a_stopped_worker_leaves_no_registration_and_a_killed_one_is_shown_as_dead(jq: Program) -> None:
    with jq.worker("q", "--shell", "true") as worker:
        eventually(lambda: jq.records("workers"), "it registers")
        assert worker.stop() == 143
    assert jq.records("workers") == []
    with jq.worker("q", "--shell", "true") as worker:
        eventually(lambda: jq.records("workers"), "it registers")
        worker.kill()
    [record] = jq.records("workers")
    assert record["queues"] == ["q"]
    eventually(lambda: [r["state"] for r in jq.records("workers")] == ["dead"], "its heartbeat runs out", 60)
