"""The program on DynamoDB, as moto plays it: the table made, workers racing over jobs, and kills. moto answers some hundred
requests a second, so there are fewer jobs than on other stores. `make soak` does it with more jobs, and on ministack too."""

import json
import os
import re
from pathlib import Path

import pytest

from jq_cli.backends.dynamodb.schema import definition
from tests.e2e.program import Program, Running
from tests.e2e.test_faults import check_history, ended, kill_under_load
from tests.moto_server import CREDENTIALS
from tests.worker.bench import eventually

SOAK = "JQ_SOAK" in os.environ
JOBS = 2_000 if SOAK else 100
KILLED_JOBS = 300 if SOAK else 100
SERVERS = ["dynamodb_server", *(["ministack_server"] if SOAK else [])]
SHARE = re.compile(r"^jq: ([\d,]+) succeeded", re.M)
AGAIN = re.compile(r"([\d,]+) (?:reported too late|interrupted|lost)")


@pytest.fixture(params=SERVERS)
def jq(request: pytest.FixtureRequest, tmp_path: Path, namespace: str) -> Program:
    """The program on a table that is not there yet, where a slow machine may take its time."""
    server = request.getfixturevalue(request.param)
    program = Program(server.url(f"t.{namespace}"), namespace, tmp_path)
    program.env |= CREDENTIALS
    return program


def test_the_table_is_made_once_and_shown(jq: Program) -> None:
    [state] = json.loads(jq("db", "status", "--json", code=1))
    assert (state["version"], state["usable"]) == (None, False)
    assert "`jq db init` makes it" in jq.run("enqueue", "q", "{}").stderr
    assert "made the table" in jq.run("db", "init").stderr
    assert "nothing to do" in jq.run("db", "init").stderr
    [state] = json.loads(jq("db", "status", "--json"))
    assert (state["version"], state["usable"], state["notes"]) == (1, True, [])
    jq("enqueue", "q", "{}")


def test_what_db_sql_prints_is_a_template_of_the_table_that_db_init_makes(jq: Program) -> None:
    template = json.loads(jq("db", "sql"))
    [resource] = template["Resources"].values()
    assert resource["Type"] == "AWS::DynamoDB::Table"
    assert resource["Properties"] == definition(resource["Properties"]["TableName"])
    assert resource["Properties"]["TableName"] in jq.env["JQ_BACKEND"]


def test_two_workers_racing_over_jobs_run_each_once(jq: Program) -> None:
    jq("db", "init")
    lines = "\n".join(json.dumps({"payload": {"n": n}, "retention": "1d"}) for n in range(JOBS))
    assert jq("enqueue", "q", "--from", "-", stdin=lines) == f"{JOBS}\n"
    arguments = ("q", "--call", "tests.e2e.handlers:brief", "--processes", "2")
    with jq.worker(*arguments) as first, jq.worker(*arguments) as second:
        eventually(lambda: ended(jq) == JOBS, "all jobs end", 2_400 if SOAK else 240, pause=1)
        assert [first.stop(), second.stop()] == [143, 143]
    jobs = jq.jobs("q")
    check_history(jq.traces(), jobs, JOBS)
    assert {job["state"] for job in jobs} == {"succeeded"}
    shares, again = zip(*(told(worker) for worker in (first, second)), strict=True)
    assert min(shares) > 0
    assert sum(shares) == JOBS
    # A server that answered too slowly to keep a lease costs another run, and the worker that lost it says so.
    assert JOBS <= len([line for line in jq.traces() if line.startswith("start")]) <= JOBS + sum(again)
    assert sum(again) or {job["generation"] for job in jobs} == {1}


def told(worker: Running) -> tuple[int, int]:
    """How many jobs a worker says it succeeded with, and how many it ran for nothing."""
    log = worker.log.read_text()
    done = SHARE.findall(log)
    assert done, log
    return int(done[-1].replace(",", "")), sum(int(each.replace(",", "")) for each in AGAIN.findall(log))


def test_kills_under_load_lose_nothing_and_start_at_most_once_jobs_once(jq: Program) -> None:
    jq("db", "init")
    kill_under_load(jq, KILLED_JOBS, slowness=5)
