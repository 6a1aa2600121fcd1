"""Who gets in and how far: tokens, scopes, wrong guesses; every call of the seam with no, wrong and too weak tokens."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from jq_cli.backends.base import Claim, Setting
from jq_cli.backends.http import wire
from jq_cli.backends.registry import open_backend
from jq_cli.change import Change
from jq_cli.consumer import Consumer
from jq_cli.draft import Draft, make_draft
from jq_cli.errors import ConfigError, InvalidField, NotAuthorised
from jq_cli.ids import new_id
from jq_cli.job import Job, Token
from jq_cli.lifecycle import Outcome
from jq_cli.server.access import (
    GUESSES,
    Access,
    Caller,
    Scope,
    chosen_token,
    line_of,
    new_token,
    parse_scopes,
    read_tokens,
)
from jq_cli.server.calls import CALLS
from jq_cli.server.problems import Refused
from tests.server.asking import ask, call
from tests.serving import Serving

SECRETS = {name: f"{name}-secret-secret" for name in ("reader", "producer", "worker", "admin")}
SCOPES = {"reader": "read", "producer": "enqueue:q", "worker": "work:q", "admin": "admin"}
TOKENS = [chosen_token(name, SECRETS[name], SCOPES[name]) for name in SECRETS]


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    with Serving("memory://", tokens=TOKENS) as server:
        yield server


def draft(queue: str = "q") -> Draft:
    return make_draft(Job(id=new_id(), queue=queue, payload=b"1"))


def change(queue: str = "q", *, fenced: bool) -> Change:
    return Change(queue, new_id(), "x", fenced, "m", None)


def claim(*queues: str) -> Claim:
    return Claim(queues, 1, "w", 1_000, "n")


ADMIN, WORKER, PRODUCER, READER = {"admin"}, {"worker", "admin"}, {"producer", "admin"}, {"reader", "admin"}
EVERYBODY = set(SECRETS)

ROWS: list[tuple[str, object, set[str]]] = [
    ("insert", [wire.pack_draft(draft())], PRODUCER),
    ("insert", [wire.pack_draft(draft()), wire.pack_draft(draft("other"))], ADMIN),
    ("claim", claim("q"), WORKER),
    ("claim", claim("q", "other"), ADMIN),
    ("turn", wire.Turn([wire.pack_change(change(fenced=True))], claim("q")), WORKER),
    ("turn", wire.Turn([wire.pack_change(change(fenced=False))], claim("q")), ADMIN),
    ("turn", wire.Turn([wire.pack_change(change("other", fenced=True))], claim("q")), ADMIN),
    ("extend", wire.Lease([Token("q", new_id(), "t")], 1_000), WORKER),
    ("extend", wire.Lease([Token("other", new_id(), "t")], 1_000), ADMIN),
    ("replace", [wire.pack_change(change(fenced=True))], WORKER),
    ("replace", [wire.pack_change(change(fenced=False))], ADMIN),
    ("replace", [wire.pack_change(change("other", fenced=True))], ADMIN),
    ("due", 10, WORKER),
    ("get", wire.Named("q", [new_id()]), READER),
    ("find", new_id(), READER),
    ("page", wire.Listing("q", "ready"), READER),
    ("outputs", wire.Named("q", [new_id()]), READER),
    ("held", "w", READER | WORKER),
    ("queues", None, READER | WORKER),
    ("counts", None, READER | WORKER),
    ("control", wire.Control("q", Setting(paused=True)), ADMIN),
    ("control", wire.Control("q", Setting(max_running=1)), WORKER),
    ("control", wire.Control("other", Setting(max_running=1)), ADMIN),
    ("read", "", READER),
    ("read", "worker:", READER | WORKER),
    ("swap", wire.Swap("worker:1", None, None), WORKER),
    ("swap", wire.Swap("cron:1", None, None), ADMIN),
    ("now", None, EVERYBODY),
]


def test_the_table_names_every_call() -> None:
    assert {name for name, _, _ in ROWS} == set(CALLS)


@pytest.mark.parametrize(("name", "argument", "allowed"), ROWS, ids=[f"{n}-{row[0]}" for n, row in enumerate(ROWS)])
def test_each_call_takes_the_scope_it_needs(server: Serving, name: str, argument: object, allowed: set[str]) -> None:
    for who, secret in SECRETS.items():
        answer = call(server.url, name, argument, token=secret)
        assert answer.status == (200 if who in allowed else 403), (who, answer)
        if who not in allowed:
            assert answer.problem["code"] == "not_authorised"
            assert secret not in answer.body.decode()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that lets one address guess as often as this file does."""
    monkeypatch.setattr("jq_cli.server.access.GUESSES", 10_000)


@pytest.mark.usefixtures("patient")
def test_no_call_answers_without_a_token_or_with_a_wrong_one() -> None:
    right = SECRETS["admin"]
    with Serving("memory://", tokens=TOKENS) as server:
        for name, argument, _ in ROWS:
            for token in (None, "wrong", "", right + "x", right[:-1], right.upper(), "\xe9" * 20):
                headers = {} if token is None else {"Authorization": f"Bearer {token}"}
                answer = call(server.url, name, argument, **headers)
                assert (answer.status, answer.problem["code"]) == (401, "not_authorised")
                assert answer.headers["www-authenticate"].startswith("Bearer")
        assert server.backends == {}


def test_health_needs_no_token_and_tells_nothing(server: Serving) -> None:
    assert ask(server.url, "GET", "/healthz").json == {"status": "ok"}
    assert ask(server.url, "GET", "/readyz").json == {"status": "ready"}


def test_basic_logins_are_no_tokens(server: Serving) -> None:
    assert ask(server.url, "GET", "/nothing", Authorization="Basic YWRtaW46c2VjcmV0").status == 401


def test_somebody_who_may_only_work_gets_no_job_of_another_queue(server: Serving) -> None:
    namespace = "held"
    admin, worker = ({"token": SECRETS[who], "jq_namespace": namespace} for who in ("admin", "worker"))
    call(server.url, "insert", [wire.pack_draft(draft()), wire.pack_draft(draft("other"))], **admin)
    call(server.url, "claim", Claim(("q", "other"), 10, "w", 60_000, "n"), **admin)

    def queues(options: dict[str, str]) -> list[str]:
        rows = msgspec.msgpack.decode(call(server.url, "held", "w", **options).body, type=list[wire.Row])
        return sorted(row.queue for row in rows)

    assert queues(admin) == ["other", "q"]
    assert queues(worker) == ["q"]


def test_a_row_smuggled_into_another_queue_stays_in_its_own(server: Serving) -> None:
    options: dict[str, Any] = {"token": SECRETS["worker"], "jq_namespace": "smuggled"}
    admin = {**options, "token": SECRETS["admin"]}
    call(server.url, "insert", [wire.pack_draft(draft())], **admin)
    [row] = msgspec.msgpack.decode(call(server.url, "claim", claim("q"), **options).body, type=wire.Rows).jobs
    job = wire.unpack(row)
    settled = Consumer(open_backend("memory://")).settle(job, Outcome("succeeded"))
    assert settled.job is not None
    smuggled = msgspec.structs.replace(settled, job=msgspec.structs.replace(settled.job, queue="other", id=new_id()))
    call(server.url, "replace", [wire.pack_change(smuggled)], **options)
    [found] = msgspec.msgpack.decode(
        call(server.url, "get", wire.Named("q", [job.id]), **admin).body, type=list[wire.Row]
    )
    assert (found.id, found.queue, found.state) == (job.id, "q", "succeeded")


def test_a_worker_with_a_narrow_token_needs_no_more_than_that(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JQ_TOKEN", SECRETS["producer"])
    with open_backend(server.url, namespace="narrow") as producer:
        producer.insert([draft()])
    monkeypatch.setenv("JQ_TOKEN", SECRETS["worker"])
    with open_backend(server.url, namespace="narrow") as backend:
        consumer = Consumer(backend)
        consumer.register()
        [job] = consumer.claim(["q"])
        assert consumer.extend([job]) == ["held"]
        assert consumer.write([consumer.settle(job, Outcome("succeeded"))]) == ["applied"]
        assert (consumer.tick(), consumer.release_unknown({})) == (0, 0)
        consumer.prune()
        consumer.unregister()
        with pytest.raises(NotAuthorised, match="scope read"):
            backend.find(job.id)
        watch = backend.watch(["ready:q"])
        assert watch is not None
        watch.close()


# --- guesses ---


def test_too_many_wrong_tokens_from_an_address_are_held_back_for_a_while() -> None:
    now = 0.0
    access = Access(TOKENS, clock=lambda: now)
    for _ in range(GUESSES):
        assert refused(access, "wrong", "10.0.0.1") == 401
    assert refused(access, "wrong", "10.0.0.1") == 429
    assert refused(access, SECRETS["admin"], "10.0.0.1") == 429
    assert refused(access, SECRETS["admin"], "10.0.0.2") == 0
    now = 60.1
    assert refused(access, SECRETS["admin"], "10.0.0.1") == 0


def test_a_forgotten_token_is_no_guess() -> None:
    access = Access(TOKENS)
    for _ in range(3 * GUESSES):
        with pytest.raises(Refused, match="a token is needed"):
            access.caller("", "10.0.0.1")


def refused(access: Access, token: str, peer: str) -> int:
    try:
        access.caller(f"Bearer {token}", peer)
    except Refused as error:
        return error.status
    return 0


# --- token files ---


def test_a_token_file_holds_hashes_and_gives_back_names_and_scopes() -> None:
    token = new_token()
    text = f"# who\n\n{line_of('ci', parse_scopes('read,enqueue:builds'), token)}  # note\n"
    assert token not in text
    [known] = read_tokens(text, "tokens")
    assert known.caller == Caller("ci", (Scope("read"), Scope("enqueue", "builds")))
    assert Access([known]).caller(f"Bearer {token}", "x").name == "ci"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("ci read", "expected NAME SCOPE"),
        ("ci read sha256:zz", "hexadecimal"),
        ("ci read sha256:00", "64 hexadecimal digits"),
        ("ci write sha256:" + "0" * 64, "expected read, enqueue"),
        ("ci read:q sha256:" + "0" * 64, "expected read, enqueue"),
        ("c/i read sha256:" + "0" * 64, "is not a name"),
        ("ci enqueue: sha256:" + "0" * 64, "is not a name"),
    ],
)
def test_a_line_that_is_none_is_named(line: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as raised:
        read_tokens(f"# first\n{line}\n", "tokens")
    assert "(tokens line 2)" in str(raised.value)


def test_a_short_token_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigError, match="fewer than the 16") as raised:
        chosen_token("ADMIN_TOKEN", "hunter2")
    assert "hunter2" not in str(raised.value)


def test_scopes_are_checked() -> None:
    with pytest.raises(InvalidField, match="'everything'"):
        parse_scopes("everything")
