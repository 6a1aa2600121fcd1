"""A server alone fires the schedules of its store."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.cli.program import Program
from tests.serve_program import ServeProgram
from tests.worker.bench import eventually

EVERY_SECOND = ("every-second", "* * * * * *")


def jobs(bare: Program, queue: str, *at: str) -> list[dict[str, Any]]:
    result = bare("ls", queue, "--json", *at)
    return json.loads(result.out) if result.code == 0 else []


def fired(bare: Program, *at: str) -> dict[str, int]:
    return {record["name"]: record["fired"] for record in json.loads(bare.ok("cron", "ls", "--json", *at).out)}


def test_each_tick_makes_one_job_without_any_worker(tmp_path: Path, bare: Program) -> None:
    with ServeProgram(tmp_path, "memory") as one:
        at = ("--backend", one.url)
        bare.ok("cron", "add", *EVERY_SECOND, "q", "{}", "--catch-up", "all", *at)
        eventually(lambda: len(jobs(bare, "q", *at)) >= 3, "ticks fire", 60, pause=0.1)
        found = jobs(bare, "q", *at)
        ticks = sorted(round(datetime.fromisoformat(job["headers"]["tick"]).timestamp()) for job in found)
        assert ticks == list(range(ticks[0], ticks[0] + len(ticks)))
        assert one.stop() == 143


def test_it_goes_on_where_it_was_killed_and_fires_nothing_twice(tmp_path: Path, bare: Program, sqlite_url: str) -> None:
    at = ("--backend", sqlite_url)
    bare.ok("cron", "add", *EVERY_SECOND, "q", "{}", "--catch-up", "all", *at)
    with ServeProgram(tmp_path, sqlite_url) as server:
        eventually(lambda: len(jobs(bare, "q", *at)) >= 2, "ticks fire", 60, pause=0.1)
        server.kill()
        before = len(jobs(bare, "q", *at))
        server.start()
        eventually(lambda: len(jobs(bare, "q", *at)) >= before + 2, "ticks fire again", 60, pause=0.1)
    found = jobs(bare, "q", *at)
    ticks = sorted(round(datetime.fromisoformat(job["headers"]["tick"]).timestamp()) for job in found)
    assert ticks == list(range(ticks[0], ticks[0] + len(ticks)))


def test_a_server_told_so_fires_nothing(tmp_path: Path, bare: Program) -> None:
    with ServeProgram(tmp_path, "memory", "--no-cron") as server:
        at = ("--backend", server.url)
        bare.ok("cron", "add", *EVERY_SECOND, "q", "{}", *at)
        bare.ok("enqueue", "done", "1", "--ttl", "2s", *at)
        eventually(lambda: bare("len", "done", *at).out == "0\n", "the maintenance tick ends a job", 60, pause=0.1)
        assert fired(bare, *at) == {"every-second": 0}


def test_schedules_of_the_file_belong_to_the_servers_own_namespace(tmp_path: Path, bare: Program) -> None:
    config = tmp_path / "jq.yaml"
    config.write_text('schedules: {filed: {cron: "* * * * * *", queue: filed}}\n')
    args = ("--namespaces", "2")
    with ServeProgram(tmp_path, "memory", *args, env={"JQ_CONFIG": str(config)}) as server:
        own, other = ("--backend", server.url), ("--backend", server.url, "--namespace", "other")
        bare.ok("cron", "add", "stored", "* * * * * *", "stored", "{}", *other)
        eventually(lambda: jobs(bare, "filed", *own), "the file's schedule fires", 60, pause=0.1)
        eventually(lambda: jobs(bare, "stored", *other), "the stored schedule fires", 60, pause=0.1)
        assert bare("len", "filed", *other).code == 3
        assert bare("len", "stored", *own).code == 3


def test_it_fires_as_soon_as_a_store_that_was_down_is_there(
    tmp_path: Path, bare: Program, own_redis: Any, namespace: str
) -> None:
    store = f"{own_redis.url}?timeout=0.3"
    at = ("--backend", store, "--namespace", namespace)
    bare.ok("cron", "add", *EVERY_SECOND, "q", "{}", *at)
    own_redis.kill()
    with ServeProgram(tmp_path, store, env={"JQ_NAMESPACE": namespace}) as server:
        eventually(lambda: "schedules of" in server.text(), "the trouble is told", 30, pause=0.05)
        own_redis.start()
        eventually(lambda: jobs(bare, "q", *at), "it fires", 60, pause=0.1)
        assert server.text().count("schedules of") == 1


def test_a_worker_whose_token_is_for_work_alone_works_and_leaves_schedules_to_the_server(
    tmp_path: Path, bare: Program
) -> None:
    tokens, admin = tmp_path / "tokens", "a-token-of-an-operator"
    token = bare.ok("token", "new", "worker", "--scope", "work", "--file", str(tokens)).out.strip()
    with ServeProgram(tmp_path, "memory", "--tokens", str(tokens), env={"ADMIN_TOKEN": admin}) as server:
        bare.env |= {"JQ_BACKEND": server.url, "JQ_TOKEN": admin}
        bare.ok("cron", "add", *EVERY_SECOND, "q", "{}")
        worker = bare.start("work", "q", "--shell", "true", env=bare.env | {"JQ_TOKEN": token})
        try:
            eventually(
                lambda: [job["state"] for job in jobs(bare, "q")].count("succeeded") >= 2,
                "jobs are done",
                60,
                pause=0.1,
            )
        finally:
            worker.terminate()
            _, said = worker.communicate(timeout=30)
        assert said.count(b"this worker fires no schedules") == 1, said
