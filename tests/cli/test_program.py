"""The program as a whole: its names, help, errors and exit codes, and what it loads to do so."""

import json
import os
import signal
import subprocess
import sys

import pytest

from jq_cli import __version__
from tests.cli.program import SCRIPTS, Program
from tests.cli.stored import put
from tests.servers import RedisServer

COMMANDS = [
    "enqueue", "work", "ls-queues", "len", "ls", "show", "workers", "promote", "requeue", "dlq", "pause", "resume", "cron", "config",
    "backends", "serve", "token",
]  # fmt: skip


@pytest.mark.parametrize("name", ["jq", "jobq"])
def test_both_names_are_the_same_program(tmp_path: object, jq: Program, name: str) -> None:
    program = Program(jq.home, jq.env["JQ_BACKEND"], name=name)
    assert program.ok("--version").out == f"jq {__version__}\n"
    assert program.ok("enqueue", "q", "1").code == 0
    module = subprocess.run([sys.executable, "-m", "jq_cli", "len", "q"], env=jq.env, cwd=jq.home, capture_output=True)
    assert module.stdout == b"1\n"


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_lists_every_command(bare: Program, option: str) -> None:
    text = bare.ok(option).out
    for name in COMMANDS:
        assert f"\n  {name} " in text


@pytest.mark.parametrize(
    "path", [[name] for name in COMMANDS] + [["dlq", "ls"], ["dlq", "requeue"], ["config", "check"]], ids=" ".join
)
def test_every_command_has_help(bare: Program, path: list[str]) -> None:
    text = bare.ok(*path, "-h").out
    assert text.startswith(f"Usage: jq {' '.join(path)}")
    assert "--backend" in text


@pytest.mark.parametrize("path", [[], ["dlq"], ["config"]])
def test_a_group_alone_shows_its_help_and_exits_with_2(bare: Program, path: list[str]) -> None:
    result = bare(*path)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("Usage: jq")


@pytest.mark.parametrize(
    ("typed", "help"),
    [
        (["ls", "q", "--id"], "jq ls"),
        (["dlq", "ls", "q", "--error"], "jq dlq ls"),
        (["enqueue", "q", "1", "--delay"], "jq enqueue"),
        (["work", "q", "--shell"], "jq work"),
        (["ls", "q", "--backend"], "jq ls"),
        (["ls", "q", "--no-such"], "jq ls"),
        (["--backend"], "jq"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)
def test_wrong_usage_names_the_help_of_its_command(bare: Program, typed: list[str], help: str) -> None:
    result = bare(*typed)
    assert (result.code, result.out) == (2, "")
    assert result.err.endswith(f"; see {help} --help\n")


@pytest.mark.parametrize(
    ("typed", "meant"), [("enqeue", "enqueue"), ("wrok", "work"), ("ls-queue", "ls-queues"), ("resum", "resume")]
)
def test_a_mistyped_command_gets_near_names(bare: Program, typed: str, meant: str) -> None:
    result = bare(typed)
    assert result.code == 2
    assert meant in result.err.split("did you mean")[1]


# --- exit codes ---


@pytest.mark.parametrize(
    "command",
    [["len"], ["ls", "q"], ["enqueue", "q", "1"], ["dlq", "requeue", "q", "--all", "--yes"], ["workers"]],
    ids=" ".join,
)
def test_an_unreachable_store_exits_with_5_and_is_named(bare: Program, command: list[str]) -> None:
    result = bare(*command, "--backend", "redis://user:secret@127.0.0.1:1/0")
    assert (result.code, result.out) == (5, "")
    assert "redis://user:***@127.0.0.1:1/0" in result.err
    assert len(result.err.splitlines()) == 1


def test_a_store_that_goes_away_in_the_middle_says_how_to_go_on(bare: Program, own_redis: RedisServer) -> None:
    process = bare.start("enqueue", "q", "--from", "-", "--backend", own_redis.url)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b'{"payload": 1}\n')
    process.stdin.flush()
    jq = Program(bare.home, own_redis.url)
    while jq("len", "q").code != 0:
        pass
    own_redis.stop()
    out, err = process.communicate(b'{"payload": 2}\n' * 10, timeout=60)
    assert (process.returncode, out) == (5, b"")
    assert b"lines 1-1 enqueued, continue with --skip-lines 1; whether lines 2-11 were stored is unknown" in err


def test_refused_credentials_exit_with_6(bare: Program) -> None:
    with RedisServer(requirepass="right") as server:
        wrong = f"redis://:wrong@127.0.0.1:{server.port}/0"
        result = bare("len", "--backend", wrong)
        assert (result.code, result.out) == (6, "")
        assert "wrong" not in result.err


def test_a_folder_that_cannot_be_used_is_an_error_with_a_name(bare: Program) -> None:
    (bare.home / "file").write_text("")
    result = bare("len", "--backend", f"sqlite://{bare.home}/file/jq.db")
    assert result.code in (1, 5, 6)
    assert "file" in result.err
    assert "Traceback" not in result.err


def test_an_unexpected_error_exits_with_1_and_hides_its_traceback(bare: Program) -> None:
    (bare.home / "broken.py").write_text(
        "def open_broken(url, **options):\n    raise RuntimeError('kaputt \\x1b[31m')\n"
    )
    patch = "import jq_cli.backends.registry as r; r.BUILT_IN['broken'] = 'broken:open_broken'; from jq_cli.__main__ import main; main()"
    env = bare.env | {"PYTHONPATH": str(bare.home)}

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", patch, *args], env=env, cwd=bare.home, capture_output=True, text=True
        )

    plain = run("len", "--backend", "broken")
    assert plain.returncode == 1
    assert plain.stderr == "jq: unexpected RuntimeError: kaputt \\x1b[31m (--debug shows where)\n"
    assert "Traceback" in run("len", "--backend", "broken", "--debug").stderr
    assert "Traceback" in run("--debug", "len", "--backend", "broken").stderr


# --- streams ---


def test_a_broken_pipe_ends_the_program_silently(jq: Program) -> None:
    put(jq, "q", *(b'"%s"' % (b"x" * 1_000) for _ in range(2_000)))
    for form in ("--jsonl", "--json", "--plain", "-q", "--no-headers"):
        process = jq.start("ls", "q", form, "--limit", "0")
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read()
        assert process.wait(20) in (0, 128 + signal.SIGPIPE)
        assert err == b""


def test_a_full_disk_is_an_error(jq: Program) -> None:
    put(jq, "q", b"1")
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([jq.path, "ls", "q"], stdout=full, stderr=subprocess.PIPE, env=jq.env, cwd=jq.home)
    assert done.returncode == 1
    assert done.stderr == b"jq: output: No space left on device\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_no_harm(jq: Program, closed: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"exec '{jq.path}' enqueue q 1 {closed}"], env=jq.env, cwd=jq.home, capture_output=True
    )
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    assert jq.ok("len", "q").out == "1\n"


def test_a_narrow_encoding_shows_escapes(jq: Program) -> None:
    put(jq, "q", '"naïve 日本"'.encode())
    result = jq.ok("ls", "q", "--columns", "payload", "--no-headers", env={"PYTHONIOENCODING": "ascii"})
    assert result.out == '"na\\xefve \\u65e5\\u672c"\n'


# --- what is loaded ---

HEAVY = {
    "asyncio", "concurrent.futures", "difflib", "email", "hashlib", "http", "importlib.metadata", "logging", "multiprocessing", "pathlib",
    "pydantic", "random", "redis", "hiredis", "rich", "shutil", "socketserver", "ssl", "subprocess", "tempfile", "traceback", "typer", "urllib",
    "unittest", "xml", "yaml",
}  # fmt: skip


def loaded(program: Program, *args: str) -> set[str]:
    """The modules that a command line has loaded at its end."""
    code = (
        "import os, sys\n"
        "end = os._exit\n"
        "def tell(code):\n"
        "    import json\n"
        "    print(json.dumps([code, sorted(set(sys.modules) - {'json', 'json.decoder', 'json.encoder', 'json.scanner'})]), file=sys.stderr)\n"
        "    end(code)\n"
        "os._exit = tell\n"
        "from jq_cli.__main__ import main\n"
        "main()\n"
    )
    env = {name: value for name, value in program.env.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-c", code, *args], env=env, cwd=program.home, capture_output=True, text=True
    )
    status, modules = json.loads(done.stderr.splitlines()[-1])
    assert status == 0, done
    return set(modules)


def test_enqueue_on_sqlite_loads_nothing_it_does_not_need(jq: Program) -> None:
    modules = loaded(jq, "enqueue", "q", "{}")
    assert not modules & HEAVY
    commands = {name for name in modules if name.startswith("jq_cli.commands.")}
    assert commands == {"jq_cli.commands.enqueue"}
    assert not {name for name in modules if name.startswith("jq_cli.backends.redis.backend")}


def test_looking_on_sqlite_in_a_pipe_loads_nothing_it_does_not_need(jq: Program) -> None:
    put(jq, "q", b"1")
    for command in (["len", "q"], ["ls", "q"], ["ls-queues", "--json"]):
        assert not loaded(jq, *command) & (HEAVY - {"random"})


def test_a_configuration_file_is_what_loads_yaml(jq: Program) -> None:
    (jq.home / "jq.yaml").write_text("queues: {}")
    modules = loaded(jq, "enqueue", "q", "{}")
    assert "yaml" in modules
    assert not modules & {"rich", "redis", "asyncio"}


def test_redis_loads_no_asyncio(bare: Program, redis_url: str, namespace: str) -> None:
    modules = loaded(bare, "enqueue", "q", "{}", "--backend", redis_url, "--namespace", namespace)
    assert not modules & {"asyncio", "rich", "yaml", "sqlite3", "importlib.metadata", "redis.asyncio"}


def test_scripts_are_installed_where_they_belong() -> None:
    assert (SCRIPTS / "jq").exists()
    assert (SCRIPTS / "jobq").exists()
