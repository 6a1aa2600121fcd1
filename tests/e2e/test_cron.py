"""Schedulers and workers as programs: every second has its job, once, while schedulers are killed beside it."""

import os
import signal
import subprocess
from contextlib import ExitStack
from datetime import datetime
from typing import Any

from tests.e2e.program import JQ, Program
from tests.worker.bench import eventually

TICKS = 10 * int(os.environ.get("JQ_SOAK", "1"))


def scheduler(jq: Program, stack: ExitStack) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [JQ, "cron", "run", "-q"], env=jq.env, cwd=jq.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )  # fmt: skip

    def end() -> None:
        process.kill()
        process.wait()

    stack.callback(end)
    return process


def seconds(jobs: list[dict[str, Any]]) -> list[int]:
    return sorted(round(datetime.fromisoformat(job["headers"]["tick"]).timestamp()) for job in jobs)


def test_each_second_has_its_job_once_whoever_is_killed(jq: Program) -> None:
    jq("cron", "add", "every-second", "* * * * * *", "q", "{}", "--catch-up", "all", "--retention", "1d")
    jq("cron", "trigger", "every-second")
    with ExitStack() as stack:
        schedulers = [scheduler(jq, stack) for _ in range(2)]
        worker = stack.enter_context(jq.worker("q", "--shell", "true", "--no-cron"))
        eventually(lambda: len(jq.jobs("q", "succeeded")) >= TICKS // 2, "ticks run", 120, pause=0.2)
        schedulers[0].kill()
        with jq.worker("q", "--shell", "true") as with_cron:
            schedulers[1].send_signal(signal.SIGTERM)
            assert schedulers[1].wait(60) == 143
            done = len(jq.jobs("q", "succeeded"))
            eventually(lambda: len(jq.jobs("q", "succeeded")) >= done + TICKS // 2, "ticks run on", 120, pause=0.2)
            assert with_cron.stop() == 143
        [record] = jq.records("cron", "ls")
        eventually(lambda: len(jq.jobs("q", "succeeded")) == len(jq.jobs("q")), "all that fired has run", 60, pause=0.2)
        assert worker.stop() == 143
    jobs = jq.jobs("q")
    ticks = seconds([job for job in jobs if job["dedup_key"]])
    assert len(ticks) == len(jobs) - 1
    assert ticks == list(range(ticks[0], ticks[0] + len(ticks)))
    assert {job["schedule"] for job in jobs} == {"every-second"}
    assert record["last_outcome"] in ("ready", "running", "succeeded")


def test_a_worker_told_so_fires_nothing(jq: Program) -> None:
    jq("cron", "add", "every-second", "* * * * * *", "q", "{}")
    jq("enqueue", "other", "{}")
    with jq.worker("other", "--shell", "sleep 2", "--no-cron") as worker:
        eventually(lambda: jq("len", "other", "--state", "succeeded") == "1\n", "its job runs for two seconds")
        worker.stop()
    jq("enqueue", "other", "{}")
    jq("work", "other", "--shell", "true", "--until-empty")
    assert jq("ls-queues", "--jsonl", "--columns", "queue").splitlines() == ['{"queue":"other"}']
    assert jq.records("cron", "ls")[0]["fired"] == 0
