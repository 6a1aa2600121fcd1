"""A server that runs as a process of ours on a free port of 127.0.0.1, with a folder of its own, gone with the tests."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.servers import die_with_parent, free_port


class ChildServer(ABC):
    """Started and ready once it is made. Use as a context manager or call `stop`. Subclasses say what to run; `deadline`: how
    long it may take to get ready, in seconds."""

    deadline = 120.0

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(
            prefix=f"jq-{type(self).__name__.lower()}-", ignore_cleanup_errors=True
        )
        self.folder = Path(self._folder.name)
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment(),
                preexec_fn=die_with_parent if sys.platform == "linux" else None,
            )
        try:
            self._await_ready()
        except BaseException:
            self.stop()
            raise

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """What to run, so that it listens on `port` and keeps its data in `folder`."""

    def environment(self) -> dict[str, str]:
        """What it sees of the environment."""
        return dict(os.environ)

    def ready(self) -> bool:
        """Whether it answers; called until it does."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """Kill it and remove its data."""
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _await_ready(self) -> None:
        deadline = time.monotonic() + self.deadline
        while not self.ready():
            assert self._process.poll() is None, f"{self._process.args} ended by itself: {self._tail()}"
            assert time.monotonic() < deadline, f"{self._process.args} does not answer: {self._tail()}"
            time.sleep(0.05)

    def _tail(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-2000:]
