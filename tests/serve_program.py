"""`jq serve` as a process of its own: on a free port or a Unix socket, killable, restartable in its old place, freezable."""

import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

from tests.servers import die_with_parent

SCRIPT = Path(sysconfig.get_path("scripts")) / "jq"
DEADLINE = 30.0


class ServeProgram:
    """The program in front of the store at a URL. `args` are further options. Use as a context manager."""

    def __init__(
        self, folder: Path, store: str, *args: str, listen: str = "127.0.0.1:0", env: dict[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.log = folder / "serve.log"
        self.env = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", "JQ_BACKEND": store} | (
            env or {}
        )
        self._args = args
        self._listen = listen
        self.url = ""
        self.start()

    def start(self) -> None:
        """Start it, after `kill` or `stop` in its old place."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [SCRIPT, "serve", "--listen", self._listen, *self._args],
                env=self.env,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent if sys.platform == "linux" else None,
            )
        deadline = time.monotonic() + DEADLINE
        while not (found := re.search(r" on (\S+://\S+) \(", self.text())):
            assert self.process.poll() is None, self.text()
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.01)
        self.url = found[1]
        if not self._listen.startswith("unix:"):
            self._listen = self.url.partition("//")[2]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def text(self) -> str:
        """What it wrote."""
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)

    def pause(self) -> None:
        """Freeze the process."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue after `pause`."""
        self.process.send_signal(signal.SIGCONT)

    def __enter__(self) -> "ServeProgram":
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.resume()
            self.kill()
