"""`jq work` as a program of its own that tells on stderr where it can be asked."""

import re
import signal
import subprocess
from typing import Self

from tests.cli.program import Program, until


class WorkerProgram:
    """A running worker; `url` is what the first group of `where` finds in what it says. Use as a context manager."""

    def __init__(self, jq: Program, *args: str, where: str) -> None:
        self._log = jq.home / "worker.log"
        with self._log.open("wb") as log:
            self.process = jq.start("work", *args, stderr=log, stdin=subprocess.DEVNULL)
        try:
            self.url: str = until(lambda: re.search(where, self.said()), "it says where")[1]
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def _end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
