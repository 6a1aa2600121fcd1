"""The installed program, run as a user runs it: as a subprocess, in a pipe or on a terminal."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sysconfig
import termios
import time
from pathlib import Path
from typing import Any

SCRIPTS = Path(sysconfig.get_path("scripts"))
DEADLINE = 30.0


class Result:
    """What a run left: exit code and both streams. On a terminal both arrive as one text in `out`."""

    def __init__(self, code: int, out: bytes, err: bytes = b"") -> None:
        self.code = code
        self.raw = out
        self.out = out.decode("utf-8", errors="backslashreplace")
        self.err = err.decode("utf-8", errors="backslashreplace")

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    def __repr__(self) -> str:
        return f"exit {self.code}\n--- out\n{self.out[:4000]}\n--- err\n{self.err[:4000]}"


class Program:
    """`jq` with an environment of its own: a home folder, no variables of the developer, and the store under test."""

    def __init__(self, home: Path, url: str | None = None, namespace: str | None = None, name: str = "jq") -> None:
        self.home = home
        self.path = str(SCRIPTS / name)
        self.env = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
        if url is not None:
            self.env["JQ_BACKEND"] = url
        if namespace is not None:
            self.env["JQ_NAMESPACE"] = namespace

    def __call__(self, *args: str | bytes, input: bytes | str = b"", env: dict[str, str] | None = None) -> Result:
        """Run in pipes."""
        data = input.encode() if isinstance(input, str) else input
        done = subprocess.run(
            [self.path, *args],
            input=data,
            capture_output=True,
            env=self.env | (env or {}),
            cwd=self.home,
            timeout=DEADLINE,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def ok(self, *args: str | bytes, **options: Any) -> Result:
        """Run in pipes; it must succeed."""
        result = self(*args, **options)
        assert result.code == 0, result
        return result

    def start(self, *args: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start it with pipes and leave it running."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        options = {"env": self.env} | pipes
        return subprocess.Popen([self.path, *args], cwd=self.home, preexec_fn=_hear_ctrl_c, **options)

    def on_terminal(
        self,
        *args: str,
        answer: str | None = None,
        columns: int = 100,
        env: dict[str, str] | None = None,
        interrupt_after: str | None = None,
    ) -> Result:
        """Run with all three streams on a terminal. `answer` is typed when a question mark appears; Ctrl-C when a text does."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        process = subprocess.Popen(
            [self.path, *args], stdin=slave, stdout=slave, stderr=slave, env=self.env | (env or {}), cwd=self.home,
            start_new_session=True, preexec_fn=_take_terminal,
        )  # fmt: skip
        os.close(slave)
        seen = b""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            ready, _, _ = select.select([master], [], [], 0.1)
            if ready:
                try:
                    chunk = os.read(master, 65536)
                except OSError:
                    break
                seen += chunk
                if not chunk:
                    break
            if answer is not None and b"?" in seen:
                os.write(master, answer.encode() + b"\n")
                answer = None
            if interrupt_after is not None and interrupt_after.encode() in seen:
                os.kill(process.pid, signal.SIGINT)
                interrupt_after = None
        os.close(master)
        return Result(process.wait(DEADLINE), seen)


def _hear_ctrl_c() -> None:
    # What starts the tests may ignore SIGINT, as shells have background jobs do; programs inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _take_terminal() -> None:
    _hear_ctrl_c()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def until(condition: Any, what: str) -> Any:
    """The first true value of a condition, asked again and again until the deadline."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {DEADLINE:g} s for {what}")
