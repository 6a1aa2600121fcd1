"""Webhooks: events that are POSTed, and jobs that are (`work --post`)."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from jq_cli.handlers.spec import HandlerSpec
from jq_cli.hooks.event import Event
from jq_cli.hooks.spec import HookSpec, Undeliverable
from jq_cli.hooks.webhook import WebhookHook, parts
from jq_cli.ids import new_id
from jq_cli.post.signature import verify
from tests.e2e.program import Program
from tests.hooks.conftest import Hooked
from tests.hooks.receiver import Receiver, raw_server
from tests.worker.bench import Bench, call, eventually
from tests.worker.test_faults import during, send


def event(**fields: Any) -> Event:
    return Event(**{"id": new_id(), "event": "dead", "queue": "q", "job": "j", "attempt": 1, **fields})


@pytest.fixture
def hook(receiver: Receiver) -> WebhookHook:
    return WebhookHook(receiver.url, allow_private=True, secret="shh", timeout=10)


# --- the hook ---


def test_events_arrive_in_one_signed_request(hook: WebhookHook, receiver: Receiver) -> None:
    batch = [event(payload=b'{"a":1}', error="e"), event()]
    hook.deliver(batch)
    [request] = receiver.received
    assert request.events[0] == {
        "id": batch[0].id, "event": "dead", "at": 0, "namespace": "", "queue": "q", "job": "j", "attempt": 1, "error": "e",
        "payload": {"a": 1},
    }  # fmt: skip
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == batch[0].id
    assert verify("shh", request.headers, request.body, now=int(request.headers["webhook-timestamp"]))


@pytest.mark.parametrize("status", [302, 408, 425, 429, 500, 503])
def test_what_may_succeed_later_is_offered_again_under_the_same_id(
    hook: WebhookHook, receiver: Receiver, status: int
) -> None:
    batch = [event()]
    receiver.answer(status, 200)
    with pytest.raises(OSError, match=f"HTTP {status}"):
        hook.deliver(batch)
    hook.deliver(batch)
    assert [request.headers["webhook-id"] for request in receiver.received] == [batch[0].id] * 2


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422])
def test_what_is_refused_for_good_is_not_offered_again(hook: WebhookHook, receiver: Receiver, status: int) -> None:
    receiver.answer(status)
    with pytest.raises(Undeliverable):
        hook.deliver([event()])


def test_a_batch_that_fails_in_its_middle_goes_on_there(
    hook: WebhookHook, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jq_cli.hooks.webhook.BODY", 500)
    batch = [event() for _ in range(6)]
    receiver.answer(200, 503, 200)
    with pytest.raises(OSError, match="503"):
        hook.deliver(batch)
    hook.deliver(batch)
    ids = [e["id"] for request in receiver.received for e in request.events]
    assert len(receiver.received) == 4
    assert sorted(set(ids)) == [e.id for e in batch]
    assert ids.count(batch[0].id) == 1


def test_large_events_travel_in_bodies_of_their_own() -> None:
    big = [event(payload=b"x" * 300_000) for _ in range(3)]
    assert [len(part) for part in parts([event(), *big, event(), event()])] == [2, 1, 1, 2]


def test_a_worker_tells_a_webhook_of_the_events_it_wants(hooked: Hooked, receiver: Receiver) -> None:
    receiver.answer(503, 200)
    options = {"url": receiver.url, "secret": "shh", "allow_private": True, "timeout": 10.0}
    bench = hooked(HookSpec("alerts", "webhook", events=("dead",), options=options))
    bench.put(1, 2, max_retries=0)
    assert bench.work(call("boom")) == 7
    bench.emitter.close()
    assert [e["event"] for e in receiver.received[-1].events][-1:] == ["dead"]
    assert {e["job"] for e in receiver.events} == {job.id for job in bench.backend.page("q", "dead").jobs}


# --- jobs ---


def posting(receiver: Receiver, **options: Any) -> HandlerSpec:
    return HandlerSpec("post", **{"url": receiver.url, "allow_private": True, "answer_within": 10.0, **options})


def test_a_job_is_posted_with_its_fields_as_headers_and_its_payload_as_it_is(bench: Bench, receiver: Receiver) -> None:
    [id] = bench.put({"to": "ada"}, priority=5, headers={"trace": "abc", "X bad\n": "line\r\nInjected: ä"})
    assert bench.work(posting(receiver, secret="shh")) == 0
    [request] = receiver.received
    assert request.body == b'{"to":"ada"}'
    assert {name: request.headers[f"jq-{name}"] for name in ("job-id", "queue", "attempt", "priority")} == {
        "job-id": id, "queue": "q", "attempt": "1", "priority": "5",
    }  # fmt: skip
    assert request.headers["jq-header-trace"] == "abc"
    assert request.headers["jq-header-x-bad-"] == "line\\r\\nInjected: \\xe4"
    assert "injected" not in request.headers
    assert request.headers["jq-fence"].startswith("1.")
    assert (request.headers["webhook-id"], request.headers["content-type"]) == (id, "application/json")
    assert verify("shh", request.headers, request.body, now=int(request.headers["webhook-timestamp"]))


def test_without_a_secret_nothing_is_signed(bench: Bench, receiver: Receiver) -> None:
    bench.put(1)
    assert bench.work(posting(receiver)) == 0
    assert "webhook-signature" not in receiver.received[0].headers


@pytest.mark.parametrize("status", [200, 201, 204])
def test_2xx_is_success(bench: Bench, receiver: Receiver, status: int) -> None:
    receiver.answer(status)
    bench.put(1)
    assert bench.work(posting(receiver)) == 0
    assert bench.states() == {"succeeded": 1}


@pytest.mark.parametrize("status", [301, 408, 425, 429, 500, 503])
def test_what_may_succeed_later_is_a_failure_that_is_retried(bench: Bench, receiver: Receiver, status: int) -> None:
    receiver.answer((status, {"Location": "http://127.0.0.1:1/"}, b"not\nnow"), (200, {}, b""))
    [id] = bench.put(1)
    assert bench.work(posting(receiver)) == 0
    assert (bench.job(id).failures, len(receiver.received)) == (1, 2)
    assert f"HTTP {status}" in bench.job(id).errors[0].error


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422, 499])
def test_other_4xx_are_dead_at_once(bench: Bench, receiver: Receiver, status: int) -> None:
    receiver.answer((status, {}, b"no such thing"))
    [id] = bench.put(1)
    assert bench.work(posting(receiver)) == 7
    assert (bench.job(id).reason, bench.job(id).failures, len(receiver.received)) == ("permanent", 1, 1)
    assert "no such thing" in str(bench.job(id).last_error)


def test_retry_after_is_the_least_delay_before_the_next_try(bench: Bench, receiver: Receiver) -> None:
    receiver.answer((429, {"Retry-After": "3600"}, b""))
    [id] = bench.put(1)
    during(bench, lambda: bench.job(id).failures, send(signal.SIGTERM))
    assert bench.work(posting(receiver), until_empty=False) == 143
    job = bench.job(id)
    assert (job.state, job.failures) == ("scheduled", 1)
    assert job.ready_at - job.errors[0].at >= 3_590_000


def test_the_timeout_of_a_job_bounds_its_request(bench: Bench) -> None:
    [id] = bench.put(1, max_retries=0, timeout=0.3)
    gone = threading.Event()
    with raw_server(lambda _socket: gone.wait(60)) as port:
        spec = HandlerSpec("post", url=f"http://127.0.0.1:{port}/", allow_private=True, answer_within=60.0)
        assert bench.work(spec, processes=1) == 7
        gone.set()
    assert (bench.job(id).reason, bench.job(id).failures, bench.job(id).losses) == ("retries", 1, 0)


def test_a_receiver_that_cannot_be_reached_is_a_failure(bench: Bench) -> None:
    [id] = bench.put(1, max_retries=0)
    spec = HandlerSpec("post", url="http://127.0.0.1:1/", allow_private=True, answer_within=1.0)
    assert bench.work(spec) == 7
    assert "http://127.0.0.1:1" in str(bench.job(id).last_error)


# --- the program ---


@pytest.fixture
def jq(tmp_path: Path, sqlite_url: str) -> Program:
    return Program(sqlite_url, "t", tmp_path)


def test_work_post_signs_with_the_secret_of_a_file_or_a_variable(jq: Program, receiver: Receiver) -> None:
    (jq.folder / "secret").write_text("from-file\n")
    jq("enqueue", "a", "1")
    jq("work", "a", "--post", receiver.url, "--allow-private", "--secret-file", "secret", "--until-empty", "-q")
    jq.env["SIGN"] = "from-env"
    jq("enqueue", "a", "2")
    jq("work", "a", "--post", receiver.url, "--allow-private", "--secret-env", "SIGN", "--until-empty", "-q")
    first, second = receiver.received
    for request, secret in ((first, "from-file"), (second, "from-env")):
        assert verify(secret, request.headers, request.body, now=int(request.headers["webhook-timestamp"]))


def test_the_configuration_names_webhooks_for_queues_and_for_events(jq: Program, receiver: Receiver) -> None:
    (jq.folder / "jq.yaml").write_text(
        f"""
queues:
  a: {{handler: {{post: {{url: "{receiver.url}?queue=a", allow_private: true, secret_env: SIGN}}}}}}
hooks:
  told: {{kind: webhook, url: "{receiver.url}?hook", allow_private: true, events: [succeeded], secret_env: SIGN}}
"""
    )
    jq.env["SIGN"] = "shh"
    id = jq("enqueue", "a", "1").strip()
    jq("work", "--until-empty", "-q")
    job, hook = receiver.received
    assert (job.path, job.headers["jq-job-id"]) == ("/in?queue=a", id)
    assert (hook.path, [(e["event"], e["job"]) for e in hook.events]) == ("/in?hook", [("succeeded", id)])
    shown = jq("config", "show", "--plain")
    assert "shh" not in shown
    assert "hooks.told.events" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--post", "http://example.org/"], "https"),
        (["--post", "https://127.0.0.1/"], "not a public address"),
        (["--post", "https://example.org/", "--secret-env", "NOWHERE"], "NOWHERE is not set"),
        (["--post", "https://example.org/", "--secret-file", "nowhere"], "nowhere"),
        (["--post", "https://example.org/", "--secret-file", "a", "--secret-env", "b"], "exclude each other"),
        (["--post", "https://example.org/", "--call", "a:b"], "one handler"),
        (["--secret-env", "A", "--shell", "true"], "goes with --post"),
    ],
)
def test_work_post_refuses_what_it_must_not_do(jq: Program, arguments: list[str], said: str) -> None:
    done = jq.run("work", "a", *arguments, "--until-empty")
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("webhook: {url: 'https://10.0.0.1/'}", "not a public address"),
        ("webhook: {}", "a webhook needs a url"),
        ("webhook: {url: 'https://example.org', retention: 1d}", "has no option retention"),
        ("webhook: {url: 'https://example.org', nonsense: 1}", "has no option nonsense"),
        ("webhook: {url: 'https://example.org', events: [died]}", "events"),
        ("webhook: {url: 'https://example.org', secret_env: A, secret_file: b}", "exclude each other"),
        ("history: {retention: 5d}", "POSTGRES_DSN"),
    ],
)
def test_a_hook_that_cannot_be_is_refused_with_its_place(jq: Program, text: str, said: str) -> None:
    (jq.folder / "jq.yaml").write_text(f"hooks:\n  {text}\n")
    done = jq.run("config", "check")
    assert (done.returncode, said in done.stderr, "jq.yaml line 2" in done.stderr) == (2, True, True), done.stderr


def test_a_hook_from_elsewhere_gets_the_options_it_was_given(jq: Program, plugins: Path, tmp_path: Path) -> None:
    jq.env["PYTHONPATH"] = os.environ["PYTHONPATH"]
    (jq.folder / "jq.yaml").write_text(
        f"hooks:\n  mine: {{kind: file, path: {tmp_path / 'told'}, events: [enqueued]}}\n"
    )
    id = jq("enqueue", "a", "1").strip()
    eventually(lambda: (tmp_path / "told").exists(), "it is told")
    assert id in (tmp_path / "told").read_text()


def test_a_worker_refuses_a_hook_that_does_not_exist(jq: Program) -> None:
    (jq.folder / "jq.yaml").write_text("hooks:\n  mine: {kind: nobody}\n")
    done = jq.run("work", "a", "--shell", "true", "--until-empty")
    assert (done.returncode, "unknown kind 'nobody'" in done.stderr) == (2, True), done.stderr
