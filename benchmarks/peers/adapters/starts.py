"""Where a job that starts says so, for handlers of every peer: cheap enough to be called a hundred thousand times a second.

A file for each process in the folder BENCH_STARTS holds three doubles, written over at each start: how many jobs started, and
when the first and the last one did (seconds of the monotonic clock, which all processes of a machine share). The file is mapped
into memory, because a system call for each job would cost as much as a fast queue does.
"""

import mmap
import os
import struct
import threading
import time
from pathlib import Path

_RECORD = struct.Struct("@3d")  # native doubles are stored whole, so that a reader never sees half of one


class _Starts:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._first = 0.0
        self._record: mmap.mmap | None = None

    def add(self) -> None:
        now = time.monotonic()
        with self._lock:  # some peers run jobs in threads
            if self._record is None:
                self._record, self._first = _open(), now
            self._count += 1
            _RECORD.pack_into(self._record, 0, self._count, self._first, now)


def _open() -> mmap.mmap:
    with open(os.path.join(os.environ["BENCH_STARTS"], str(os.getpid())), "w+b") as file:
        file.truncate(_RECORD.size)
        return mmap.mmap(file.fileno(), _RECORD.size)


_starts = _Starts()


def _forked() -> None:
    global _starts  # noqa: PLW0603 a child of a fork counts for itself
    _starts = _Starts()


os.register_at_fork(after_in_child=_forked)


def started(payload: dict) -> bool:
    """Note that a job started; whether its handler must wait to be killed."""
    if "hold" in payload:
        return _held(payload["hold"])
    _starts.add()
    return False


def _held(path: str) -> bool:
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    first = os.fstat(fd).st_size == 0
    os.write(fd, f"{time.monotonic()} {os.getpid()}\n".encode())
    os.close(fd)
    return first


def so_far(folder: str | Path) -> tuple[int, float, float]:
    """How many jobs started in all processes, when the first and when the last."""
    records = []
    for path in Path(folder).iterdir():
        data = path.read_bytes()
        if len(data) == _RECORD.size and any(data):
            records.append(_RECORD.unpack(data))
    if not records:
        return 0, 0.0, 0.0
    counts, firsts, lasts = zip(*records, strict=True)
    return int(sum(counts)), min(firsts), max(lasts)
