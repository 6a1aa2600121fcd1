"""The main job on real input, on the embedded store: the digest of every file of Python's standard library.

One job a file, once through a command and once through a Python callable, four processes each. In the middle a child is
killed with SIGKILL. Some files are missing at first: their jobs end in the dead letter queue, are looked at, repaired and
requeued. At the end every result is compared with a digest computed here: all there, none twice. Run it with `make demo`.
"""

import hashlib
import json
import os
import random
import shlex
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
RUN = HERE.parent / "demo-run"
JQ = str(Path(sys.executable).with_name("jq"))
SHA256 = "sha256sum" if shutil.which("sha256sum") else "shasum -a 256"
COMMAND = f'set -e; path=$(cat); sum=$({SHA256} < "$path"); printf \'"%s"\\n\' "${{sum%% *}}" >&3'
QUEUES = {
    "digests-command": ["--shell", COMMAND],
    "digests-python": ["--call", "digests:digest"],
}
MISSING = 12


def main() -> int:
    """Run the whole demo; 0 when every digest is right."""
    began = time.monotonic()
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir()
    os.chdir(HERE)
    for name in [name for name in os.environ if name.startswith("JQ_") or name in ("BACKEND", "REDIS_ADDR")]:
        del os.environ[name]
    os.environ["XDG_DATA_HOME"] = os.environ["XDG_CONFIG_HOME"] = str(RUN / "home")
    files, missing = library_files(), missing_files()
    print(f"{len(files):,} files of Python's standard library, and {len(missing)} that are not there yet\n")

    enqueue_all(files + missing)
    for queue, handler in QUEUES.items():
        work(queue, handler, kill=True)
    jq("ls-queues")

    for queue in QUEUES:
        jq("dlq", "ls", queue, "--limit", "3")
    print(f"# The repair: create the {MISSING} missing files, then run their jobs again.")
    for path in missing:
        Path(path).write_bytes(path.encode())
    for queue, handler in QUEUES.items():
        jq("dlq", "requeue", queue, "--all", "--yes")
        work(queue, handler)
    jq("ls-queues")

    verdicts = [compare(queue, files + missing) for queue in QUEUES]
    right = all(verdicts)
    print(f"{'Done' if right else 'FAILED'} in {time.monotonic() - began:.0f} s.")
    return 0 if right else 1


def library_files() -> list[str]:
    """The files of the running Python's standard library, third-party packages left out."""
    root = Path(sysconfig.get_path("stdlib"))
    found = (
        path
        for path in sorted(root.rglob("*"))
        if not {"site-packages", "dist-packages", "__pycache__"} & set(path.parts)
    )
    return [str(path) for path in found if path.is_file()]


def missing_files() -> list[str]:
    """Paths of files that the repair will create."""
    return [str(RUN / f"late-{number}.txt") for number in range(MISSING)]


def enqueue_all(paths: list[str]) -> None:
    """One job a file on each queue, from NDJSON; the missing ones somewhere among them."""
    paths = random.Random(7).sample(paths, len(paths))
    lines = RUN / "jobs.ndjson"
    lines.write_text("".join(json.dumps({"payload": path}) + "\n" for path in paths))
    for queue in QUEUES:
        jq("enqueue", queue, "--from", str(lines), "--retries", "1", "--backoff", "200ms", "--retention", "1d")


def work(queue: str, handler: list[str], *, kill: bool = False) -> None:
    """Work the queue with four processes until it is empty; `kill`: kill one child in the middle."""
    arguments = ["work", queue, "--processes", "4", "--until-empty", *handler]
    show(arguments)
    worker = subprocess.Popen([JQ, *arguments])
    if kill:
        threading.Thread(target=kill_a_child, args=(worker.pid, queue), daemon=True).start()
    code = worker.wait()
    print(f"# exit code {code}{': some jobs were dead-lettered' if code == 7 else ''}\n", flush=True)


def kill_a_child(worker: int, queue: str) -> None:
    """SIGKILL one of the worker's children once some of the jobs are done."""
    while int(ask("len", queue, "--state", "succeeded")) < 100:
        time.sleep(0.02)
    children = [child for keeper in children_of(worker) for child in children_of(keeper)]
    if children:
        print(f"# kill -9 {children[0]}", flush=True)
        os.kill(children[0], 9)


def children_of(parent: int) -> list[int]:
    """The process ids whose parent this is."""
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [line.split() for line in listing.splitlines()]
    return [int(pid) for pid, ppid in pairs if int(ppid) == parent]


def compare(queue: str, paths: list[str]) -> bool:
    """Whether the queue holds exactly one right result for every file."""
    lines = ask("ls", queue, "--state", "succeeded", "--jsonl", "--limit", "0").splitlines()
    jobs = [json.loads(line) for line in lines]
    expected = {path: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths}
    results = {job["payload"]: job["result"] for job in jobs}
    right = len(jobs) == len(expected) and results == expected
    again = sum(job["generation"] > 1 for job in jobs)
    print(
        f"{queue}: {len(jobs):,} results for {len(expected):,} files, {'all' if right else 'NOT all'} right, none twice;"
    )
    print(f"  {again} ran more than once because of the kill or the missing files\n")
    return right


def show(arguments: list[str]) -> None:
    """Print a command as it would be typed."""
    print("$ jq", shlex.join(arguments), flush=True)


def jq(*arguments: str) -> None:
    """Run a command for all to see."""
    show(list(arguments))
    subprocess.run([JQ, *arguments], check=True)
    print(flush=True)


def ask(*arguments: str) -> str:
    """What a command prints."""
    return subprocess.run([JQ, *arguments], check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
