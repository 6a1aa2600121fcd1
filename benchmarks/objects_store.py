"""The objects backend in a folder and on servers of its own: how long claims take, and what a pool asks a bucket for.

    python benchmarks/objects_store.py [DEPTH ...]

For each depth (1,000 and 100,000 unless given) and each store: a process opens it and claims 100 jobs twenty times. Then pools
run jobs that do nothing and jobs that take a second, and one looks for work in vain. The folder is below TMPDIR. SeaweedFS is
measured where it is installed (`pip install 'jq-cli[soak]'`).
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.bucket_requests import claim, draft  # noqa: E402
from jq_cli.backends.objects.backend import ObjectsBackend, open_objects  # noqa: E402
from tests.backends.http_faults import FaultProxy  # noqa: E402
from tests.moto_server import CREDENTIALS, MotoServer  # noqa: E402
from tests.servers import NoServer  # noqa: E402
from tests.weed_server import WeedServer  # noqa: E402

JQ = str(Path(sys.executable).with_name("jq"))
CLAIMS = 20
POOLS = ((1, "noop", 1_000), (4, "noop", 1_000), (4, "second", 60))
"""Processes, what a job does, how many jobs."""

IDLE = 20.0
Seen = list[tuple[str, str, object]]
"""Requests that a proxy saw."""


@contextmanager
def opened(url: str, namespace: str) -> Iterator[ObjectsBackend]:
    with open_objects(url, namespace=namespace) as jq:
        assert isinstance(jq, ObjectsBackend)
        yield jq


def claims(url: str, depth: int) -> str:
    """A row about claims of 100 jobs with so many in the queue."""
    with opened(url, f"d{depth}") as jq:
        for start in range(0, depth, 1_000):
            jq.insert([draft() for _ in range(min(1_000, depth - start))])
    times, start = [], time.perf_counter()
    with opened(url, f"d{depth}") as jq:
        jq.queues()
        reading = time.perf_counter() - start
        before = jq.requests
        for _ in range(min(CLAIMS, depth // 100)):
            start = time.perf_counter()
            assert len(claim(jq, 100)) == 100
            times.append(1_000 * (time.perf_counter() - start))
        spent = {kind: number - before.get(kind, 0) for kind, number in jq.requests.items()}
    asked = ", ".join(f"{number / len(times):.2g} {kind}" for kind, number in sorted(spent.items()) if number)
    return f"| {depth:,} | {reading:.2f} s | {median(times):.0f} ms | {max(times):.0f} ms | {asked or '-'} |"


@contextmanager
def working(url: str, namespace: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A pool on the queue `q`."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "HOME": home, "JQ_BACKEND": url, "JQ_NAMESPACE": namespace}
        worker = subprocess.Popen([JQ, "work", "q", *arguments], env=environment, cwd=ROOT, stderr=subprocess.DEVNULL)
        try:
            yield worker
        finally:
            worker.terminate()
            worker.wait()


def pool(url: str, processes: int, task: str, jobs: int, seen: Seen) -> str:
    """A row about a pool. `seen`: where the requests are noted."""
    namespace = f"{task}{processes}"
    with opened(url, namespace) as jq:
        jq.insert([draft() for _ in range(jobs)])
    seen.clear()
    start = time.perf_counter()
    arguments = ["--call", f"benchmarks.noop:{task}", "--processes", str(processes), "--until-empty"]
    with working(url, namespace, *arguments) as worker:
        assert worker.wait() == 0
        took = time.perf_counter() - start
    kinds = counted(seen)
    dollars = sum(ObjectsBackend.prices.get(kind, 0.4) * number for kind, number in kinds.items()) / jobs
    numbers = " | ".join(f"{kinds[kind] / jobs:.3g}" for kind in ("put", "get", "list"))
    return f"| {processes} | {task} | {jobs / took:.0f}/s | {numbers} | {dollars:.3g} |"


def idle(url: str, seen: Seen) -> str:
    """What a pool without work asks for."""
    with working(url, "idle", "--call", "benchmarks.noop:noop"):
        time.sleep(5)
        seen.clear()
        time.sleep(IDLE)
        kinds = counted(seen)
    return "idle, a minute: " + ", ".join(f"{60 * number / IDLE:.0f} {kind}" for kind, number in kinds.items())


def counted(seen: Seen) -> Counter[str]:
    """Requests by kind."""
    return Counter("list" if "list-type" in path else method.lower() for method, path, _ in seen)


def report(name: str, url: str, depths: list[int], seen: Seen, direct: str = "") -> None:
    """Print the tables of one store."""
    print(
        f"\n{name}\n\n| depth | open | claim 100, median | longest | requests a claim |\n| --- | --- | --- | --- | --- |"
    )
    for depth in depths:
        print(claims(direct or url, depth), flush=True)
    print("\n| processes | task | jobs | PUT per job | GET per job | LIST per job | $ per million jobs |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for processes, task, jobs in POOLS:
        print(pool(url, processes, task, jobs, seen), flush=True)
    print(f"\n{idle(url, seen)}", flush=True)


def main() -> None:
    """Measure a folder, and the servers that there are."""
    depths = [int(text) for text in sys.argv[1:]] or [1_000, 100_000]
    os.environ |= CREDENTIALS
    with tempfile.TemporaryDirectory() as folder:
        report("a folder", f"file://{folder}/store?timeout=60s", depths, [])
    for kind in (MotoServer, WeedServer):
        with ExitStack() as stack:
            try:
                server = stack.enter_context(kind())
            except NoServer as error:
                print(error)
                continue
            proxy = stack.enter_context(FaultProxy(server.port, lambda _method, _path: None))
            url = f"s3://jobs/bench?endpoint={proxy.endpoint}&timeout=60s"
            direct = f"s3://jobs/bench?endpoint={server.endpoint}&timeout=60s"
            report(kind.__name__, url, depths, proxy.requests, direct)


if __name__ == "__main__":
    main()
