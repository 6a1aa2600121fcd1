"""The package is typed: a small program that uses all of it passes mypy --strict, and one that misuses it does not."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
from datetime import timedelta

import jq_cli
from jq_cli import Finished, Job, LeaseLost, MemoryBackend, Queue, Receipt, RedisQueue, Settings, connect, queue_with_backend


def produce(url: str) -> list[str]:
    with connect(url, namespace="n") as store:
        queue: Queue = store.queue("q")
        receipt: Receipt = queue.enqueue({"n": 1}, priority=5, delay=timedelta(seconds=1), delivery="at_most_once")
        many: list[Receipt] = queue.enqueue_many(range(3), ttl="1h")
        ended: Finished = queue.wait(receipt, timeout=5)
        names = [ended.how, *(job.id for job in queue.dlq())]
        return names + [each.id for each in many] + [str(queue.requeue_all() + len(queue))]


def consume(queue: jq_cli.BackendQueue) -> str | None:
    job: Job | None = queue.dequeue("a", "b", timeout="5s")
    if job is None:
        return None
    try:
        queue.ack(job, {"done": True})
    except LeaseLost:
        return None
    return queue.fail(job, ValueError("x"), permanent=True)


def old() -> None:
    with RedisQueue("localhost:6379", "q") as queue:
        queue.client().ping()
        queue.enqueue_with_opts("x", {"dedup_key": "k"}, max_retries=1)
        print(queue.ctx().key("q", "ready"))
    consume(queue_with_backend(MemoryBackend(), settings=Settings()))
    raise jq_cli.Snooze(5)
"""

MISUSE = """
import jq_cli

queue = jq_cli.Queue("q")
queue.enqueue(1, priority="high")
queue.enqueue(1, retry=3)
queue.wait(7)
jq_cli.nothing
"""


def mypy(text: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    (folder / "program.py").write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--config-file", "", "program.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_a_program_passes_the_strict_type_checker(tmp_path: Path) -> None:
    done = mypy(PROGRAM, tmp_path)
    assert done.returncode == 0, done.stdout


def test_misuse_is_found_before_it_runs(tmp_path: Path) -> None:
    done = mypy(MISUSE, tmp_path)
    lines = {line.split(":")[1] for line in done.stdout.splitlines() if "error:" in line}
    assert lines == {"5", "6", "7", "8"}, done.stdout
