"""One adapter at work: its commands asked, its workers started, watched and killed. The commands are in adapters/protocol.py."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.peers.adapters import starts
from benchmarks.peers.catalogue import Peer
from benchmarks.peers.environments import Unavailable, last_line
from benchmarks.processes import descendants_of, pss
from tests.servers import die_with_parent

ADAPTERS = Path(__file__).parent / "adapters"
PROCESSES = 2


class Adapter:
    """The script of one peer, with the store it is to use."""

    def __init__(self, peer: Peer, interpreter: list[str], url: str, folder: Path, environment: Path) -> None:
        self.peer = peer
        self._argv = [*interpreter, str(ADAPTERS / peer.adapter)]
        self.folder = Path(tempfile.mkdtemp(prefix=f"{peer.name}-", dir=folder))
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "BENCH_STORE": url,
            "BENCH_PEER": peer.name,
            "BENCH_STARTS": str(self.folder / "starts"),
            "PYTHONPATH": str(ADAPTERS),
            "NODE_PATH": str(environment / peer.environment / "node_modules"),
        }

    def ask(self, *command: object, limit: float = 60) -> dict[str, Any]:
        """The answer to a command; raises Unavailable with what the script said last."""
        argv = [*self._argv, *map(str, command)]
        try:
            done = subprocess.run(argv, env=self._env, capture_output=True, text=True, timeout=limit, cwd=self.folder)
        except subprocess.TimeoutExpired:
            raise Unavailable(f"{command[0]} took more than {limit:.0f} s") from None
        try:
            answer = dict(json.loads(done.stdout.splitlines()[-1]))
        except (ValueError, IndexError):
            raise Unavailable(f"{command[0]} failed: {last_line(done.stderr)}") from None
        if "none" in answer:
            raise Unavailable(answer["none"])
        return answer

    def time(self, argv: list[str]) -> float:
        """Seconds that a command of the peer takes."""
        began = time.perf_counter()
        done = subprocess.run(argv, env=self._env, capture_output=True, text=True, timeout=60, cwd=self.folder)
        seconds = time.perf_counter() - began
        if done.returncode != 0:
            raise Unavailable(f"{Path(argv[0]).name} failed: {last_line(done.stderr or done.stdout)}")
        return seconds

    def workers(self, pool: bool) -> "Workers":
        """Start a pool of two processes, or two workers; nothing has started a job yet."""
        starts_folder = self.folder / "starts"
        shutil.rmtree(starts_folder, ignore_errors=True)
        starts_folder.mkdir()
        count = PROCESSES if pool else 1
        return Workers([*self._argv, "worker", str(count)], 1 if pool else PROCESSES, self._env, self.folder)


class Workers:
    """Running workers, killed when the context ends. `name` tells apart those of one adapter."""

    def __init__(self, argv: list[str], count: int, env: dict[str, str], folder: Path) -> None:
        self.folder = folder
        self._starts = folder / "starts"
        self.log = folder / "worker.log"
        with self.log.open("ab") as log:
            self._processes = [
                subprocess.Popen(
                    argv,
                    env=env,
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=die_with_parent,
                )
                for _ in range(count)
            ]

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def started(self) -> tuple[int, float, float]:
        """How many jobs, when the first, when the last."""
        return starts.so_far(self._starts)

    def wait_for(self, count: int, limit: float) -> tuple[int, float, float]:
        """`started`, once it is so many or the limit has passed; raises Unavailable when none did or the workers ended."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline and (found := self.started())[0] < count:
            if all(process.poll() is not None for process in self._processes):
                raise Unavailable("the worker ended: " + last_line(self.log.read_text(errors="replace")))
            time.sleep(0.02)
        found = self.started()
        if found[0] == 0:
            said = last_line(self.log.read_text(errors="replace"))
            raise Unavailable(f"no job started within {limit:.0f} s: {said}")
        return found

    def family(self) -> list[int]:
        """The workers and all processes below them."""
        return [pid for one in self._processes for pid in (one.pid, *descendants_of(one.pid))]

    def memory(self) -> float:
        """MiB, as PSS, of the family."""
        total = 0.0
        for pid in self.family():
            with suppress(OSError):  # it ended
                total += pss(pid)
        return total

    def kill(self) -> None:
        """SIGKILL all of them."""
        for pid in self.family():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
