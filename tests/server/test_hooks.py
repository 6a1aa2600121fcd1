"""The hooks of a server hear of what is done through the Admin API, by its own maintenance, and by clients without hooks."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jq_cli import lifecycle
from jq_cli.backends.registry import open_backend
from jq_cli.consumer import Consumer
from jq_cli.hooks.observed import seen_through
from jq_cli.job import Backoff
from jq_cli.lifecycle import Keeping, Outcome
from tests.hooks.conftest import plugins  # noqa: F401
from tests.metrics.scrape import plain
from tests.serve_program import ServeProgram
from tests.server.asking import ask
from tests.unit.test_observed import Ear, draft
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
    return [event["event"] for event in records(told, id)]


def records(told: Path, id: str) -> list[dict[str, Any]]:
    lines = told.read_text().splitlines() if told.exists() else []
    return [event for line in lines if line.endswith("}") and (event := json.loads(line))["job"] == id]


def all_told(server: ServeProgram, told: Path, id: str) -> list[dict[str, Any]]:
    """The events of a job once the server has ended, which delivers what it has."""
    assert server.stop() == 143
    return records(told, id)


def test_what_a_client_with_hooks_does_is_told_by_the_client_alone(server: ServeProgram, told: Path) -> None:
    id = ask(server.url, "POST", "/v1/jobs", {"queue": "q", "payload": 1}).json["id"]
    ear = Ear()
    with seen_through(open_backend(server.url), ear) as store:
        consumer = Consumer(store)
        [job] = consumer.claim(["q"])
        consumer.write([consumer.settle(job, Outcome("permanent", error="no"))])
    assert ear.names(id) == ["started", "failed", "dead"]
    assert ask(server.url, "POST", f"/v1/jobs/{id}/requeue").status == 200
    assert ask(server.url, "POST", "/v1/queues/q/jobs/cancel", {"all": True}).json["changed"] == 1
    assert ask(server.url, "DELETE", f"/v1/jobs/{id}").status == 204
    assert [each["event"] for each in all_told(server, told, id)] == ["enqueued", "requeued", "cancelled", "removed"]


def test_what_a_client_without_hooks_does_is_told_by_the_server(server: ServeProgram, told: Path) -> None:
    with open_backend(server.url) as store:
        [made] = store.insert([draft(max_retries=1, backoff=Backoff(base=0))])
        consumer = Consumer(store)
        [job] = consumer.claim(["q"])
        _, [job] = consumer.turn([consumer.settle(job, Outcome("failed", error="once"))], ["q"], 1)
        consumer.write([consumer.settle(job, Outcome("failed", error="twice"))])
        [dead] = store.get("q", [made.id])
        assert dead is not None
        store.replace([lifecycle.requeue(dead, "m")])
    found = all_told(server, told, made.id)
    assert [(each["event"], each["attempt"]) for each in found] == [
        ("enqueued", 1), ("started", 1), ("failed", 1), ("retried", 1), ("started", 2), ("failed", 2), ("dead", 2), ("requeued", 3),
    ]  # fmt: skip
    assert [each.get("error") for each in found[5:]] == ["twice", "twice", None]
    assert [each.get("worker") for each in found] == [None, *[consumer.worker] * 6, None]
    assert found[6]["reason"] == "retries"


def test_a_job_of_which_nothing_is_kept_is_told_to_its_end_and_what_is_sent_again_is_told_once(
    server: ServeProgram, told: Path
) -> None:
    one, two = draft(), draft()
    with open_backend(server.url) as store:
        assert [each.status for each in [*store.insert([one]), *store.insert([one, two])]] == [
            "created",
            "duplicate",
            "created",
        ]
        gone = Consumer(store, keeping=lambda _queue: Keeping(count=0))
        [job] = gone.claim(["q"])
        end = gone.settle(job, Outcome("succeeded"))
        assert [gone.write([end]), gone.write([end])] == [["applied"], ["already"]]
        kept = Consumer(store)
        [job] = kept.claim(["q"])
        end = kept.settle(job, Outcome("permanent", error="no"))
        assert [kept.write([end]), kept.turn([end], ["q"], 1)[0]] == [["applied"], ["already"]]
    found = all_told(server, told, one.job.id)
    assert [each["event"] for each in found] == ["enqueued", "started", "succeeded"]
    assert [each["event"] for each in records(told, two.job.id)] == ["enqueued", "started", "failed", "dead"]


def test_a_job_that_a_client_recovers_beside_the_servers_own_maintenance_is_told_once(
    server: ServeProgram, told: Path
) -> None:
    with open_backend(server.url) as store:
        [made] = store.insert([draft()])
        lost = Consumer(store, lease=1)
        assert lost.claim(["q"])
        other = Consumer(store)
        eventually(lambda: other.tick() >= 0 and store.get("q", [made.id])[0].state == "ready", "it is recovered")  # type: ignore[union-attr]
    found = all_told(server, told, made.id)
    assert [(each["event"], each.get("worker")) for each in found] == [
        ("enqueued", None),
        ("started", lost.worker),
        ("recovered", lost.worker),
    ]


def test_what_the_servers_own_maintenance_does_is_told(server: ServeProgram, told: Path) -> None:
    id = ask(server.url, "POST", "/v1/jobs", {"queue": "q", "payload": 1, "ttl": "1ms"}).json["id"]
    eventually(lambda: events(told, id) == ["enqueued", "dead"], "its expiry is told")


def test_what_is_not_delivered_at_the_end_is_delivered_before_it(server: ServeProgram, told: Path) -> None:
    id = ask(server.url, "POST", "/v1/jobs", {"queue": "q", "payload": 1}).json["id"]
    assert server.stop() == 143
    assert events(told, id) == ["enqueued"]


def test_what_the_hooks_of_a_server_send_and_drop_is_among_its_metrics(server: ServeProgram) -> None:
    ask(server.url, "POST", "/v1/jobs", {"queue": "q", "payload": 1})

    def seen() -> bool:
        figures = plain(ask(server.url, "GET", "/metrics").body)
        sent, dropped = (figures(f"jq_hook_events_{what}_total", hook="mine") for what in ("sent", "dropped"))
        return (sent, dropped) == (1, 0)

    eventually(seen, "the event shows")
