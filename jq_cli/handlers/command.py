"""Commands as handlers: an argv started without a shell, or a line for `sh -c`. The payload arrives on stdin, never in argv.

Exit 0 succeeds, 65 (EX_DATAERR) is dead at once, 75 (EX_TEMPFAIL) tries again later without counting a failure, anything
else fails. stdout and stderr are captured, the last 64 KiB of each; a last line of JSON on descriptor 3 is the result.
The job ends when the command ends, not when its pipes close; what it leaves running is killed.
"""

import os
import selectors
import signal
import subprocess
import time
from contextlib import suppress
from functools import partial

import msgspec

from jq_cli.errors import UsageError
from jq_cli.handlers.spec import Context, HandlerOptions, HandlerSpec
from jq_cli.process import kin
from jq_cli.task import MAX_RESULT, Done, SideRecord, Task
from jq_cli.tracing.handed import variables

KEPT = 64 * 1024
"""Bytes kept of each output stream: the last ones."""

SNOOZE = 30_000
"""ms until a command that exited with 75 is tried again."""

LIVE_EVERY = 1.0
"""Seconds between two looks at the output of a running command."""

_CHUNK = 1 << 16
_RESULT_FD = 3
_PERMANENT, _TRY_AGAIN = 65, 75


class Tail:
    """The end of a stream: `kept` bytes, and how many went by before them."""

    def __init__(self) -> None:
        self._data = bytearray()
        self.dropped = 0

    def add(self, chunk: bytes) -> None:
        """Take more of the stream."""
        self._data += chunk
        if len(self._data) > 2 * KEPT:
            self._cut()

    def _cut(self) -> None:
        surplus = len(self._data) - KEPT
        if surplus > 0:
            del self._data[:surplus]
            self.dropped += surplus

    @property
    def data(self) -> bytes:
        """What was kept."""
        self._cut()
        return bytes(self._data)

    @property
    def text(self) -> str:
        """What was kept; bytes that are not UTF-8 as escapes."""
        return self.data.decode("utf-8", "backslashreplace")


class CommandHandler:
    """Runs an argv for each task."""

    def __init__(self, argv: tuple[str, ...], options: HandlerOptions) -> None:
        self._argv = argv
        self._options = options

    def run(self, task: Task, context: Context) -> Done:
        """Start the command, feed it, wait for its end."""
        try:
            run = _Execution(self._argv, self._environment(task), task, self._options.grace)
        except OSError as error:
            return Done(task.id, "failed", error=f"cannot start {self._argv[0]!r}: {error.strerror or error}")
        try:
            run.follow(context)
        finally:
            run.clean_up()
        return run.outcome()

    def _environment(self, task: Task) -> dict[str, str]:
        env = dict(os.environ)
        env |= {
            "JQ_JOB_ID": task.id,
            "JQ_QUEUE": task.queue,
            "JQ_ATTEMPT": str(task.attempt),
            "JQ_PRIORITY": str(task.priority),
            "JQ_ENQUEUED_AT": str(task.enqueued_at),
            "JQ_FENCE": task.fence,
        }
        env |= {f"JQ_HEADER_{_variable(name)}": value for name, value in task.headers.items() if "\0" not in value}
        env |= variables(task.headers)
        if self._options.pass_backend is not None:
            env["JQ_BACKEND"] = self._options.pass_backend
        return env


class _Execution:
    """One running command and the pipes around it."""

    def __init__(self, argv: tuple[str, ...], env: dict[str, str], task: Task, grace: float) -> None:
        self._task = task
        self._grace = grace
        self._input = memoryview(_stdin(task.payload))
        self._tails = {"stdout": Tail(), "stderr": Tail(), "result": Tail()}
        self._stop_at: float | None = None if task.timeout is None else time.monotonic() + task.timeout
        self._kill_at: float | None = None
        self._why = ""
        self._selector = selectors.DefaultSelector()
        result, result_end = os.pipe()
        try:
            self._process = subprocess.Popen(
                argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
                start_new_session=True, pass_fds=(_RESULT_FD,),
                preexec_fn=partial(_prepare, result_end, os.getpid()),  # noqa: PLW1509 the child has one thread
            )  # fmt: skip
        except BaseException:
            os.close(result)
            raise
        finally:
            os.close(result_end)
        self._result = result
        self._register()

    def _register(self) -> None:
        p = self._process
        assert p.stdin
        assert p.stdout
        assert p.stderr
        for fd, tail in ((p.stdout.fileno(), "stdout"), (p.stderr.fileno(), "stderr"), (self._result, "result")):
            os.set_blocking(fd, False)
            self._selector.register(fd, selectors.EVENT_READ, self._tails[tail])
        os.set_blocking(p.stdin.fileno(), False)
        self._selector.register(p.stdin, selectors.EVENT_WRITE, None)

    def follow(self, context: Context) -> None:
        """Move data until the command has ended; stop it when its time is up or the parent says so."""
        shown_at = time.monotonic()
        with _ChildSignal() as ended:
            self._selector.register(ended, selectors.EVENT_READ, None)
            while self._process.poll() is None:
                for key, _ in self._selector.select(self._patience()):
                    if key.fileobj is ended:
                        ended.drain()
                    else:
                        self._move(key)
                self._enforce(context)
                if time.monotonic() - shown_at >= LIVE_EVERY:
                    shown_at = time.monotonic()
                    self._show(context)

    def _patience(self) -> float:
        moments = [moment for moment in (self._stop_at, self._kill_at) if moment is not None]
        return max(0.0, min([LIVE_EVERY, *(moment - time.monotonic() for moment in moments)]))

    def _move(self, key: selectors.SelectorKey) -> None:
        if key.data is None:
            self._feed()
        elif not self._drain(key.fd, key.data):
            self._selector.unregister(key.fd)

    def _feed(self) -> None:
        assert self._process.stdin
        try:
            self._input = self._input[os.write(self._process.stdin.fileno(), self._input[:_CHUNK]) :]
        except BlockingIOError:
            return
        except OSError:
            self._input = self._input[:0]  # it does not want the rest
        if not self._input:
            self._selector.unregister(self._process.stdin)
            self._process.stdin.close()

    @staticmethod
    def _drain(fd: int, tail: Tail) -> bool:
        """Read once; False at the end of the stream."""
        try:
            chunk = os.read(fd, _CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        tail.add(chunk)
        return bool(chunk)

    def _enforce(self, context: Context) -> None:
        now = time.monotonic()
        if self._kill_at is not None:
            if now >= self._kill_at:
                kin.kill_group(self._process.pid, signal.SIGKILL)
            return
        timed_out = self._stop_at is not None and now >= self._stop_at
        if timed_out or context.stop_requested():
            self._why = f"timed out after {self._task.timeout:g} s" if timed_out else "stopped"
            self._kill_at = now + self._grace
            kin.kill_group(self._process.pid, signal.SIGTERM)
            kin.kill_group(self._process.pid, signal.SIGCONT)

    def _show(self, context: Context) -> None:
        record = self._record()
        if record is not None:
            context.live(self._task.id, record)

    def _record(self, code: int | None = None) -> bytes | None:
        out, err = self._tails["stdout"], self._tails["stderr"]
        generation = int(self._task.fence.partition(".")[0] or 0)
        # Of a first run that says nothing nothing is kept. A later one replaces what an earlier one said.
        if not (out.data or err.data or code or (code is not None and generation > 1)):
            return None
        record = SideRecord(out.text, err.text, out.dropped, err.dropped, stdout_raw=_odd(out), stderr_raw=_odd(err))
        if code is not None:
            record.exit_code, record.generation = (code if code >= 0 else 128 - code), generation
        return msgspec.json.encode(record)

    def clean_up(self) -> None:
        """Take what the pipes still hold, then kill whatever the command left running."""
        for key in list(self._selector.get_map().values()):
            if isinstance(key.data, Tail):
                for _ in range(2 * KEPT // _CHUNK):
                    if not self._drain(key.fd, key.data):
                        break
        kin.kill_group(self._process.pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        kin.kill_orphans(set())
        self._close()

    def _close(self) -> None:
        self._selector.close()
        os.close(self._result)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def outcome(self) -> Done:
        """What the command's end means."""
        id, code = self._task.id, self._process.returncode
        if self._why == "stopped" and code != 0:
            return Done(id, "stopped", output=self._record())
        output = self._record(code)
        if self._why and self._why != "stopped":
            return Done(id, "failed", error=self._why, output=output)
        if code == 0:
            return Done(id, "succeeded", self._last_line(), output=output)
        if code == _TRY_AGAIN:
            return Done(id, "snoozed", delay=SNOOZE, output=output)
        kind = "permanent" if code == _PERMANENT else "failed"
        return Done(id, kind, error=self._explain(code), output=output)

    def _last_line(self) -> bytes:
        lines = self._tails["result"].text.strip().rsplit("\n", 1)
        line = lines[-1].strip().encode()
        if not line or len(line) > MAX_RESULT:
            return b""
        try:
            msgspec.json.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return b""
        return line

    def _explain(self, code: int) -> str:
        what = f"exit code {code}" if code > 0 else f"killed by {_signal_name(-code)}"
        said = self._tails["stderr"].text.strip()[-2_000:]
        return f"{what}\n{said}" if said else what


class _ChildSignal:
    """A descriptor that becomes readable when a child process ends or the parent signals."""

    def __enter__(self) -> "_ChildSignal":
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._handler = signal.signal(signal.SIGCHLD, lambda *_: None)
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._wakeup)
        signal.signal(signal.SIGCHLD, self._handler)
        os.close(self._read)
        os.close(self._write)

    def fileno(self) -> int:
        return self._read

    def drain(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._read, 4096)


def _prepare(result_end: int, parent: int) -> None:
    os.dup2(result_end, _RESULT_FD)
    os.set_inheritable(_RESULT_FD, True)
    kin.die_with_parent(parent)


def _stdin(payload: bytes) -> bytes:
    """The payload as a command reads it: JSON text, but a JSON string as the bare text."""
    if payload[:1] != b'"':
        return payload
    try:
        return msgspec.json.decode(payload, type=str).encode()
    except (msgspec.MsgspecError, UnicodeError):
        return payload


def _odd(tail: Tail) -> bytes:
    """The bytes of a stream that its text cannot give back."""
    try:
        tail.data.decode("utf-8")
    except UnicodeDecodeError:
        return tail.data
    return b""


def _variable(name: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in name.upper())


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def make_command(spec: HandlerSpec, options: HandlerOptions) -> CommandHandler:
    """A handler that starts `argv`."""
    if not spec.argv:
        raise UsageError("the handler's command is empty")
    return CommandHandler(spec.argv, options)


def make_shell(spec: HandlerSpec, options: HandlerOptions) -> CommandHandler:
    """A handler that runs a line through `sh -c`; the payload comes on stdin only."""
    return CommandHandler(("/bin/sh", "-c", spec.line), options)
