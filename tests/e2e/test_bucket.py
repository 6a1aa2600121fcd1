"""The worker pool on object stores: the threads that talk to a bucket and the processes that are forked must not get in each
other's way, workers race over jobs, and what is killed loses nothing. `make soak` does it with more jobs, and on SeaweedFS too."""

import json
import os
import re
from pathlib import Path

import pytest

from tests.e2e.program import Program, Running
from tests.e2e.test_faults import check_history, ended, kill_under_load
from tests.moto_server import CREDENTIALS
from tests.worker.bench import eventually

SOAK = "JQ_SOAK" in os.environ
BUCKETS = ["s3", "weed"] if SOAK else ["s3"]
JOBS = 2_000 if SOAK else 200
KILLED = 300 if SOAK else 100
SHARE = re.compile(r"^jq: ([\d,]+) succeeded", re.M)
AGAIN = re.compile(r"([\d,]+) (?:reported too late|interrupted)")
POLL = 2.0
"""Seconds between two looks: each is a process that reads the bucket anew, and moto answers some hundred requests a second."""


@pytest.fixture
def jq(request: pytest.FixtureRequest, tmp_path: Path, namespace: str) -> Program:
    """The program on an empty folder or prefix of a bucket, where a slow machine may take its time."""
    url = request.getfixturevalue(f"{request.param}_url")
    program = Program(f"{url}{'&' if '?' in url else '?'}timeout=60s", namespace, tmp_path)
    program.env |= CREDENTIALS
    return program


@pytest.mark.parametrize("jq", ["folder", *BUCKETS], indirect=True)
def test_two_workers_racing_over_jobs_run_each_once_and_end_in_peace(jq: Program) -> None:
    lines = "\n".join(json.dumps({"payload": {"n": n}, "retention": "1d"}) for n in range(JOBS))
    arguments = ("q", "--call", "tests.e2e.handlers:brief", "--processes", "2")
    with jq.worker(*arguments) as first, jq.worker(*arguments) as second:
        eventually(lambda: len(jq.records("workers")) == 2, "both are there", 60, pause=0.5)
        assert jq("enqueue", "q", "--from", "-", stdin=lines) == f"{JOBS}\n"
        eventually(lambda: ended(jq) == JOBS, "all jobs end", 240, pause=POLL)
        assert [first.stop(), second.stop()] == [143, 143]
    jobs = jq.jobs("q")
    check_history(jq.traces(), jobs, JOBS)
    assert {job["state"] for job in jobs} == {"succeeded"}
    shares, again = zip(*(told(worker) for worker in (first, second)), strict=True)
    # No word about who got how many: a worker whose requests take longer may lose every commit to the other.
    assert sum(shares) == JOBS
    # A bucket that answered too slowly to keep a lease costs another run, and the worker says so: it came too late, or stopped.
    assert len([line for line in jq.traces() if line.startswith("start")]) == JOBS + sum(again)


def told(worker: Running) -> tuple[int, int]:
    """How many jobs a worker says it succeeded with, and how many it ran for nothing."""
    log = worker.log.read_text()
    done = SHARE.findall(log)
    assert done, log
    return int(done[-1].replace(",", "")), sum(int(each.replace(",", "")) for each in AGAIN.findall(log))


@pytest.mark.parametrize("jq", BUCKETS, indirect=True)
def test_kills_under_load_lose_nothing_and_start_at_most_once_jobs_once(jq: Program) -> None:
    kill_under_load(jq, KILLED, slowness=5)
