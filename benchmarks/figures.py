"""The figures this project promises, measured in one run on one machine, as a Markdown table. Run it with `make figures`.

Whole processes are measured, as people run them. Every figure that is repeated is given as its median with its least and
greatest value; runs that are compared with each other are interleaved. `--quick` measures a tenth of the jobs.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.processes import cpu_seconds, descendants_of, pss  # noqa: E402
from tests.servers import RedisServer  # noqa: E402 the project's own fixtures start the server

BIN = Path(sys.executable).parent
JQ = str(BIN / "jq")
PAYLOAD = json.dumps({"x": "a" * 191})
assert len(PAYLOAD) == 200
QUICK = "--quick" in sys.argv
SCALE = 0.1 if QUICK else 1.0


class Bench:
    """One store, an environment and a folder."""

    def __init__(self, name: str, url: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.traces = folder / f"traces-{name}"
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "JQ_BACKEND": url,
            "PYTHONPATH": str(ROOT / "benchmarks"),
            "TRACES": str(self.traces),
        }

    def run(self, *argv: str) -> float:
        """Seconds that a command takes; it must succeed."""
        began = time.perf_counter()
        subprocess.run(argv, env=self.env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - began

    def lines(self, count: int) -> str:
        """A file of so many jobs."""
        path = self.folder / f"jobs-{count}.ndjson"
        if not path.exists():
            # Line by line: a large text here would count as the peak memory of the processes forked from this one.
            with path.open("w") as file:
                file.writelines(f'{{"payload":{PAYLOAD}}}\n' for _ in range(count))
        return str(path)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A worker in the background."""
        argv = [JQ, "work", "--env", "TRACES", *arguments]
        return subprocess.Popen(argv, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def spread(values: list[float], unit: str, digits: int = 1) -> str:
    """Median (least..greatest)."""
    return f"{statistics.median(values):,.{digits}f} {unit} ({min(values):,.{digits}f}..{max(values):,.{digits}f})"


def interleaved(runs: int, *measures: Callable[[], float]) -> list[list[float]]:
    """Each measure so many times, in turn, after one warm-up each."""
    for measure in measures:
        measure()
    results: list[list[float]] = [[] for _ in measures]
    for _ in range(runs):
        for result, measure in zip(results, measures, strict=True):
            result.append(measure())
    return results


def start_up(sqlite: Bench, redis: Bench) -> list[tuple[str, str, str]]:
    """Cold starts, against bare Python and against the cheapest command of RQ."""
    bare, enqueue = interleaved(
        21,
        lambda: sqlite.run(sys.executable, "-c", "pass"),
        lambda: sqlite.run(JQ, "enqueue", "start", "{}"),
    )
    redis.run(JQ, "enqueue", "start", "{}")
    measures = [lambda: redis.run(JQ, "len", "start")]
    rq = BIN / "rq"
    if rq.exists():
        measures.append(lambda: redis.run(str(rq), "info", "--raw", "--url", redis.env["JQ_BACKEND"]))
    timed = interleaved(11, *measures)
    milliseconds = [[1_000 * value for value in values] for values in (bare, enqueue, *timed)]
    ratios = [e / b for e, b in zip(enqueue, bare, strict=True)]
    rows = [
        ("`python -c pass`", spread(milliseconds[0], "ms"), ""),
        ("`jq enqueue` on SQLite", spread(milliseconds[1], "ms"), f"{statistics.median(ratios):.1f} times (at most 7)"),
        ("`jq len` on Redis", spread(milliseconds[2], "ms"), "no slower than the next row"),
    ]
    rows.append(("`rq info --raw`", spread(milliseconds[3], "ms") if len(timed) > 1 else "not installed", ""))
    return rows


def drain(bench: Bench, count: int, goal: str) -> tuple[str, str, str]:
    """Jobs per second of a pool of two children, process start and end included."""
    rates = []
    for _ in range(3):
        bench.run(JQ, "enqueue", "drain", "--from", bench.lines(count))
        seconds = bench.run(JQ, "work", "drain", "--call", "noop:noop", "-p", "2", "--until-empty", "-q")
        rates.append(count / seconds)
    return (f"pool of 2 on {bench.name}, no-op, 200 bytes, {count:,} jobs", spread(rates, "jobs/s", 0), goal)


def bulk_enqueue(bench: Bench, count: int) -> list[tuple[str, str, str]]:
    """Jobs per second and peak memory of `enqueue --from` a file."""
    path = bench.lines(count)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    began = time.perf_counter()
    process = subprocess.Popen(
        [JQ, "enqueue", "bulk", "--from", path], env=bench.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    assert status == 0, f"enqueue ended with status {status} (children before: {before} KiB)"
    return [
        (f"`jq enqueue --from`, {count:,} lines on {bench.name}", f"{count / seconds:,.0f} jobs/s", "50,000"),
        ("its peak memory", f"{usage.ru_maxrss / 1024:,.0f} MiB", "below 100 MiB"),
    ]


def idle(bench: Bench) -> list[tuple[str, str, str]]:
    """Memory and processor time of a pool that has nothing to do."""
    worker = bench.start("idle", "--call", "noop:noop", "-p", "2")
    time.sleep(3)
    family = [worker.pid, *descendants_of(worker.pid)]
    before = sum(map(cpu_seconds, family))
    time.sleep(20)
    used = sum(map(cpu_seconds, family)) - before
    memory = sum(map(pss, family))
    worker.kill()
    worker.wait()
    return [
        (f"idle pool of 2 on {bench.name}: memory (PSS, {len(family)} processes)", f"{memory:.1f} MiB", "below 60 MiB"),
        (f"idle pool of 2 on {bench.name}: processor", f"{100 * used / 20:.2f} % of a core", "below 1 %"),
    ]


def recovery(bench: Bench) -> list[tuple[str, str, str]]:
    """Seconds from a SIGKILL until the killed job starts again."""
    child_times = [_recovery_of_child(bench) for _ in range(5)]
    return [
        (f"job of a killed child starts again, {bench.name}", spread(child_times, "s", 3), "below 1 s"),
        (f"job of a killed pool starts again, {bench.name}", f"{_recovery_of_pool(bench):.1f} s", "below 12 s"),
    ]


def _recovery_of_child(bench: Bench) -> float:
    bench.traces.unlink(missing_ok=True)
    worker = bench.start("kill", "--call", "noop:wait", "-p", "2")
    bench.run(JQ, "enqueue", "kill", "{}")
    pid = int(lines_of(bench.traces, 1)[0].split()[1])
    killed_at = time.monotonic()
    os.kill(pid, 9)
    started_at = float(lines_of(bench.traces, 2)[1].split()[0])
    worker.terminate()
    worker.wait()
    return started_at - killed_at


def _recovery_of_pool(bench: Bench) -> float:
    bench.traces.unlink(missing_ok=True)
    first = bench.start("kill", "--call", "noop:wait")
    bench.run(JQ, "enqueue", "kill", "{}")
    lines_of(bench.traces, 1)
    second = bench.start("kill", "--call", "noop:wait")
    time.sleep(1)
    killed_at = time.monotonic()
    first.kill()
    first.wait()
    started_at = float(lines_of(bench.traces, 2)[1].split()[0])
    second.terminate()
    second.wait()
    return started_at - killed_at


def lines_of(path: Path, count: int) -> list[str]:
    """The lines of a file once it has so many."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(FileNotFoundError):
            lines = path.read_text().splitlines()
            if len(lines) >= count:
                return lines
        time.sleep(0.002)
    raise TimeoutError(f"{path} never got {count} lines")


def main() -> None:
    """Measure everything and print the table."""
    with tempfile.TemporaryDirectory() as name, RedisServer() as server, RedisServer(appendonly="no") as volatile:
        folder = Path(name)
        sqlite = Bench("SQLite", f"sqlite://{folder / 'jq.db'}", folder)
        redis = Bench("Redis", server.url, folder)
        rows = start_up(sqlite, redis)
        # Redis as it comes keeps no log; with one, the server spends its core on the log and its rewrites too.
        rows.append(drain(Bench("Redis without AOF", volatile.url, folder), int(300_000 * SCALE), "30,000"))
        rows.append(drain(Bench("Redis with AOF", server.url, folder), int(300_000 * SCALE), ""))
        rows.append(drain(sqlite, int(100_000 * SCALE), "15,000 (synchronous=FULL)"))
        rows += bulk_enqueue(redis, int(1_000_000 * SCALE))
        for bench in (redis, sqlite):
            rows += idle(bench)
            rows += recovery(bench)
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} processors\n")
    print("| what | measured | goal |\n| --- | --- | --- |")
    for row in rows:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
