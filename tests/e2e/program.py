"""The installed program, run as people run it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

JQ = str(Path(sys.executable).with_name("jq"))
ROOT = Path(__file__).resolve().parents[2]


class Program:
    """`jq` on one store, with an environment of its own."""

    def __init__(self, url: str, namespace: str, folder: Path) -> None:
        self.folder = folder
        self.traces_file = folder / "traces"
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        self.env = kept | {
            "HOME": str(folder),
            "JQ_BACKEND": url,
            "JQ_NAMESPACE": namespace,
            "PYTHONPATH": str(ROOT),
            "TRACES": str(self.traces_file),
        }

    def __call__(self, *arguments: str, stdin: bytes | str = b"", code: int = 0) -> str:
        """What a command prints; fails when it ends with another code."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == code, (arguments, done.returncode, done.stdout[-2000:], done.stderr[-4000:])
        return done.stdout

    def run(self, *arguments: str, stdin: bytes | str = b"") -> subprocess.CompletedProcess[str]:
        data = stdin if isinstance(stdin, bytes) else stdin.encode()
        done = subprocess.run(
            [JQ, *arguments], input=data, capture_output=True, env=self.env, cwd=self.folder, timeout=240, check=False
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )

    def records(self, *arguments: str) -> list[dict[str, Any]]:
        """The objects that a listing prints."""
        return [json.loads(line) for line in self(*arguments, "--jsonl").splitlines()]

    def jobs(self, queue: str, *states: str) -> list[dict[str, Any]]:
        every = ("scheduled", "ready", "running", "succeeded", "dead", "cancelled")
        listed = [self.records("ls", queue, "--state", state, "--limit", "0") for state in states or every]
        return [job for jobs in listed for job in jobs]

    @contextmanager
    def worker(self, *arguments: str) -> Iterator["Running"]:
        """A worker in the background, killed with all it started at the end."""
        running = Running(self, arguments)
        try:
            yield running
        finally:
            running.kill()

    def traces(self) -> list[str]:
        return self.traces_file.read_text().splitlines() if self.traces_file.exists() else []


class Running:
    """A worker that runs in the background."""

    def __init__(self, program: Program, arguments: tuple[str, ...]) -> None:
        self.log = program.folder / f"worker-{len(list(program.folder.glob('worker-*')))}"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [JQ, "work", "--env", "TRACES", *arguments],
                env=program.env,
                cwd=program.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def children(self) -> list[int]:
        """The processes that run handlers."""
        return [child for keeper in children_of(self.process.pid) for child in children_of(keeper)]

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


def children_of(parent: int) -> list[int]:
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listing.splitlines()]
    return [int(pid) for pid, ppid, stat in rows if int(ppid) == parent and not stat.startswith("Z")]


def descendants_of(parent: int) -> list[int]:
    found = children_of(parent)
    return found + [each for child in found for each in descendants_of(child)]
