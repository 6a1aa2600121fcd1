"""The Admin API of the program itself, in front of several stores: a job goes all its way, and the server ends in order."""

import json
from pathlib import Path

import pytest

from tests.serve_program import ServeProgram
from tests.server.asking import ask

STORES = ("memory", "sqlite", "redis")


@pytest.fixture
def store(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    url: str = "memory://" if name == "memory" else request.getfixturevalue(f"{name}_url")
    return url


@pytest.mark.parametrize("store", STORES, indirect=True)
def test_the_program_answers_for_every_store_and_ends_in_order(store: str, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    with ServeProgram(tmp_path, store, "--access-log", str(log)) as server:
        made = ask(server.url, "POST", "/v1/jobs", {"queue": "q", "payload": {"n": 1}, "delay": "1h"})
        id = made.json["id"]
        assert ask(server.url, "POST", f"/v1/jobs/{id}/promote").json["state"] == "ready"
        [job] = ask(server.url, "GET", "/v1/queues/q/jobs?payload=n%3D1").json["jobs"]
        assert (job["id"], job["payload"]) == (id, {"n": 1})
        assert ask(server.url, "GET", "/queues").json[0]["ready"] == 1
        assert ask(server.url, "POST", "/admin/schedules", {"name": "s", "cron": "@yearly", "queue": "q"}).status == 201
        assert ask(server.url, "POST", f"/admin/jobs/{id}/cancel").json["history"][-1]["by"] == "anonymous (http)"
        assert ask(server.url, "GET", "/readyz").status == 200
        assert server.stop() == 143
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["path"] for line in lines][:2] == ["/v1/jobs", f"/v1/jobs/{id}/promote"]
    assert lines[0]["status"] == 201
    assert "?" not in "".join(line["path"] for line in lines)
