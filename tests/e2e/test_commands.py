"""Every command, end to end, beside a pool of workers: on SQLite, on Redis, and on memory, which a server keeps for all."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from jq_cli.cli.root import root
from tests.e2e.program import JQ, Program
from tests.postgres_server import PostgresServer
from tests.serve_program import ServeProgram
from tests.worker.bench import eventually

SHELL = 'read -r said; echo "heard $said"; case $said in wait) touch began; exec sleep 600;; esac; exit "$said"'
"""A handler that ends with the code that the payload is, or does not end."""


class Noted(Program):
    """Notes which commands are run."""

    def __init__(self, *place: Any) -> None:
        super().__init__(*place)
        self.called: set[str] = set()

    def run(self, *arguments: str, stdin: bytes | str = b"") -> subprocess.CompletedProcess[str]:
        self.note(arguments)
        return super().run(*arguments, stdin=stdin)

    def note(self, arguments: tuple[str, ...]) -> None:
        self.called |= {arguments[0], " ".join(arguments[:2])}


@pytest.fixture(params=["memory", "sqlite", "redis"])
def jq(request: pytest.FixtureRequest, tmp_path: Path, namespace: str) -> Noted:
    """The program on a fresh store."""
    store = "http" if request.param == "memory" else request.param
    return Noted(request.getfixturevalue(f"{store}_url"), namespace, tmp_path)


# --- what is done with each command ---


def putting_in(jq: Noted) -> None:
    with jq.worker("q", "--shell", SHELL):
        first = jq("enqueue", "q", "0").strip()
        assert jq("wait", first) == "succeeded\n"
        assert jq("enqueue", "q", "--from", "-", "--raw", stdin="0\n0\n0\n") == "3\n"
        assert jq("enqueue", "q", "65", "--wait", code=11).strip() != first
        assert jq("run", "q", "0", "--output") == "heard 0\n"
        jq("run", "q", "7", "--retries", "0", "--exit-code", code=7)
        eventually(lambda: jq("len", "q", "--state", "succeeded") == "5\n", "all have run")
    jq("enqueue", "q", "65")
    jq("work", "q", "--shell", SHELL, "--until-empty", code=7)
    assert jq("len", "q", "--state", "dead") == "3\n"


def looking(jq: Noted) -> None:
    with jq.worker("q", "--shell", SHELL, "--processes", "1"):
        ids = [jq("run", "q", code, code=how).strip() for code, how in (("0", 0), ("65", 11))]
        jq("enqueue", "q", "wait")
        jq("enqueue", "q", "0", "--priority", "-1")
        eventually((jq.folder / "began").exists, "one job goes on")
        [record] = jq.records("ls-queues")
        counted = {state: record[state] for state in ("ready", "running", "succeeded", "dead")}
        assert counted == {"ready": 1, "running": 1, "succeeded": 1, "dead": 1}
        assert jq("len", "q") == "1\n"
        assert jq("ls", "q", "--state", "succeeded", "-q").split() == ids[:1]
        shown = json.loads(jq("show", ids[0], "--json"))
        assert (shown["state"], shown["output"]["stdout"]) == ("succeeded", "heard 0\n")
        [pool] = eventually(lambda: [each for each in jq.records("workers") if each["running"]], "its heartbeat")
        assert (pool["state"], pool["queues"]) == ("working", ["q"])
        eventually(lambda: [(w["done"], w["running"]) for w in jq.records("workers")] == [(2, 1)], "the next one")
        [stats] = jq.records("stats", "q")
        assert (stats["total_enqueued"], stats["total_succeeded"], stats["total_dead"]) == (4, 1, 1)
        assert json.loads(jq("queue", "show", "q", "--json"))["running"] == 1
        assert [each["status"] for each in jq.records("check", "q", "--max-dead", "1")] == ["ok"]
        jq("check", "q", "--max-dead", "0", code=9)


def changing(jq: Noted) -> None:
    with jq.worker("q", "--shell", SHELL, "--processes", "2") as pool:
        later = jq("enqueue", "q", "0", "--delay", "1h").strip()
        assert jq("promote", later) == "1\n"
        assert jq("wait", later) == "succeeded\n"
        assert jq("rm", later) == "1\n"
        jq("pause", "q")
        jq("queue", "set", "q", "--max-running", "1")
        edited, waiting, *_ = (jq("enqueue", "q", payload).strip() for payload in ("65", "wait"))
        assert jq("edit", edited, "--payload", "0") == "1\n"
        assert {job["id"] for job in jq.jobs("q")} == {edited, waiting}
        jq("resume", "q")
        assert jq("wait", edited) == "succeeded\n"
        eventually(lambda: jq.jobs("q", "running"), "the endless job starts")
        assert jq("cancel", waiting) == "1\n"
        jq("wait", waiting, code=12)
        lost = jq("enqueue", "q", "wait").strip()
        eventually(lambda: jq.jobs("q", "running"), "another endless job starts")
        pool.kill()
    [job] = jq.jobs("q", "running")
    assert jq("requeue", "--worker", job["owner"], "--yes") == "1\n"
    [job] = jq.jobs("q", "ready")
    assert (job["id"], job["losses"]) == (lost, 1)


def dead_letters(jq: Noted) -> None:
    with jq.worker("q", "--shell", SHELL):
        ids = [jq("run", "q", "65", code=11).strip() for _ in range(3)]
        assert jq("dlq", "ls", "q", "-q").split() == ids
        assert json.loads(jq("dlq", "show", "q", ids[0], "--json"))["reason"] == "permanent"
        assert jq("dlq", "edit", "q", ids[0], "--new-payload", "0", "--requeue") == "1\n"
        assert jq("wait", ids[0]) == "succeeded\n"
        assert jq("dlq", "requeue", "q", ids[1]) == "1\n"
        jq("wait", ids[1], code=11)
    assert jq("dlq", "purge", "q", "--error", "exit*", "--yes") == "2\n"
    assert jq("len", "q", "--state", "all") == "1\n"


def schedules(jq: Noted) -> None:
    jq("cron", "add", "nightly", "0 3 * * *", "q", "65")
    jq("cron", "edit", "nightly", "--cron", "0 4 * * *", "--payload", "0")
    [tick] = jq.records("cron", "next", "nightly", "--count", "1", "--tz", "Europe/Berlin")
    assert "T04:00:00" in tick["local"]
    with jq.worker("q", "--shell", SHELL, "--no-cron"):
        jq("cron", "pause", "nightly")
        assert jq("wait", jq("cron", "trigger", "nightly").strip()) == "succeeded\n"
        jq("cron", "resume", "nightly")
        [record] = jq.records("cron", "ls")
        assert (record["state"], record["cron"], record["paused_by"]) == ("active", "0 4 * * *", None)
        jq("cron", "add", "each-second", "* * * * * *", "q", "0")
        jq.note(("cron", "run"))
        with subprocess.Popen([JQ, "cron", "run", "-q"], env=jq.env, stderr=subprocess.DEVNULL) as scheduler:
            eventually(lambda: int(jq("len", "q", "--state", "succeeded")) > 1, "what it fires is run")
            scheduler.send_signal(signal.SIGTERM)
        assert scheduler.returncode == 143
        jq("cron", "rm", "nightly", "each-second")
    assert jq.records("cron", "ls") == []


def serving(jq: Noted) -> None:
    tokens = jq.folder / "tokens"
    token = jq("token", "new", "ops", "--scope", "admin", "--file", str(tokens)).strip()
    folder = jq.folder / "in-front"
    folder.mkdir()
    jq.note(("serve",))
    # In front of the store of this test; over a store that is a server itself, a server of the same kind.
    store = "memory" if jq.env["JQ_BACKEND"].startswith("http") else jq.env["JQ_BACKEND"]
    env = {"JQ_NAMESPACE": jq.env["JQ_NAMESPACE"]}
    with ServeProgram(folder, store, "--tokens", str(tokens), "--access-log", "none", env=env) as server:
        over = Program(server.url, jq.env["JQ_NAMESPACE"], jq.folder)
        assert over.run("len", "q").returncode == 6
        over.env["JQ_TOKEN"] = token
        with over.worker("q", "--shell", SHELL):
            assert over("run", "q", "0", "--output") == "heard 0\n"
    if store != "memory":
        assert jq("len", "q", "--state", "succeeded") == "1\n"


def settings(jq: Noted) -> None:
    [used] = [each for each in jq.records("backends") if each["in_use"] in (True, "true")]
    assert used["url"].partition("://")[0] == jq.env["JQ_BACKEND"].partition("://")[0]
    (jq.folder / "jq.yaml").write_text('queues: {q: {max_running: 3, handler: {shell: "exit 0"}}}')
    jq("config", "check")
    assert "queues.q.max_running" in jq("config", "show")
    jq("enqueue", "q", "0")
    jq("work", "--until-empty")
    assert jq("len", "q", "--state", "succeeded") == "1\n"
    for command in ("init", "status", "upgrade", "sql"):
        done = jq.run("db", command)
        assert (done.returncode, done.stdout) == (0, "")
        assert "needs no tables made" in done.stderr


def measuring(jq: Noted) -> None:
    jq("enqueue", "q", "0")
    sizes = ("--jobs", "10", "--batch", "5", "--processes", "1", "--rounds", "1", "--max-time", "1s")
    with jq.worker("q", "--shell", SHELL):
        document = json.loads(jq("bench", *sizes, "--json"))
    assert all(each["jobs"] for each in document["figures"])
    assert [each["queue"] for each in jq.records("ls-queues")] == ["q"]


SCENES: list[tuple[Callable[[Noted], None], str]] = [
    (putting_in, "enqueue, run, wait, work"),
    (looking, "ls-queues, len, ls, show, workers, stats, queue show, check"),
    (changing, "promote, rm, pause, resume, queue set, edit, cancel, requeue"),
    (dead_letters, "dlq ls, dlq show, dlq edit, dlq requeue, dlq purge"),
    (schedules, "cron add, cron edit, cron next, cron pause, cron resume, cron trigger, cron ls, cron run, cron rm"),
    (serving, "token new, serve"),
    (measuring, "bench"),
    (settings, "backends, config show, config check, db init, db status, db upgrade, db sql"),
]


@pytest.mark.parametrize(("scene", "commands"), SCENES, ids=lambda part: getattr(part, "__name__", ""))
def test_commands_work_beside_a_pool(jq: Noted, scene: Callable[[Noted], None], commands: str) -> None:
    scene(jq)
    assert set(commands.split(", ")) <= jq.called


def test_the_history_tells_what_pool_and_operator_did(jq: Noted, postgres_server: PostgresServer) -> None:
    jq.env["POSTGRES_DSN"] = postgres_server.url
    schema = f"h_{jq.env['JQ_NAMESPACE']}"
    (jq.folder / "jq.yaml").write_text(f"hooks: {{history: {{schema: {schema}}}}}\n")
    id = jq("enqueue", "q", "65").strip()
    jq("work", "q", "--shell", SHELL, "--until-empty", code=7)
    jq("dlq", "purge", "q", id, "--yes")
    assert [each["event"] for each in jq.records("history", id)][-4:] == ["dead", "failed", "started", "enqueued"]


# --- memory in the pool's own process ---


def test_a_pool_that_keeps_its_jobs_in_memory_runs_retries_and_buries_them(tmp_path: Path, namespace: str) -> None:
    jq = Program("memory://", namespace, tmp_path)
    lines = "\n".join(json.dumps({"payload": code, "max_retries": 1, "backoff": {"base": 0}}) for code in (0, 1, 65))
    said = tmp_path / "said"
    shell = f'read -r code; echo "$code $JQ_ATTEMPT" >> {said}; exit $code'
    done = jq.run("work", "q", "--from", "-", "--until-empty", "--shell", shell, stdin=lines)
    assert done.returncode == 7
    assert sorted(said.read_text().splitlines()) == ["0 1", "1 1", "1 2", "65 1"]


# --- completeness ---


def leaves(command: click.Command, path: str = "") -> set[str]:
    """The full names of all commands that are no groups."""
    if not isinstance(command, click.Group):
        return {path}
    context = click.Context(command)
    children = [(name, command.get_command(context, name)) for name in command.list_commands(context)]
    return {leaf for name, child in children if child is not None for leaf in leaves(child, f"{path} {name}".strip())}


def test_no_command_is_left_out() -> None:
    told = {name for _, commands in SCENES for name in commands.split(", ")}
    assert told | {"history"} == leaves(root)
