"""`config show`, `config check`, where settings come from, `cron`, and how secrets are kept off the screen."""

import json
import os

import pytest

from tests.cli.program import Program


def test_every_setting_is_shown_with_its_source(jq: Program) -> None:
    (jq.home / "jq.yaml").write_text(
        "defaults:\n  timeout: 90\nqueues:\n  q:\n    priority: 3\n    handler: {shell: 'a | b'}\n"
    )
    shown = {r["key"]: (r["value"], r["source"]) for r in json.loads(jq.ok("config", "show", "--json").out)}
    assert shown["backend"] == (jq.env["JQ_BACKEND"], "JQ_BACKEND")
    assert shown["namespace"] == ("jq", "default")
    assert shown["queues.q.timeout"] == (90.0, "jq.yaml line 2")
    assert shown["queues.q.priority"] == (3, "jq.yaml line 5")
    assert shown["queues.q.handler"] == ({"shell": "a | b"}, "jq.yaml line 6")
    assert shown["worker.processes"] == (1, "default")
    typed = dict(line.split("\t")[:2] for line in jq.ok("config", "show", "--plain", "--no-headers").lines)
    assert (typed["defaults.timeout"], typed["max_payload"], typed["defaults.backoff.cap"]) == ("1m30s", "1MiB", "1h")


def test_options_are_taken_before_and_after_the_commands_name(bare: Program) -> None:
    for args in (
        ["--namespace", "x", "config", "show"],
        ["config", "show", "--namespace", "x"],
        ["config", "--namespace", "x", "show"],
    ):
        shown = {r["key"]: (r["value"], r["source"]) for r in json.loads(bare.ok(*args, "--json").out)}
        assert shown["namespace"] == ("x", "--namespace")


def test_a_good_file_is_called_good(jq: Program) -> None:
    (jq.home / "jq.yaml").write_text("queues: {q: {}}")
    result = jq.ok("config", "check")
    assert result.out == ""
    assert "jq.yaml: ok (store: sqlite://" in result.err


def test_every_mistake_is_reported_at_once(jq: Program) -> None:
    (jq.home / "jq.yaml").write_text("queues:\n  q:\n    priority: 5000\n    timout: 1s\n")
    for command in (["config", "check"], ["len"], ["ls-queues"], ["enqueue", "q", "1"]):
        result = jq(*command)
        assert (result.code, result.out) == (2, "")
        assert result.err.splitlines() == [
            "jq: expected priority to be -1000..1000, got 5000 (queues.q.priority, jq.yaml line 3)",
            "jq: unknown option 'timout'; did you mean 'timeout'? (queues.q, jq.yaml line 4)",
        ]


@pytest.mark.parametrize("spec", ["nosuch", "nosuch://x"])
def test_an_unknown_backend_is_refused_with_the_known_ones(bare: Program, spec: str) -> None:
    (bare.home / "jq.yaml").write_text("backends: {prod: {url: 'redis://h/0'}}")
    for command in (["len"], ["config", "check"]):
        result = bare(*command, "--backend", spec)
        assert result.code == 2
        assert "sqlite, unix" in result.err
    assert "named in jq.yaml: prod" in bare("len", "--backend", spec).err


def test_namespaces_keep_environments_apart(jq_on_each: Program) -> None:
    jq_on_each.ok("enqueue", "q", "1")
    assert jq_on_each("len", "q", "--namespace", "other").code == 3
    jq_on_each.ok("enqueue", "q", "1", "--namespace", "other")
    assert jq_on_each.ok("len", "q").out == "1\n"
    result = jq_on_each("len", "q", env={"JQ_NAMESPACE": "a b"})
    assert result.code == 2
    assert "(JQ_NAMESPACE)" in result.err


def test_options_of_a_backend_are_checked_by_it(jq: Program) -> None:
    (jq.home / "jq.yaml").write_text(
        f"backends: {{a: {{url: '{jq.env['JQ_BACKEND']}', nonsense: 1}}, m: {{url: 'memory://', x: 1}}}}"
    )
    for name in ("a", "m"):
        result = jq("len", "--backend", name)
        assert result.code == 2
        assert "unknown option" in result.err


CANARY = "canary-7f3a"


@pytest.mark.parametrize(
    "command",
    [
        ["len"], ["ls-queues"], ["enqueue", "q", "1"], ["config", "show"], ["config", "show", "--json"], ["config", "check"], ["backends"],
        ["dlq", "ls", "q"], ["workers"], ["requeue"], ["--debug", "len"], ["show", "01" + "0" * 24], ["pause", "q"],
    ],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("how", ["url", "file", "password_file", "option"])
def test_a_password_is_never_shown(bare: Program, command: list[str], how: str) -> None:
    url = f"redis://user:{CANARY}@127.0.0.1:1/0"
    (bare.home / "secret").write_text(url if how == "file" else CANARY)
    settings = {
        "url": {"JQ_BACKEND": url},
        "file": {"JQ_BACKEND_FILE": "secret"},
        "password_file": {"JQ_BACKEND": "a"},
        "option": {"JQ_BACKEND": "b"},
    }[how]
    text = "backends: {a: {url: 'redis://user@127.0.0.1:1/0', password_file: secret}, b: {url: 'redis://127.0.0.1:1/0', password: %s}}"
    (bare.home / "jq.yaml").write_text(text % CANARY)
    os.chmod(bare.home / "jq.yaml", 0o600)
    result = bare(*command, env=settings)
    assert CANARY not in result.out
    assert CANARY not in result.err
    assert result.code in (0, 5)


def test_bad_options_of_every_store_are_reported_with_their_lines_and_nothing_is_opened(bare: Program) -> None:
    stores = bare.home / "stores"
    (bare.home / "jq.yaml").write_text(
        "backend: a\nbackends:\n"
        f"  a:\n    url: sqlite://{stores}/a.db\n    nonsense: 1\n    timeout: -1\n"
        "  r:\n    url: redis://127.0.0.1:1/0\n    db: 1\n    timout: 2\n"
        f"  f:\n    url: file://{stores}/f\n    timeout: soon\n"
        "  h:\n    url: http://127.0.0.1:1?compres=1\n    timeout: 2\n"
        "  p:\n    url: postgres://127.0.0.1:1/x\n    sslmod: require\n"
        "  m:\n    url: memory://\n    x: 1\n"
    )
    result = bare("config", "check")
    assert (result.code, result.out) == (2, "")
    places = [line[line.rindex("(") :] for line in result.err.splitlines()]
    assert places == [
        "(backends.a.nonsense, jq.yaml line 5)", "(backends.a.timeout, jq.yaml line 6)", "(backends.r.timout, jq.yaml line 10)",
        "(backends.f.timeout, jq.yaml line 13)", "(backends.h.url, jq.yaml line 15)", "(backends.p.sslmod, jq.yaml line 19)",
        "(backends.m.x, jq.yaml line 22)",
    ]  # fmt: skip
    assert "unknown option 'nonsense'" in result.err
    assert not stores.exists()


def test_good_options_of_every_store_are_called_good_though_no_server_runs(bare: Program) -> None:
    (bare.home / "jq.yaml").write_text(
        "backends:\n  r: {url: 'redis://127.0.0.1:1/0', timeout: 1}\n  h: {url: 'http://127.0.0.1:1', compress: true}\n"
        "  p: {url: 'postgres://127.0.0.1:1/x', sslmode: require}\n"
    )
    assert "ok" in bare.ok("config", "check").err
    assert bare("config", "check", "--backend", "redis://127.0.0.1:1/0?timout=1").code == 2
