"""Wake-ups between processes of a host: named pipes in a folder beside the store.

Each watch is a pipe in that folder. Its name says which topics it is for, so that a writer rings only where somebody
cares: `<pid>.<nonce>.<bits>`, where each topic sets one of 512 bits (two topics may share one: a hint for nothing). A writer
that finds nobody at the other end removes the pipe. Named pipes rather than Unix sockets, because the path of those must be
shorter than about 100 bytes, and a producer would have to import more to send one byte.
"""

import os
from binascii import crc32
from collections.abc import Iterable
from contextlib import suppress
from errno import ENXIO

from jq_cli.ids import nonce

BITS = 512


def ring(folder: str, topics: Iterable[str]) -> None:
    """Hint at topics. Never blocks, never fails: whoever misses a hint polls."""
    if names := _names(folder):
        bits = _bits(topics)
        for name in names:
            if _bits_in(name) & bits and (pipe := _reach(os.path.join(folder, name))) is not None:
                with suppress(OSError):  # full: a hint is waiting already
                    os.write(pipe, b".")
                os.close(pipe)


def sweep(folder: str) -> None:
    """Remove the pipes of processes that are gone."""
    for name in _names(folder):
        if (pipe := _reach(os.path.join(folder, name))) is not None:
            os.close(pipe)


def _names(folder: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if not name.startswith(".")]
    except OSError:
        return []


def _reach(path: str) -> int | None:
    """The writer's end of a pipe; None, and no pipe any more, when nobody is at the other end."""
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno == ENXIO:
            with suppress(OSError):
                os.unlink(path)
        return None


def _bits_in(name: str) -> int:
    try:
        return int(name.rpartition(".")[2], 16)
    except ValueError:
        return 0


def _bits(topics: Iterable[str]) -> int:
    bits = 0
    for topic in topics:
        bits |= 1 << crc32(topic.encode()) % BITS
    return bits


class PipeWatch:
    """A pipe that gets a byte when a watched topic has news. `topics` as the writers name them."""

    def __init__(self, folder: str, topics: Iterable[str]) -> None:
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        sweep(folder)
        name = f"{os.getpid()}.{nonce()}.{_bits(topics):x}"
        self._path = os.path.join(folder, name)
        # Under a hidden name until somebody is at the end, or a writer might take the pipe for an abandoned one.
        hidden = os.path.join(folder, "." + name)
        os.mkfifo(hidden, 0o600)
        self._read = os.open(hidden, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        # With a writer of our own the pipe never comes to its end, which would make it readable for ever.
        self._write = os.open(hidden, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.rename(hidden, self._path)

    def fileno(self) -> int:
        """The readable end."""
        return self._read

    def drain(self) -> None:
        """Take all waiting hints."""
        with suppress(BlockingIOError):
            while os.read(self._read, 4_096):
                pass

    def close(self) -> None:
        """Stop watching and remove the pipe."""
        with suppress(OSError):
            os.unlink(self._path)
        os.close(self._write)
        os.close(self._read)
