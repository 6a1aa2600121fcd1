"""`jq serve` and `jq token` as an operator uses them."""

import json
import re
import signal
import stat
from pathlib import Path

import pytest

from tests.cli.program import Program
from tests.cli.test_program import loaded
from tests.serve_program import ServeProgram


@pytest.fixture
def memory(tmp_path: Path) -> ServeProgram:
    """A server whose jobs are in its memory."""
    folder = tmp_path / "server"
    folder.mkdir()
    with ServeProgram(folder, "memory") as program:
        yield program


def test_the_memory_store_is_shared_by_all_who_have_the_url(memory: ServeProgram, bare: Program) -> None:
    at = ("--backend", memory.url)
    id = bare.ok("enqueue", "emails", '{"n": 1}', *at).out.strip()
    assert bare.ok("len", "emails", *at).out == "1\n"
    bare.ok("work", "emails", "--until-empty", *at, "--", "cat")
    [job] = json.loads(bare.ok("ls", "emails", "--state", "succeeded", "--json", *at).out)
    assert job["id"] == id


def test_every_way_of_looking_and_changing_works_over_http(memory: ServeProgram, bare: Program) -> None:
    bare.env["JQ_BACKEND"] = memory.url
    bare.ok("enqueue", "q", "--from", "-", "--delay", "1h", input='{"payload": 1}\n{"payload": 2}\n')
    assert bare.ok("promote", "q", "--all", "--yes").out.startswith("2")
    assert bare("work", "q", "--until-empty", "--", "sh", "-c", "exit 65").code == 7
    assert bare.ok("len", "q", "--state", "dead").out == "2\n"
    assert bare.ok("dlq", "requeue", "q", "--all", "--yes").out.startswith("2")
    bare.ok("pause", "q")
    assert "yes" in bare.ok("ls-queues").out
    bare.ok("resume", "q")
    assert bare("len", "nowhere").code == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(tmp_path: Path, number: int) -> None:
    with ServeProgram(tmp_path, "memory") as program:
        assert program.stop(number) == 128 + number
        assert "Traceback" not in program.text()


def test_it_says_what_it_serves_and_where_without_secrets(tmp_path: Path) -> None:
    store = "redis://user:hidden@127.0.0.1:1/0"
    with ServeProgram(tmp_path, store, env={"ADMIN_TOKEN": "a-secret-of-some-length"}) as program:
        first = program.text().splitlines()[0]
        assert re.fullmatch(
            r"jq: serving redis://user:\*\*\*@127\.0\.0\.1:1/0 on http://127\.0\.0\.1:\d+ \(tokens: ADMIN_TOKEN\)",
            first,
        )


def test_a_unix_socket_is_served_and_removed(tmp_path: Path, bare: Program) -> None:
    path = tmp_path / "s"
    with ServeProgram(tmp_path, "memory", listen=f"unix:{path}") as program:
        assert stat.S_ISSOCK(path.stat().st_mode)
        bare.ok("enqueue", "q", "1", "--backend", program.url)
        program.kill()
        program.start()  # the socket of the killed one is in the way, and nobody listens on it
        bare.ok("enqueue", "q", "1", "--backend", program.url)
        assert program.stop() == 143
        assert not path.exists()


def test_a_token_opens_as_much_as_its_scopes(tmp_path: Path, bare: Program) -> None:
    tokens = tmp_path / "tokens"
    token = bare.ok("token", "new", "ci", "--scope", "enqueue:builds", "--file", str(tokens)).out.strip()
    assert stat.S_IMODE(tokens.stat().st_mode) == 0o600
    assert token not in tokens.read_text()
    with ServeProgram(tmp_path, "memory", "--tokens", str(tokens)) as program:
        at = ("--backend", program.url)
        assert bare("enqueue", "builds", "1", *at).code == 6
        bare.ok("enqueue", "builds", "1", *at, env={"JQ_TOKEN": token})
        for command in (("enqueue", "other", "1"), ("ls", "builds"), ("pause", "builds")):
            result = bare(*command, *at, env={"JQ_TOKEN": token})
            assert (result.code, token in result.err) == (6, False), result
        assert token not in program.text()


def test_a_token_without_a_file_shows_its_line_beside_it(bare: Program) -> None:
    result = bare.ok("token", "new", "ops", "--scope", "read", "--scope", "work")
    assert "ops read,work sha256:" in result.err
    assert len(result.out.strip()) == 43
    assert bare("token", "new", "ops", "--scope", "root").code == 2
    assert "--scope" in bare("token", "new", "ops").err


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--listen", "0.0.0.0:0"], "others reach this address"),
        (["--listen", "[::]:0"], "others reach this address"),
        (["--listen", "example.org:0"], "others reach this address"),
        (["--listen", "somewhere"], "expected HOST:PORT"),
        (["--listen", "127.0.0.1:99999"], "expected HOST:PORT"),
        (["--listen", "unix:relative"], "unix:/path"),
        (["--tls-cert", "x.pem"], "go together"),
        (["--client-ca", "x.pem"], "needs both"),
        (["--tls-cert", "x.pem", "--tls-key", "y.pem"], "x.pem"),
        (["--tokens", "nowhere"], "nowhere"),
        (["--access-log", "nowhere/log"], "nowhere/log"),
        (["--backend", "nonsense"], "unknown backend"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_would_not_be_safe_or_cannot_work_is_refused_before_anybody_is_served(
    bare: Program, options: list[str], problem: str
) -> None:
    result = bare("serve", *options)
    assert (result.code, problem in result.err) == (2, True), result


def test_a_short_admin_token_and_a_foreign_file_are_refused(bare: Program, tmp_path: Path) -> None:
    assert "fewer than the 16" in bare("serve", env={"ADMIN_TOKEN": "hunter2"}).err
    tokens = tmp_path / "tokens"
    tokens.write_text("")
    tokens.chmod(0o666)
    assert "every user may write it" in bare("serve", "--tokens", str(tokens)).err


def test_a_port_in_use_is_named(memory: ServeProgram, bare: Program) -> None:
    result = bare("serve", "--listen", f"127.0.0.1:{memory.port}")
    assert (result.code, f"127.0.0.1:{memory.port}" in result.err) == (2, True)


def test_a_missing_extra_says_how_to_install_it(bare: Program, tmp_path: Path) -> None:
    (tmp_path / "uvicorn.py").write_text("raise ModuleNotFoundError(\"No module named 'uvicorn'\", name='uvicorn')\n")
    result = bare("serve", env={"PYTHONPATH": str(tmp_path)})
    assert (result.code, "pip install 'jq-cli[server]'" in result.err) == (2, True)


def test_a_short_command_over_http_loads_little(memory: ServeProgram, bare: Program) -> None:
    bare.env["JQ_BACKEND"] = memory.url
    for command in (["enqueue", "q", "1"], ["len", "q"]):
        modules = {name.partition(".")[0] for name in loaded(bare, *command)}
        assert "h11" in modules
        assert modules.isdisjoint({"ssl", "http", "email", "uvicorn", "asyncio", "redis", "rich", "sqlite3", "gzip"})
