"""`jq work --metrics-port` as an operator and a scraper see it."""

import http.client
import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import Program, until
from tests.cli.worker_program import WorkerProgram
from tests.metrics.scrape import Figures, plain
from tests.server.asking import Answer, ask


@pytest.fixture
def jq(tmp_path: Path, sqlite_url: str) -> Program:
    return Program(tmp_path, sqlite_url)


class Working(WorkerProgram):
    """A worker with metrics, on a free port."""

    def __init__(self, jq: Program, *args: str, metrics: str = "0") -> None:
        super().__init__(jq, "--metrics-port", metrics, *args, where=r"metrics on (http://\S+)/metrics")

    def ask(self, path: str, **headers: str) -> Answer:
        return ask(self.url, "GET", path, **headers)

    def figures(self) -> Figures:
        answer = self.ask("/metrics")
        assert answer.status == 200
        return plain(answer.body)


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_one_page_tells_what_all_children_did(
    request: pytest.FixtureRequest, tmp_path: Path, namespace: str, store: str
) -> None:
    jq = Program(tmp_path, request.getfixturevalue(f"{store}_url"), namespace)
    lines = "".join(f'{{"payload": {number}}}\n' for number in range(40))
    jq.ok("enqueue", "q", "--from", "-", input=lines)
    jq.ok("enqueue", "bad", "1", "--retries", "0")
    with Working(jq, "q", "bad", "-p", "3", "--shell", 'test "$JQ_QUEUE" = q') as worker:
        until(lambda: worker.figures().sum("jq_job_run_seconds_count") == 41, "all have run")
        until(lambda: worker.figures()("jq_jobs_succeeded_total", queue="q") == 40, "the totals follow")
        seen = worker.figures()
        assert seen("jq_job_run_seconds_count", queue="q") == seen("jq_job_wait_seconds_count", queue="q") == 40
        assert seen("jq_jobs_succeeded_total", queue="q") == 40
        assert seen("jq_jobs_dead_total", queue="bad") == seen("jq_queue_jobs", queue="bad", state="dead") == 1
        assert (seen("jq_store_up"), seen("jq_workers")) == (1, 1)
        assert seen("jq_store_call_seconds_count", call="turn") > 0
        assert seen("process_resident_memory_bytes") > 0
        assert worker.stop() == 143
        with pytest.raises(ConnectionRefusedError):
            worker.ask("/metrics")


def test_a_recovery_and_a_lost_lease_are_seen_by_who_they_happen_to(jq: Program) -> None:
    jq.ok("enqueue", "q", "1")
    with Working(jq, "q", "--shell", "exec sleep 600") as first:
        until(lambda: jq.ok("len", "q", "--state", "running").out == "1\n", "it runs")
        first.process.send_signal(signal.SIGSTOP)
        with Working(jq, "elsewhere", "--shell", "true") as second:
            until(lambda: second.figures()("jq_recovery_lag_seconds_count") == 1, "it is recovered")
            until(lambda: second.figures()("jq_jobs_recovered_total", queue="q") == 1, "the total follows")
            assert second.figures().sum("jq_lease_losses_total") == 0
            first.process.send_signal(signal.SIGCONT)
            until(lambda: first.figures().sum("jq_lease_losses_total") >= 1, "the loss is heard of")


def test_an_autoscaler_gets_one_queue_as_json(jq: Program) -> None:
    jq.ok("enqueue", "other", "--from", "-", input='{"payload": 1}\n{"payload": 2}\n')
    with Working(jq, "q", "--shell", "true") as worker:
        answer = worker.ask("/metrics/queues/other")
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert (answer.json["ready"], answer.json["waiting"]) == (2, 2)
        assert worker.ask("/metrics/queues/never-used").json["waiting"] == 0
        assert worker.ask("/metrics/queues/a%20b").status == 400
        assert worker.ask("/elsewhere").status == 404


def test_requests_that_a_scraper_would_not_make_are_refused(jq: Program) -> None:
    with Working(jq, "q", "--shell", "true") as worker:
        assert worker.ask("/metrics", Host="evil.example.com").status == 421
        assert ask(worker.url, "POST", "/metrics", {}).status == 501
        parts = worker.url.removeprefix("http://").split(":")
        silent = [socket.create_connection((parts[0], int(parts[1]))) for _ in range(8)]
        refused = socket.create_connection((parts[0], int(parts[1])), timeout=20)
        refused.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        with pytest.raises((http.client.BadStatusLine, ConnectionResetError, BrokenPipeError)):
            worker.ask("/metrics")
        for connection in (*silent, refused):
            connection.close()
        until(lambda: _answers(worker), "there is room again")
        jq.ok("enqueue", "q", "1")
        until(lambda: jq.ok("len", "q", "--state", "succeeded").out == "1\n", "it still works")


def _answers(worker: Working) -> bool:
    try:
        return worker.ask("/metrics").status == 200
    except (OSError, http.client.HTTPException):
        return False


def test_a_store_that_is_down_shows_and_the_worker_still_answers(bare: Program, own_redis: Any, namespace: str) -> None:
    jq = Program(bare.home, f"{own_redis.url}?timeout=0.3", namespace)
    with Working(jq, "q", "--shell", "true") as worker:
        assert worker.figures()("jq_store_up") == 1
        own_redis.kill()
        until(lambda: worker.figures()("jq_store_up") == 0, "it shows")
        assert worker.figures().sum("jq_store_errors_total") > 0
        own_redis.start()
        until(lambda: worker.figures()("jq_store_up") == 1, "it shows again")


@pytest.fixture
def bare(tmp_path: Path) -> Program:
    return Program(tmp_path)


def test_what_hooks_drop_is_counted(jq: Program) -> None:
    config = jq.home / "jq.yaml"
    config.write_text(
        "hooks: {audit: {kind: webhook, url: 'http://127.0.0.1:9/', allow_private: true, retry_for: 0, buffer: 1}}\n"
    )
    jq.env["JQ_CONFIG"] = str(config)
    with Working(jq, "q", "--shell", "true") as worker:
        seen = worker.figures()
        assert (
            seen("jq_hook_events_sent_total", hook="audit"),
            seen("jq_hook_events_dropped_total", hook="audit"),
        ) == (0, 0)
        plainly = {name: value for name, value in jq.env.items() if name != "JQ_CONFIG"}
        Program(jq.home, plainly["JQ_BACKEND"]).ok("enqueue", "q", "1")
        until(lambda: worker.figures()("jq_hook_events_dropped_total", hook="audit") >= 1, "drops show")


@pytest.mark.parametrize(
    ("args", "problem"),
    [(["x"], "--metrics-port: expected"), (["192.0.2.1:0"], "--metrics-port 192.0.2.1:0"), (["no.such.host.invalid:0"], "invalid:0")],
    ids=lambda value: str(value),
)  # fmt: skip
def test_an_address_that_cannot_be_had_is_named(jq: Program, args: list[str], problem: str) -> None:
    result = jq("work", "q", "--shell", "true", "--metrics-port", *args)
    assert (result.code, problem in result.err, "Traceback" in result.err) == (2, True, False), result
    assert json.loads(jq.ok("workers", "--json").out) == []


def test_a_port_in_use_is_named(jq: Program) -> None:
    with Working(jq, "q", "--shell", "true") as worker:
        port = worker.url.rpartition(":")[2]
        result = jq("work", "q", "--shell", "true", "--metrics-port", port)
        assert (result.code, f"127.0.0.1:{port}" in result.err) == (2, True)


def test_a_missing_extra_says_how_to_install_it_and_without_metrics_nothing_is_loaded(
    jq: Program, tmp_path: Path
) -> None:
    folder = tmp_path / "without"
    folder.mkdir()
    (folder / "prometheus_client.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'prometheus_client'\", name='prometheus_client')\n"
    )
    env = {"PYTHONPATH": os.fspath(folder)}
    result = jq("work", "q", "--shell", "true", "--metrics-port", "0", env=env)
    assert (result.code, "pip install 'jq-cli[metrics]'" in result.err) == (2, True)
    jq.ok("enqueue", "q", "1")
    jq.ok("work", "q", "--shell", "true", "--until-empty", env=env)
