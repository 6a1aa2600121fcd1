"""What travels between a pool's parent and its children: tasks one way, reports the other. Pure data, sent as msgpack."""

from typing import Any, Literal

import msgspec

MAX_RESULT = 64 * 1024
"""Bytes of JSON a result may have."""


class Task(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One execution of a job, as a child and its handler see it. `seq` counts the tasks sent to one child."""

    seq: int
    id: str
    queue: str
    payload: bytes
    attempt: int
    priority: int
    enqueued_at: int
    fence: str
    timeout: float | None
    headers: dict[str, str]
    schedule: str | None


class Run(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """Parent to child: run these, in order."""

    tasks: list[Task]


class Resume(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Parent to child: what came before this and was not started is recalled; what comes after it counts again."""


class Stop(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Parent to child: cancel this task. Only a child with an event loop reads it while tasks run; others get a signal."""

    seq: int


class Done(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """How one execution ended. `kind` is that of `lifecycle.Outcome`, or `stopped` (asked to by the parent) or `unstarted`."""

    id: str
    kind: str
    result: bytes = b""
    error: str = ""
    delay: int = 0
    output: bytes | None = None


class Report(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """Child to parent: executions that ended, the ns they took together, and the child's resident memory in bytes."""

    done: list[Done]
    busy: int = 0
    memory: int = 0


class Live(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=1):
    """Child to parent: output and progress of an execution that still runs (JSON)."""

    id: str
    record: bytes


class SideRecord(msgspec.Struct, omit_defaults=True):
    """Captured output and progress of an execution, kept beside the job.

    `*_dropped`: bytes cut off at the front. `*_raw`: the bytes of a stream that is not UTF-8, whose text holds escapes.
    `exit_code`: that of the command that the claim number `generation` ran, 128 + N when signal N ended it.
    """

    stdout: str = ""
    stderr: str = ""
    stdout_dropped: int = 0
    stderr_dropped: int = 0
    progress: float | None = None
    message: str = ""
    stdout_raw: bytes = b""
    stderr_raw: bytes = b""
    exit_code: int | None = None
    generation: int = 0

    def bytes_of(self, stream: Literal["stdout", "stderr"]) -> bytes:
        """What was kept of a stream, byte for byte."""
        raw: bytes = getattr(self, f"{stream}_raw")
        return raw or getattr(self, stream).encode("utf-8", "surrogatepass")


def side_record(stored: bytes | None) -> SideRecord | None:
    """The record in what a store keeps; None when there is none, or none that can be decoded."""
    if stored is None:
        return None
    try:
        return msgspec.json.decode(stored, type=SideRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def result_bytes(value: Any) -> tuple[bytes, str]:
    """A handler's result as JSON, and a note when it cannot be kept: the work is done, so it never fails the job."""
    if value is None:
        return b"", ""
    try:
        encoded = msgspec.json.encode(value)
    except (TypeError, ValueError, UnicodeEncodeError, RecursionError, msgspec.MsgspecError) as error:
        return b"", f"result dropped: JSON cannot hold it: {error}"
    if len(encoded) > MAX_RESULT:
        return b"", f"result dropped: {len(encoded):,} bytes are more than the {MAX_RESULT:,} allowed"
    return encoded, ""
