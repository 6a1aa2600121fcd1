"""How the memory backend hints at news: a pipe for each watch."""

import os
from contextlib import suppress

from jq_cli.change import Change
from jq_cli.job import FINAL


class MemoryWatch:
    """A pipe that gets a byte when a watched topic has news."""

    def __init__(self, topics: frozenset[str], registry: list["MemoryWatch"]) -> None:
        self.topics = topics
        self._registry = registry
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def hint(self) -> None:
        """Make the descriptor readable."""
        with suppress(BlockingIOError):  # full: a hint is waiting already
            os.write(self._write, b".")

    def fileno(self) -> int:
        """The readable end."""
        return self._read

    def drain(self) -> None:
        """Take all waiting hints."""
        with suppress(BlockingIOError):
            while os.read(self._read, 4096):
                pass

    def close(self) -> None:
        """Stop watching and close the pipe."""
        self._registry.remove(self)
        os.close(self._read)
        os.close(self._write)


def topics_of(change: Change) -> list[str]:
    """What an applied change is news for."""
    if change.job is None or change.job.state in FINAL:
        return [f"done:{change.queue}"]
    return [f"ready:{change.queue}"] if change.job.state == "ready" else []
