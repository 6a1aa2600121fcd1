"""Rates of triage: fills a queue with dead jobs, then times filters, grouping and bulk actions on it, as people type them.

    python benchmarks/dead_letters.py [COUNT] [URL]

Rates are of all dead jobs of the queue, whether an action means them or not: by the clock, and by the processor time of the
command itself, which says more on a busy machine. COUNT is 1,000,000 unless given; URL is a fresh
SQLite file, and then a Redis server of its own, unless given.
"""

import os
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from jq_cli.backends.registry import open_backend  # noqa: E402
from jq_cli.consumer import Consumer  # noqa: E402
from jq_cli.draft import make_draft  # noqa: E402
from jq_cli.ids import new_id  # noqa: E402
from jq_cli.job import Job  # noqa: E402
from jq_cli.lifecycle import Outcome  # noqa: E402
from tests.servers import RedisServer  # noqa: E402

JQ = str(Path(sys.executable).with_name("jq"))
BATCH = 1_000
ERRORS = (
    "SMTPError: 550 no such user u{n}@example.org",
    "TimeoutError: no answer after {n} ms",
    "exit code 65: no address",
)

RUNS = (
    ("ls: no match by error", ["dlq", "ls", "q", "--error", "nothing*", "-q"]),
    ("ls: no match by payload", ["dlq", "ls", "q", "--payload", "user.id=-1", "-q"]),
    ("ls: no match by priority", ["dlq", "ls", "q", "--priority", "9", "-q"]),
    ("ls: group by error", ["dlq", "ls", "q", "--group-by", "error"]),
    ("ls: group by payload", ["dlq", "ls", "q", "--group-by", "payload.kind"]),
    ("requeue a third, dry run", ["dlq", "requeue", "q", "--error", "Timeout*", "--dry-run"]),
    ("requeue a third", ["dlq", "requeue", "q", "--error", "Timeout*", "--yes"]),
    ("purge the rest", ["dlq", "purge", "q", "--all", "--yes"]),
)


def fill(url: str, count: int) -> None:
    """Put so many dead jobs on the queue `q`, of three kinds of errors."""
    with open_backend(url, namespace="jq") as backend:
        consumer = Consumer(backend)
        numbers = iter(range(count))
        while some := list(islice(numbers, BATCH)):
            backend.insert([_draft(n) for n in some])
            jobs = consumer.claim(["q"], BATCH)
            errors = (ERRORS[n % 3].format(n=n) for n in some)
            consumer.write(
                [
                    consumer.settle(job, Outcome("permanent", error=error))
                    for job, error in zip(jobs, errors, strict=True)
                ]
            )


def _draft(n: int):
    payload = b'{"user": {"id": %d}, "kind": "k%d", "text": "%s"}' % (n, n % 7, b"x" * 150)
    return make_draft(Job(id=new_id(), queue="q", payload=payload))


def measure(url: str, count: int, folder: str) -> None:
    began = time.perf_counter()
    fill(url, count)
    print(f"{url.partition(':')[0]}: {count:,} dead jobs after {time.perf_counter() - began:.0f} s", flush=True)
    env = {"PATH": os.environ["PATH"], "HOME": folder, "JQ_BACKEND": url}
    for name, arguments in RUNS:
        began = time.perf_counter()
        process = subprocess.Popen([JQ, *arguments], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        assert status == 0, arguments
        spent = used.ru_utime + used.ru_stime
        rates = f"{count / seconds:9,.0f} jobs/s {count / spent:9,.0f} a second of its CPU"
        print(f"{name:28} {seconds:6.1f} s {rates}  {used.ru_maxrss / 1024:5.0f} MiB", flush=True)


def main() -> None:
    """Measure the store that was named, or both."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory(prefix="jq-bench-") as folder:
        if len(sys.argv) > 2:
            measure(sys.argv[2], count, folder)
            return
        measure(f"sqlite:///{folder}/jq.db", count, folder)
        with RedisServer() as server:
            measure(server.url, count, folder)


if __name__ == "__main__":
    main()
