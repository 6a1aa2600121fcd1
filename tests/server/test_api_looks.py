"""The Admin API where operators look closer: what queues did, what happened to jobs, when schedules fire, what is due."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from jq_cli.backends.base import Backend, Claim, QueueCounts
from jq_cli.config.settings import HookSettings, QueueSettings, Settings
from jq_cli.consumer import Consumer
from jq_cli.draft import make_draft
from jq_cli.handlers.spec import HandlerSpec
from jq_cli.hooks.event import Event
from jq_cli.hooks.history.writer import HistoryHook
from jq_cli.ids import UlidMaker, new_id, nonce
from jq_cli.job import Job
from jq_cli.testing import ManualClock
from tests.server.asking import Api, ask, finish
from tests.serving import Serving

# --- what queues did ---


def test_totals_and_latencies_are_what_the_command_shows(api: Api, store: Backend) -> None:
    for n in range(3):
        api.add(payload=n, max_retries=0)
    api("POST", "/v1/jobs", {"queue": "other", "payload": 1}, 201)
    finish(store, "succeeded", "succeeded", "permanent")
    every = api("GET", "/v1/stats")
    assert [each["queue"] for each in every] == ["other", "q"]
    [seen] = api("GET", "/v1/stats?queue=q&latency=true")
    counted = {name: seen[f"total_{name}"] for name in ("enqueued", "succeeded", "failed", "dead", "recovered")}
    assert counted == {"enqueued": 3, "succeeded": 2, "failed": 1, "dead": 1, "recovered": 0}
    assert (seen["latency_jobs"], seen["enqueued_per_s"]) == (2, None)
    assert 0 <= seen["run_p50"] <= seen["run_p95"] <= seen["run_p99"]
    assert every[1]["latency_jobs"] is None
    assert api.answer("GET", "/v1/stats?queue=nowhere").status == 404


def test_rates_are_told_between_two_looks(memory_server: Serving, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = memory_server.clocks[api.namespace] = ManualClock()
    api.add()
    store = memory_server.backends[api.namespace]
    look, looks = store.counts, iter([3, 0])

    def counts(queues: Sequence[str] | None = None) -> list[QueueCounts]:
        found = look(queues)
        if made := next(looks):
            store.insert([make_draft(Job(id=new_id(), queue="q", payload=b"1")) for _ in range(made)])
            clock.advance(2_000)
        return found

    monkeypatch.setattr(store, "counts", counts)
    [seen] = api("GET", "/v1/stats?queue=q&over=100ms")
    assert (seen["enqueued_per_s"], seen["failed_per_s"], seen["total_enqueued"]) == (1.5, 0, 4)


@pytest.mark.parametrize("over", ["1ms", "1h", "soon", "-1s"])
def test_looks_too_near_or_too_far_apart_are_refused(api: Api, over: str) -> None:
    assert api.answer("GET", f"/v1/stats?over={over}").problem["field"] == "over"


# --- what happened to jobs ---


def told(name: str = "enqueued", **fields: Any) -> Event:
    return Event(event=name, **{"id": NEW(), "at": 1_700_000_000_000, "queue": "q", "attempt": 1, **fields})


NEW = UlidMaker()
JOB = new_id()


@pytest.fixture
def history(postgres_url: str, namespace: str) -> Iterator[Api]:
    """A server with a history in which eight events stand."""
    schema = f"h_{namespace}"
    hook = HistoryHook(postgres_url, schema=schema, retention=None, payload=True)
    hook.deliver([told(job=JOB, namespace=namespace, payload=b'{"n": 1}')])
    hook.deliver([told("dead", job=new_id(), namespace=namespace, error="SMTP 451", worker=f"w{n}") for n in range(6)])
    hook.deliver([told(job=new_id(), namespace="elsewhere")])
    hook.close()
    kept = HookSettings(kind="history", url=postgres_url, schema=schema, events=("removed",))
    settings = Settings(namespace=namespace, hooks={"history": kept})
    with Serving("memory://", settings=settings) as server:
        yield Api(server.url, namespace)


def test_the_history_is_read_page_by_page_and_filtered(history: Api) -> None:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = history("GET", f"/v1/history?limit=3{cursor}")
        found += page["events"]
        if page["cursor"] is None:
            break
        assert len(page["events"]) == 3
        cursor = f"&cursor={page['cursor']}"
    assert [each["id"] for each in found] == sorted((each["id"] for each in found), reverse=True)
    assert len(found) == 7
    [made] = history("GET", f"/v1/history?job={JOB}")["events"]
    assert (made["event"], made["payload"], made["at"]) == ("enqueued", '{"n": 1}', 1_700_000_000_000)
    [third] = history("GET", "/v1/history?event=dead&error=SMTP*&worker=w2&queue=q&since=2023-01-01T00:00:00Z")[
        "events"
    ]
    assert third["worker"] == "w2"
    assert history("GET", "/v1/history?since=1h")["events"] == []


@pytest.mark.parametrize(
    "query",
    ["event=exploded", "job=1", "queue=a%20b", "cursor=x", "cursor=1", "cursor=999999999999999.x", "since=soon", "limit=0",
     "error=%00", "error=[b-a]"],
)  # fmt: skip
def test_a_bad_question_about_the_history_is_the_clients_mistake(history: Api, query: str) -> None:
    answer = history.answer("GET", f"/v1/history?{query}")
    assert (answer.status, answer.problem["code"]) == (400, "usage"), answer


def test_where_no_history_is_kept_that_is_said(api: Api) -> None:
    problem = api.answer("GET", "/v1/history").problem
    assert (problem["status"], problem["code"]) == (404, "not_found")
    assert "POSTGRES_DSN" in problem["detail"]


def test_a_history_that_cannot_be_reached_is_no_fault_of_who_asks_and_no_secret_is_told(namespace: str) -> None:
    kept = HookSettings(kind="history", url="postgres://jq:hunter2@127.0.0.1:1/x", events=("removed",))
    with Serving("memory://", settings=Settings(namespace=namespace, hooks={"history": kept})) as server:
        answer = ask(server.url, "GET", "/v1/history")
    assert (answer.status, answer.problem["code"]) == (503, "backend_unreachable")
    assert b"hunter2" not in answer.body


# --- when schedules fire ---


def test_the_ticks_of_an_expression_are_told_after_a_moment(api: Api) -> None:
    after = "after=2026-03-28T12:00:00Z&count=2"
    ticks = api("GET", f"/v1/cron/next?cron=30+2+*+*+*&tz=Europe/Berlin&{after}")
    assert [each["local"] for each in ticks] == ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]
    api("POST", "/v1/schedules", {"name": "s", "cron": "30 2 * * *", "queue": "q", "timezone": "Europe/Berlin"}, 201)
    assert api("GET", f"/v1/schedules/s/next?{after}") == ticks
    assert len(api("GET", "/v1/cron/next?cron=@hourly")) == 5


@pytest.mark.parametrize(
    "query", ["", "cron=61+*+*+*+*", "cron=@daily&tz=Mars/Base", "cron=@daily&after=soon", "cron=@daily&count=0"]
)
def test_what_is_no_expression_zone_or_moment_is_refused(api: Api, query: str) -> None:
    answer = api.answer("GET", f"/v1/cron/next?{query}")
    assert (answer.status, answer.problem["code"]) == (400, "usage"), answer


# --- what is due ---


def test_the_ended_leases_of_named_queues_are_recovered_and_no_others(api: Api, store: Backend) -> None:
    for queue in ("a", "b", "b"):
        api.add(queue=queue)
    store.claim(Claim(("a", "b"), 2, "w", 1, nonce()))
    store.claim(Claim(("b",), 1, "w", 60_000, nonce()))
    assert api("POST", "/v1/recover", {"queues": ["b", "b"]}) == {"recovered": 1}
    assert [api("GET", f"/v1/queues/{queue}")["running"] for queue in ("a", "b")] == [1, 1]
    assert api("POST", "/v1/recover", {"queues": ["b"]}) == {"recovered": 0}
    assert api("POST", "/v1/recover", {"queues": ["a", "b"]}) == {"recovered": 1}
    assert api.answer("POST", "/v1/recover", {"queues": ["nowhere"]}).problem["code"] == "not_found"
    assert api.answer("POST", "/v1/recover", {"queues": ["a"], "worker": "w"}).problem["code"] == "usage"


# --- queues ---


def test_a_pause_keeps_what_is_not_named_anew(api: Api, store: Backend) -> None:
    api.add()
    api("POST", "/v1/queues/q/pause", {"reason": "upgrade", "for": "1h"})
    again = api("POST", "/v1/queues/q/pause", {})
    assert (again["paused_reason"], again["paused_until"] is None) == ("upgrade", False)
    endless = api("POST", "/v1/queues/q/pause", {"until": "none"})
    assert (endless["paused_reason"], endless["paused_until"]) == ("upgrade", None)
    moment = api("POST", "/v1/queues/q/pause", {"until": "2100-01-01T00:00:00Z", "reason": ""})
    assert (moment["paused_reason"], abs(moment["paused_until"] - 4_102_444_800_000) < 60_000) == (None, True)
    assert Consumer(store).claim(["q"]) == []
    for wrong in ({"until": "2000-01-01T00:00:00Z"}, {"until": "soon"}, {"for": "1h", "until": "1h"}, {"for": "0s"}):
        assert api.answer("POST", "/v1/queues/q/pause", wrong).problem["code"] == "usage"


def test_jobs_are_shown_by_their_ids_in_the_order_asked_for(api: Api) -> None:
    first, second, third = (api.add(payload={"n": n}) for n in range(3))
    page = api("GET", f"/v1/queues/q/jobs?id={third}&id={first}&id={new_id()}&id=1")
    assert ([job["id"] for job in page["jobs"]], page["cursor"]) == ([third, first], None)
    assert api("GET", f"/v1/queues/q/jobs?id={second}&state=dead")["jobs"] == []
    assert api.answer("GET", f"/v1/queues/q/jobs?id={second}&cursor=ready.").problem["code"] == "usage"


def test_groups_hold_only_what_the_filters_mean(api: Api) -> None:
    for lang in ("de", "en", "de"):
        api.add(payload={"lang": lang}, headers={"tenant": lang})
    [group] = api("GET", "/v1/queues/q/groups?state=ready&by=payload.lang&header=tenant%3Dde")
    assert (group["value"], group["count"]) == ("de", 2)
    assert api("GET", "/v1/queues/q/groups?state=ready&by=payload.lang&older_than=1h") == []


def test_a_check_warns_before_its_limit(api: Api) -> None:
    for _ in range(3):
        api.add()
    [found] = api("GET", "/v1/check?queue=q&max_ready=4&warn_at=50")
    assert (found["status"], found["warn"], found["max"]) == ("warning", 2, 4)
    assert api("GET", "/v1/check?queue=q&max_ready=4")[0]["status"] == "ok"


def test_a_queue_tells_what_the_configuration_says_but_not_how_its_jobs_are_run() -> None:
    handler = HandlerSpec("shell", line="send --password hunter2")
    settings = Settings(
        queues={"q": QueueSettings(max_retries=7, max_running=4, handler=handler)},
        sources={("queues", "q", name): "jq.yaml" for name in ("max_retries", "max_running", "handler")},
    )
    with Serving("memory://", settings=settings) as server:
        answer = ask(server.url, "GET", "/v1/queues/q")
        assert b"hunter2" not in answer.body
        assert answer.json["configured"] == {"max_retries": 7, "max_running": 4}
        assert (answer.json["max_running"], answer.json["pending_limit"]) == (0, 4)
        [listed] = ask(server.url, "GET", "/v1/queues").json
        assert listed["pending_limit"] == 4
        assert "configured" not in listed
