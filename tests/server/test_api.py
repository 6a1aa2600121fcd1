"""The Admin API as programs use it: put jobs in, look, wait, change one or many, pause, recover; who may do what."""

import gzip
import json
import re
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest
from litestar.routes import HTTPRoute

from jq_cli.backends.base import Backend, Claim
from jq_cli.consumer import Consumer
from jq_cli.ids import new_id, nonce
from jq_cli.server.access import chosen_token
from tests.server.asking import Answer, Api, ask, finish
from tests.serving import Serving

SECRETS = {name: f"{name}-secret-secret" for name in ("reader", "producer", "worker", "admin")}
SCOPES = {"reader": "read", "producer": "enqueue:q", "worker": "work:q", "admin": "admin"}


@pytest.fixture(scope="module")
def guarded() -> Iterator[Serving]:
    with Serving("memory://", tokens=[chosen_token(n, SECRETS[n], SCOPES[n]) for n in SECRETS]) as server:
        yield server


# --- put in ---


def test_a_job_is_put_in_and_shown(api: Api) -> None:
    id = api.add(priority=5, delay="1h", headers={"a": "b"})
    job = api("GET", f"/v1/jobs/{id}")
    assert (job["state"], job["priority"], job["payload"], job["headers"]) == ("scheduled", 5, {"n": 1}, {"a": "b"})
    assert api("GET", f"/jobs/{id}") == job


def test_a_payload_arrives_as_it_was_sent(api: Api, store: Backend) -> None:
    body = b'{"queue": "q", "payload": {"big": 123456789012345678901234567890,  "b": 1.10}}'
    id = api("POST", "/jobs", body, 201)["id"]
    job = store.find(id)
    assert job is not None
    assert job.payload == b'{"big": 123456789012345678901234567890,  "b": 1.10}'


def test_a_compressed_job_is_unpacked_within_bounds(api: Api) -> None:
    def post(body: bytes) -> Answer:
        headers = {"Content_Encoding": "gzip", "jq_namespace": api.namespace}
        return ask(api.url, "POST", "/v1/jobs", gzip.compress(body), **headers)

    assert post(b'{"queue": "q", "payload": "' + b"a" * 900_000 + b'"}').status == 201
    answer = post(b'{"queue": "q", "payload": "' + b"a" * 17 * 2**20 + b'"}')
    assert (answer.status, answer.problem["code"]) == (413, "usage")


def test_a_duplicate_a_replay_and_a_mismatch_are_told_apart(api: Api, store: Backend) -> None:
    first = api.add(idempotency_key="k")
    again = {"queue": "q", "payload": {"n": 1}, "idempotency_key": "k"}
    assert api("POST", "/v1/jobs", again)["status"] == "duplicate"
    finish(store, "succeeded")
    replayed = api("POST", "/v1/jobs", again)
    assert (replayed["status"], replayed["id"], replayed["outcome"]["state"]) == ("replayed", first, "succeeded")
    assert api("POST", "/v1/jobs", {**again, "payload": 2}, 409)["status"] == "mismatch"


def test_a_batch_is_checked_whole_before_the_first_is_stored(api: Api) -> None:
    good, bad = {"queue": "q", "payload": 1}, {"queue": "q", "payload": 1, "priority": 5_000}
    answer = api.answer("POST", "/v1/jobs/batch", [good, bad])
    assert (answer.status, answer.problem["field"]) == (400, "priority")
    assert api("GET", "/v1/queues") == []
    assert [each["status"] for each in api("POST", "/v1/jobs/batch", [good] * 3)] == ["created"] * 3


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"payload": 1}, "queue"),
        ({"queue": "a b", "payload": 1}, "is not a name"),
        ({"queue": "q"}, "payload"),
        ({"queue": "q", "payload": 1, "colour": "red"}, "colour"),
        ({"queue": "q", "payload": 1, "delay": "soon"}, "delay"),
        ({"queue": "q", "payload": 1, "id": "1"}, "ULID"),
        ([], "body"),
        (b"{", "body"),
        (b'{"queue": "q", "payload": "\\ud800"}', ""),
    ],
    ids=range(9),
)
def test_a_bad_job_is_the_clients_mistake_and_named(api: Api, body: object, problem: str) -> None:
    answer = api.answer("POST", "/v1/jobs", body)
    assert (answer.status, answer.problem["code"]) == (400, "usage"), answer
    assert problem in answer.body.decode()
    assert api("GET", "/v1/queues") == []


# --- look ---


def test_listings_go_on_where_a_cursor_says_and_filters_hold(api: Api) -> None:
    ids = [api.add(payload={"n": n}, delay="1h" if n % 2 else 0) for n in range(10)]
    found: list[str] = []
    cursor = ""
    while True:
        page = api("GET", f"/v1/queues/q/jobs?limit=3{cursor}")
        assert len(page["jobs"]) <= 3
        found += [job["id"] for job in page["jobs"]]
        if page["cursor"] is None:
            break
        cursor = (
            f"&cursor={page['cursor']}".replace("[", "%5B").replace("]", "%5D").replace('"', "%22").replace(" ", "")
        )
    assert sorted(found) == sorted(ids)
    page = api("GET", "/v1/queues/q/jobs?payload=n%3D3&state=scheduled")
    assert [job["id"] for job in page["jobs"]] == [ids[3]]


@pytest.mark.parametrize(
    "query", ["state=lost", "limit=0", "limit=100000", "cursor=nonsense", "cursor=ready.nonsense", "priority=x"]
)
def test_a_bad_question_is_the_clients_mistake(api: Api, query: str) -> None:
    api.add()
    answer = api.answer("GET", f"/v1/queues/q/jobs?{query}")
    assert (answer.status, answer.problem["code"]) == (400, "usage"), answer


def test_what_is_not_there_is_not_found(api: Api) -> None:
    for method, path in [
        ("GET", f"/v1/jobs/{new_id()}"),
        ("GET", "/v1/jobs/1"),
        ("GET", "/v1/queues/nowhere"),
        ("GET", "/v1/queues/nowhere/jobs"),
        ("POST", f"/v1/jobs/{new_id()}/requeue"),
        ("DELETE", f"/v1/jobs/{new_id()}"),
        ("GET", "/v2"),
    ]:
        assert api.answer(method, path).problem["code"] == "not_found", path
    assert api.answer("PUT", "/v1/jobs", {}).status == 405


def test_somebody_who_waits_hears_of_the_end(api: Api, store: Backend) -> None:
    id = api.add()
    heard: list[Any] = []
    waiting = threading.Thread(target=lambda: heard.append(api("GET", f"/v1/jobs/{id}/wait?timeout=20")))
    waiting.start()
    finish(store, "succeeded")
    waiting.join(30)
    assert heard[0]["state"] == "succeeded"
    other = api.add()
    assert api("GET", f"/v1/jobs/{other}/wait?timeout=0")["state"] == "ready"


# --- change ---


def test_one_job_is_changed_and_remembers_by_whom(api: Api, store: Backend) -> None:
    id = api.add()
    finish(store, "permanent")
    assert api("POST", f"/v1/jobs/{id}/requeue")["state"] == "ready"
    finish(store, "permanent")
    job = api("POST", f"/admin/jobs/{id}/retry")
    assert (job["state"], [deed["what"] for deed in job["history"]]) == ("ready", ["requeued", "requeued"])
    assert job["history"][0]["by"] == "anonymous (http)"
    assert api.answer("POST", f"/v1/jobs/{id}/promote").problem["code"] == "conflict"
    assert api("POST", f"/admin/jobs/{id}/cancel")["state"] == "cancelled"
    api("DELETE", f"/v1/jobs/{id}", code=204)
    assert api.answer("GET", f"/v1/jobs/{id}").status == 404
    assert api.answer("POST", f"/v1/jobs/{id}/explode").status == 404


def test_many_jobs_are_changed_by_filter_in_steps(api: Api, store: Backend) -> None:
    for _ in range(7):
        api.add()
    finish(store, *["permanent"] * 7)
    order = {"errors": ["SMTP*"], "limit": 3}
    assert api("POST", "/v1/queues/q/jobs/requeue", {**order, "dry_run": True})["changed"] == 3
    first = api("POST", "/v1/queues/q/jobs/requeue", order)
    assert (first["changed"], first["failed"]) == (3, [])
    assert api("POST", "/v1/queues/q/jobs/requeue", {"errors": ["other*"]})["changed"] == 0
    assert api("POST", "/v1/queues/q/jobs/requeue", {"all": True})["changed"] == 4
    assert api("GET", "/v1/queues/q")["ready"] == 7


def test_an_order_changes_no_more_jobs_than_its_limit_however_few_of_a_page_are_meant(api: Api) -> None:
    for n in range(8):
        api.add(payload={"n": n % 2})
    order: dict[str, Any] = {"payload": ["n=1"], "limit": 3}
    first = api("POST", "/v1/queues/q/jobs/cancel", order)
    assert (first["changed"], first["cursor"] is None) == (3, False)
    second = api("POST", "/v1/queues/q/jobs/cancel", {**order, "cursor": first["cursor"]})
    assert (second["changed"], api("GET", "/v1/queues/q")["ready"]) == (1, 4)


def test_named_jobs_are_changed_and_each_failure_is_told(api: Api) -> None:
    waiting, ready, gone = api.add(delay="1h"), api.add(), new_id()
    done = api("POST", "/v1/queues/q/jobs/promote", {"ids": [waiting, ready, gone]})
    assert done["ids"] == [waiting]
    assert {each["id"]: each["code"] for each in done["failed"]} == {ready: "conflict", gone: "not_found"}


def test_an_order_that_names_no_jobs_changes_none(api: Api) -> None:
    api.add()
    for order in ({}, {"limit": 5}, {"ids": [new_id()], "all": True}, {"states": ["running"]}):
        assert api.answer("POST", "/v1/queues/q/jobs/remove", order).problem["code"] == "usage"
    assert api("GET", "/v1/queues/q")["ready"] == 1


def test_a_queue_is_paused_and_resumed(api: Api, store: Backend) -> None:
    api.add()
    paused = api("POST", "/v1/queues/q/pause", {"reason": "upgrade", "for": "1h"})
    assert (paused["paused"], paused["paused_reason"], paused["paused_by"]) == (True, "upgrade", "anonymous (http)")
    assert Consumer(store).claim(["q"]) == []
    assert api("POST", "/v1/queues/q/resume")["paused"] is False
    assert api.answer("POST", "/v1/queues/q/pause", {"for": "-5m"}).status == 400


def test_workers_are_shown_and_their_jobs_recovered(api: Api, store: Backend) -> None:
    api.add()
    consumer = Consumer(store)
    consumer.register(queues=("q",))
    assert len(consumer.claim(["q"])) == 1
    [worker] = api("GET", "/v1/workers")
    assert (worker["id"], worker["queues"]) == (consumer.worker, ["q"])
    answer = api.answer("POST", "/v1/recover", {"worker": consumer.worker})
    assert answer.problem["code"] == "conflict"
    assert api("POST", "/v1/recover", {"worker": consumer.worker, "force": True}) == {"recovered": 1}
    assert api.answer("POST", "/v1/recover", {"worker": "nobody"}).status == 404
    store.claim(Claim(("q",), 1, "w", 1, nonce()))
    assert api("POST", "/v1/recover", {}) == {"recovered": 1}


def test_a_job_is_edited_as_long_as_it_is_as_it_was_seen(api: Api, store: Backend) -> None:
    id = api.add(payload={"to": "nobody", "n": [1, 2]}, headers={"a": "b"})
    seen = api("GET", f"/v1/jobs/{id}")
    edit = {"set": {"to": "ada@example.org", "n.1": 3}, "headers": {"a": None, "c": "d"}, "version": seen["version"]}
    job = api("PATCH", f"/v1/jobs/{id}", edit)
    assert (job["payload"], job["headers"]) == ({"to": "ada@example.org", "n": [1, 3]}, {"c": "d"})
    assert (job["history"][0]["what"], job["history"][0]["payload"]) == ("edited", {"to": "nobody", "n": [1, 2]})
    assert api.answer("PATCH", f"/v1/jobs/{id}", edit).problem["code"] == "conflict"
    assert api.answer("PATCH", f"/v1/jobs/{id}", {}).problem["code"] == "usage"
    assert api.answer("PATCH", f"/v1/jobs/{id}", {"priority": 5_000}).problem["code"] == "usage"
    finish(store, "permanent")
    again = api("PATCH", f"/v1/jobs/{id}", {"payload": None, "timeout": "5s", "requeue": True})
    assert (again["state"], again["payload"], again["timeout"]) == ("ready", None, 5.0)


def test_many_jobs_are_edited(api: Api) -> None:
    for lang in ("de", "en", "de"):
        api.add(payload={"lang": lang})
    order = {"payload": ["lang=de"], "edit": {"set": {"lang": "nl"}, "priority": 3}}
    assert api("POST", "/v1/queues/q/jobs/edit", {**order, "dry_run": True})["changed"] == 2
    assert api("POST", "/v1/queues/q/jobs/edit", order)["changed"] == 2
    assert api("POST", "/v1/queues/q/jobs/edit", order)["changed"] == 0
    languages = [(job["priority"], job["payload"]["lang"]) for job in api("GET", "/v1/queues/q/jobs")["jobs"]]
    assert languages == [(3, "nl"), (3, "nl"), (0, "en")]


def test_dead_jobs_are_counted_by_what_they_have_in_common(api: Api, store: Backend) -> None:
    for lang in ("de", "en", "de"):
        api.add(payload={"lang": lang})
    finish(store, *["permanent"] * 3)
    [group] = api("GET", "/v1/queues/q/groups")
    assert (group["value"], group["count"]) == ("SMTP 451", 3)
    groups = api("GET", "/v1/queues/q/groups?by=payload.lang&state=dead&state=ready")
    assert [(each["value"], each["count"]) for each in groups] == [("de", 2), ("en", 1)]
    assert api.answer("GET", "/v1/queues/q/groups?by=colour").problem["code"] == "usage"


def test_limits_hold_and_are_checked(api: Api, store: Backend) -> None:
    for _ in range(2):
        api.add()
    assert api("PUT", "/v1/queues/q/limit", {"max_running": 1})["max_running"] == 1
    assert len(Consumer(store).claim(["q"], limit=5)) == 1
    assert api.answer("PUT", "/v1/queues/q/limit", {"max_running": -1}).problem["code"] == "usage"
    found = api("GET", "/v1/check?queue=q&max_ready=0&max_dead=0")
    assert {each["measure"]: each["status"] for each in found} == {"ready": "critical", "dead": "ok"}
    assert api.answer("GET", "/v1/check").problem["code"] == "usage"
    assert api.answer("GET", "/v1/check?queue=none&max_dead=0").status == 404


def test_a_schedule_lives_and_goes(api: Api, store: Backend) -> None:
    new = {"name": "nightly", "cron": "0 3 * * *", "queue": "q", "payload": {"n": 1.10}, "timezone": "Europe/Berlin"}
    made = api("POST", "/v1/schedules", {**new, "timeout": "5m", "overlap": "skip"}, 201)
    assert (made["state"], made["timeout"], made["source"]) == ("active", 300.0, "store")
    assert api.answer("POST", "/admin/schedules", new).problem["code"] == "conflict"
    assert api.answer("POST", "/v1/schedules", {**new, "name": "x", "cron": "61 * * * *"}).problem["code"] == "usage"
    ticks = api("GET", "/v1/schedules/nightly/next?count=2&tz=UTC")
    assert len(ticks) == 2
    assert ticks[0]["tick"] < ticks[1]["tick"]
    edited = api("PATCH", "/v1/schedules/nightly", {"cron": "@hourly", "unset": ["timeout"], "payload": [2]})
    assert (edited["timeout"], edited["payload"]) == (None, [2])
    assert api.answer("PATCH", "/v1/schedules/nightly", {}).problem["code"] == "usage"
    assert api.answer("PATCH", "/v1/schedules/nightly", {"unset": ["cron"]}).problem["code"] == "usage"
    paused = api("POST", "/v1/schedules/nightly/pause", {"reason": "holidays"})
    assert (paused["state"], paused["paused_reason"], paused["next_fire"]) == ("paused", "holidays", None)
    assert api("POST", "/v1/schedules/nightly/resume")["state"] == "active"
    id = api("POST", "/v1/schedules/nightly/trigger", code=201)["id"]
    assert store.find(id) is not None
    assert api.answer("POST", "/v1/schedules/nightly/trigger").problem["code"] == "conflict"
    assert api("POST", "/v1/schedules/nightly/trigger?force=true", code=201)["id"] != id
    assert [each["name"] for each in api("GET", "/admin/schedules")] == ["nightly"]
    api("DELETE", "/v1/schedules/nightly", code=204)
    assert api.answer("GET", "/v1/schedules/nightly").status == 404


# --- who may ---

ROUTES: list[tuple[str, str, object, set[str]]] = [
    ("POST", "/v1/jobs", {"queue": "q", "payload": 1}, {"producer", "admin"}),
    ("POST", "/jobs", {"queue": "q", "payload": 1}, {"producer", "admin"}),
    ("POST", "/v1/jobs", {"queue": "other", "payload": 1}, {"admin"}),
    ("POST", "/v1/jobs/batch", [{"queue": "q", "payload": 1}], {"producer", "admin"}),
    ("GET", "/v1/jobs/{id}", None, {"reader", "admin"}),
    ("GET", "/jobs/{id}", None, {"reader", "admin"}),
    ("GET", "/v1/jobs/{id}/wait?timeout=0", None, {"reader", "admin"}),
    ("POST", "/v1/jobs/{id}/{action}", None, {"admin"}),
    ("POST", "/admin/jobs/{id}/retry", None, {"admin"}),
    ("POST", "/admin/jobs/{id}/cancel", None, {"admin"}),
    ("DELETE", "/v1/jobs/{id}", None, {"admin"}),
    ("PATCH", "/v1/jobs/{id}", {"payload": 1}, {"admin"}),
    ("GET", "/v1/queues", None, {"reader", "admin"}),
    ("GET", "/queues", None, {"reader", "admin"}),
    ("GET", "/v1/queues/{queue}", None, {"reader", "admin"}),
    ("GET", "/v1/queues/{queue}/jobs", None, {"reader", "admin"}),
    ("POST", "/v1/queues/{queue}/jobs/{action}", {"all": True}, {"admin"}),
    ("POST", "/v1/queues/{queue}/jobs/edit", {"all": True, "edit": {"payload": 1}}, {"admin"}),
    ("GET", "/v1/queues/{queue}/groups", None, {"reader", "admin"}),
    ("PUT", "/v1/queues/{queue}/limit", {"max_running": 1}, {"admin"}),
    ("GET", "/v1/check?max_ready=1", None, {"reader", "admin"}),
    ("GET", "/v1/stats", None, {"reader", "admin"}),
    ("GET", "/v1/history", None, {"reader", "admin"}),
    ("GET", "/v1/cron/next?cron=@daily", None, {"reader", "admin"}),
    ("GET", "/v1/schedules", None, {"reader", "admin"}),
    ("GET", "/admin/schedules", None, {"reader", "admin"}),
    ("POST", "/v1/schedules", {"name": "n", "cron": "@daily", "queue": "q"}, {"admin"}),
    ("POST", "/admin/schedules", {"name": "m", "cron": "@daily", "queue": "q"}, {"admin"}),
    ("GET", "/v1/schedules/{name}", None, {"reader", "admin"}),
    ("GET", "/v1/schedules/{name}/next", None, {"reader", "admin"}),
    ("PATCH", "/v1/schedules/{name}", {"cron": "@hourly"}, {"admin"}),
    ("DELETE", "/v1/schedules/{name}", None, {"admin"}),
    ("POST", "/v1/schedules/{name}/pause", {}, {"admin"}),
    ("POST", "/v1/schedules/{name}/resume", None, {"admin"}),
    ("POST", "/v1/schedules/{name}/trigger", None, {"admin"}),
    ("POST", "/v1/queues/{queue}/pause", {}, {"admin"}),
    ("POST", "/v1/queues/{queue}/resume", None, {"admin"}),
    ("GET", "/v1/workers", None, {"reader", "admin"}),
    ("GET", "/workers", None, {"reader", "admin"}),
    ("POST", "/v1/recover", {}, {"admin"}),
    ("GET", "/openapi.json", None, set(SECRETS)),
    ("GET", "/schema/openapi.json", None, set(SECRETS)),
    ("GET", "/schema", None, set(SECRETS)),
]


def test_the_table_names_every_route(guarded: Serving) -> None:
    known = {
        (method, re.sub(r":\w+}", "}", route.path))
        for route in guarded.service.api.routes
        for method in cast(HTTPRoute, route).methods
        if method != "OPTIONS"
    }
    assert known == {(m, p.partition("?")[0]) for m, p, _, _ in ROUTES}


@pytest.mark.parametrize("path", ["/schema/x", "/schema/index.html", "/v1", "/v1/jobs/a/b/c", "/%00", "/..%2f"])
def test_an_unknown_path_is_a_problem_for_who_may_ask_and_a_refusal_for_others(guarded: Serving, path: str) -> None:
    assert ask(guarded.url, "GET", path).problem["status"] == 401
    assert ask(guarded.url, "GET", path, token=SECRETS["admin"]).problem["code"] == "not_found"


@pytest.mark.parametrize(
    ("method", "path", "body", "allowed"), ROUTES, ids=[f"{m} {p} {n}" for n, (m, p, _, _) in enumerate(ROUTES)]
)
def test_each_route_takes_the_scope_it_needs(
    guarded: Serving, method: str, path: str, body: object, allowed: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jq_cli.server.access.GUESSES", 10_000)
    path = (
        path.replace("{id}", new_id())
        .replace("{queue}", "nowhere")
        .replace("{action}", "requeue")
        .replace("{name}", "nowhere")
    )
    for token in (None, "wrong-wrong-wrong-wrong"):
        assert ask(guarded.url, method, path, body, token=token).status == 401
    for who, secret in SECRETS.items():
        answer = ask(guarded.url, method, path, body, token=secret)
        assert (answer.status == 403) == (who not in allowed), (who, answer)
        assert answer.status < 500
        assert secret not in answer.body.decode()


def test_the_document_is_the_committed_one(api: Api) -> None:
    from jq_cli.server.api.document import document
    from tests.architecture import HOME

    assert api("GET", "/openapi.json") == api("GET", "/schema/openapi.json") == document()
    committed = json.loads((HOME.parent / "docs" / "openapi.json").read_text())
    assert document() == committed, "make docs writes it afresh"
    assert committed["openapi"].startswith("3.1")
