"""The hooks of a server hear of what is done through the Admin API and by its own maintenance."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from jq_cli.backends.registry import open_backend
from jq_cli.consumer import Consumer
from jq_cli.lifecycle import Outcome
from tests.hooks.conftest import plugins  # noqa: F401
from tests.serve_program import ServeProgram
from tests.server.asking import ask
from tests.worker.bench import eventually


@pytest.fixture
def told(tmp_path: Path) -> Path:
    return tmp_path / "told"


@pytest.fixture
def server(tmp_path: Path, told: Path, plugins: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServeProgram]:  # noqa: F811
    (tmp_path / "jq.yaml").write_text(f"hooks:\n  mine: {{kind: file, path: {told}}}\n")
    with ServeProgram(
        tmp_path, "memory://", "--access-log", "none", env={"PYTHONPATH": os.environ["PYTHONPATH"]}
    ) as it:
        yield it


def events(told: Path, id: str) -> list[str]:
    lines = told.read_text().splitlines() if told.exists() else []
    return [event["event"] for line in lines if line.endswith("}") and (event := json.loads(line))["job"] == id]


def test_what_is_asked_of_the_admin_api_is_told_and_what_clients_tell_is_not(server: ServeProgram, told: Path) -> None:
    id = ask(server.url, "POST", "/v1/jobs", {"queue": "q", "payload": 1}).json["id"]
    with open_backend(server.url) as store:
        consumer = Consumer(store)
        [job] = consumer.claim(["q"])
        consumer.write([consumer.settle(job, Outcome("permanent", error="no"))])
    assert ask(server.url, "POST", f"/v1/jobs/{id}/requeue").status == 200
    assert ask(server.url, "POST", "/v1/queues/q/jobs/cancel", {"all": True}).json["changed"] == 1
    assert ask(server.url, "DELETE", f"/v1/jobs/{id}").status == 204
    eventually(lambda: "removed" in events(told, id), "the last change is told")
    assert events(told, id) == ["enqueued", "requeued", "cancelled", "removed"]


def test_what_the_servers_own_maintenance_does_is_told(server: ServeProgram, told: Path) -> None:
    id = ask(server.url, "POST", "/v1/jobs", {"queue": "q", "payload": 1, "ttl": "1ms"}).json["id"]
    eventually(lambda: events(told, id) == ["enqueued", "dead"], "its expiry is told")


def test_what_is_not_delivered_at_the_end_is_delivered_before_it(server: ServeProgram, told: Path) -> None:
    id = ask(server.url, "POST", "/v1/jobs", {"queue": "q", "payload": 1}).json["id"]
    assert server.stop() == 143
    assert events(told, id) == ["enqueued"]
