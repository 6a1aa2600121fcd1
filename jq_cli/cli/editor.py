"""A payload in the operator's own editor: shown as pretty JSON or as its text, read back, and kept in a file when it cannot be
used, so that nothing that was typed is lost."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from typing import IO

import msgspec

from jq_cli.draft import check_payload, parse_payload
from jq_cli.errors import JqError, UsageError
from jq_cli.job import Job


class Abandoned(JqError):
    """The editor gave nothing to use; the job stays as it is."""


class Sheet:
    """A file with one job's payload to be edited."""

    def __init__(self, job: Job, limit: int) -> None:
        self._limit = limit
        self._text = text_payload(job.payload)
        self._is_json = self._text is None and is_json(job.payload)
        shown = job.payload if self._text is None else self._text.encode()
        self._payload = msgspec.json.format(job.payload, indent=-1) if self._is_json else job.payload
        self._before = msgspec.json.format(job.payload, indent=2) + b"\n" if self._is_json else shown
        file, self.path = tempfile.mkstemp(prefix=f"jq-{job.id}-", suffix=".json" if self._is_json else ".txt")
        with open(file, "wb") as out:
            out.write(self._before)

    def edit(self) -> None:
        """Open the editor and wait for its end. Raises Abandoned when it failed or left the file empty."""
        argv = editor()
        code = _run([*argv, self.path])
        if code:
            raise Abandoned(f"{argv[0]} ended with code {code}: nothing was changed")
        if not self._read().strip():
            raise Abandoned("the file is empty: nothing was changed")

    def payload(self) -> bytes | None:
        """What was typed as a payload, None when it is the one that was there. Raises InvalidField when it cannot be one."""
        typed = self._read()
        new = self._payload if typed == self._before else self._parsed(typed)
        return None if new == self._payload else new

    def _parsed(self, typed: bytes) -> bytes:
        if self._is_json:
            check_payload(typed.strip(), self._limit)
            return msgspec.json.format(typed, indent=-1)
        if not self._before.endswith(b"\n"):
            typed = typed.removesuffix(b"\n")  # editors end the last line by themselves
        return parse_payload(typed, as_text=self._text is not None, limit=self._limit)

    def keep(self, error: JqError) -> JqError:
        """The same error, which also says where to find what was typed; a file that was not changed is removed."""
        if self._read() in (self._before, b""):
            self.remove()
            return error
        told = JqError(f"{error}; what you typed is kept in {self.path}")
        told.exit_code = error.exit_code
        return told

    def remove(self) -> None:
        """Remove the file."""
        with suppress(OSError):
            os.unlink(self.path)

    def _read(self) -> bytes:
        try:
            with open(self.path, "rb") as file:
                return file.read()
        except OSError:
            return b""


def editor() -> list[str]:
    """The command of `$VISUAL`, else `$EDITOR`, else `vi` where there is a terminal. Raises UsageError when there is none."""
    named = next((name for name in ("VISUAL", "EDITOR") if os.environ.get(name, "").strip()), None)
    try:
        argv = shlex.split(os.environ[named]) if named else ["vi"]
    except ValueError as error:
        raise UsageError(f"${named}: {error}") from None
    if named is None and not sys.stdin.isatty():
        raise UsageError(
            "there is no terminal to edit on; say what to change with --set or --new-payload, or set $EDITOR"
        )
    if shutil.which(argv[0]) is None:
        raise UsageError(f"no such editor: {argv[0][:80]!r}; set $VISUAL or $EDITOR")
    return argv


def text_payload(payload: bytes) -> str | None:
    """The text of a payload that is a JSON string; None for any other."""
    try:
        return msgspec.json.decode(payload, type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def is_json(payload: bytes) -> bool:
    """Whether a stored payload can be shown as JSON."""
    try:
        msgspec.json.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _run(argv: list[str]) -> int:
    # Ctrl-C is the editor's while it runs. A handler of our own, unlike SIG_IGN, is not inherited.
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        with ExitStack() as open_files:
            terminal = _terminal(open_files)
            stdin = None if sys.stdin is not None and sys.stdin.isatty() else terminal or subprocess.DEVNULL
            stdout = None if sys.stdout is not None and sys.stdout.isatty() else terminal or 2
            return subprocess.run(argv, stdin=stdin, stdout=stdout, check=False).returncode
    except OSError as error:
        raise UsageError(f"{argv[0]}: {error.strerror}") from None
    finally:
        signal.signal(signal.SIGINT, before)


def _terminal(open_files: ExitStack) -> IO[bytes] | None:
    """The terminal of this session, for an editor whose standard streams are pipes."""
    try:
        return open_files.enter_context(open("/dev/tty", "r+b", buffering=0))
    except OSError:
        return None
