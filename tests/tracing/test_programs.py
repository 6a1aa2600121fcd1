"""Traces through real programs: a command that enqueues, a worker, the command that it runs, and a Python program."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import Program
from tests.cli.test_program import loaded

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"
CONSOLE = {"OTEL_TRACES_EXPORTER": "console"}

LIBRARY = """
import sys
import jq_cli
if sys.argv[1] == "traced":
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    trace.set_tracer_provider(TracerProvider())
with jq_cli.connect() as store:
    job = store.queue("q").enqueue({})
    print(store.queue("q").get(job.id).headers.get("traceparent", "none"))
print(any(name.startswith("opentelemetry") for name in sys.modules))
"""


@pytest.fixture
def jq(tmp_path: Path, sqlite_url: str) -> Program:
    return Program(tmp_path, sqlite_url)


def spans(text: str) -> list[dict[str, Any]]:
    """The spans that the console exporter printed, among other lines."""
    found, rest = [], text
    while (at := rest.find("{\n")) >= 0:
        span, length = json.JSONDecoder().raw_decode(rest[at:])
        found.append(span)
        rest = rest[at + length :]
    return found


def test_one_trace_leads_from_a_shell_to_the_command_that_a_worker_runs(jq: Program) -> None:
    put = jq.ok("enqueue", "q", "1", env={**CONSOLE, "TRACEPARENT": TRACEPARENT})
    [enqueue] = spans(put.out)
    id = next(line for line in put.lines if len(line) == 26)
    assert (enqueue["name"], enqueue["context"]["trace_id"]) == ("enqueue q", f"0x{TRACE}")
    worked = jq.ok("work", "q", "--until-empty", "--shell", 'echo "\\"$TRACEPARENT\\"" >&3', env=CONSOLE)
    [run] = [span for span in spans(worked.out) if span["name"] == "run q"]
    assert (run["context"]["trace_id"], run["parent_id"]) == (f"0x{TRACE}", enqueue["context"]["span_id"])
    assert run["resource"]["attributes"]["service.name"] == "jq"
    [job] = json.loads(jq.ok("ls", "q", "--state", "succeeded", "--json").out)
    _, trace, span, _ = job["result"].split("-")
    assert (job["id"], trace, f"0x{span}") == (id, TRACE, run["context"]["span_id"])
    assert job["headers"]["traceparent"].split("-")[2] == enqueue["context"]["span_id"][2:]


def test_without_an_exporter_nothing_is_loaded_and_nothing_is_added(jq: Program) -> None:
    for command in (["enqueue", "q", "1"], ["work", "q", "--until-empty", "--shell", "true"]):
        names = {name.partition(".")[0] for name in loaded(jq, *command)}
        assert "opentelemetry" not in names
    [job] = json.loads(jq.ok("ls", "q", "--state", "succeeded", "--json").out)
    assert not job["headers"]


def test_a_missing_exporter_is_told_and_costs_no_job(jq: Program) -> None:
    result = jq.ok("enqueue", "q", "1", env={"OTEL_TRACES_EXPORTER": "nowhere"})
    assert "no exporter 'nowhere'" in result.err
    assert len(result.out.strip()) == 26


def test_a_missing_extra_is_told_and_costs_no_job(jq: Program, tmp_path: Path) -> None:
    folder = tmp_path / "without"
    folder.mkdir()
    (folder / "opentelemetry.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'opentelemetry'\", name='opentelemetry')\n"
    )
    result = jq.ok("enqueue", "q", "1", env={**CONSOLE, "PYTHONPATH": os.fspath(folder)})
    assert "pip install 'jq-cli[otel]'" in result.err
    assert len(result.out.strip()) == 26


@pytest.mark.parametrize("how", ["plain", "traced"])
def test_a_python_program_traces_if_it_uses_opentelemetry(jq: Program, how: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIBRARY, how], env=jq.env, capture_output=True, text=True, timeout=60, cwd=jq.home
    )
    assert done.returncode == 0, done
    parent, loaded_it = done.stdout.split()
    assert (parent.startswith("00-"), loaded_it) == (how == "traced", str(how == "traced"))
