"""Python callables as handlers: `package.module:function`, called with the payload, or with `(payload, job)`.

The return value is the result. `Permanent` sends the job to the DLQ at once, `Snooze(seconds)` runs it again later without
counting a failure, any other exception is a failure with its traceback kept. `async def` functions run on the child's
event loop (see `jq_cli.pool.child`).
"""

import inspect
import traceback
from collections.abc import Callable
from functools import reduce
from importlib import import_module
from typing import Any

import msgspec

from jq_cli.errors import JqError, UsageError
from jq_cli.handlers.spec import Context, HandlerOptions, HandlerSpec
from jq_cli.task import Done, SideRecord, Task, result_bytes
from jq_cli.tracing.handed import entered, left


class Permanent(JqError):
    """Raise it in a callable when trying again cannot help: the job goes to the DLQ at once."""


class Snooze(JqError):
    """Raise it in a callable to run the job again after `seconds` (0 or more); counts no failure."""

    def __init__(self, seconds: float, message: str = "") -> None:
        super().__init__(message or f"snoozed for {seconds:g} s")
        if seconds < 0:
            raise ValueError(f"cannot snooze for {seconds:g} s: it must not be negative")
        self.seconds = seconds


class Stopped(BaseException):
    """Raised inside a running callable when its execution is stopped: timed out, cancelled, or the worker shuts down."""


class RunningJob:
    """What a callable with two parameters gets as its second one: the execution's facts, and a way to show progress."""

    def __init__(self, task: Task, context: Context) -> None:
        self.id = task.id
        self.queue = task.queue
        self.attempt = task.attempt
        self.priority = task.priority
        self.enqueued_at = task.enqueued_at
        self.fence = task.fence
        self.timeout = task.timeout
        self.headers = task.headers
        self.schedule = task.schedule
        self._context = context

    def progress(self, percent: float, message: str = "") -> None:
        """Show how far the job is (0..100) and a short text (at most 200 characters), visible within one heartbeat."""
        record = SideRecord(progress=min(100.0, max(0.0, percent)), message=message[:200])
        self._context.live(self.id, msgspec.json.encode(record))


class CallableHandler:
    """Calls one function. `is_async` tells the child to await it on its event loop instead of calling `run`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._wants_job = _takes_two(function)
        self.is_async = inspect.iscoroutinefunction(function)

    def run(self, task: Task, context: Context) -> Done:
        """Call the function and turn what it does into an outcome."""
        trace = entered(task.headers) if task.headers else None
        try:
            return _succeeded(task, self._function(*self._arguments(task, context)))
        except BaseException as error:
            return failed(task, error)
        finally:
            left(trace)

    async def run_async(self, task: Task, context: Context) -> Done:
        """The same for a coroutine function. Raises nothing but CancelledError."""
        trace = entered(task.headers)
        try:
            return _succeeded(task, await self._function(*self._arguments(task, context)))
        except Exception as error:
            return failed(task, error)
        finally:
            left(trace)

    def _arguments(self, task: Task, context: Context) -> tuple[Any, ...]:
        try:
            payload = msgspec.json.decode(task.payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Undecodable(f"the payload is not JSON: {error}") from None
        return (payload, RunningJob(task, context)) if self._wants_job else (payload,)


class Undecodable(Exception):
    """The stored payload is not JSON, so no function can be called with it."""


def _succeeded(task: Task, value: Any) -> Done:
    if value is None:
        return Done(task.id, "succeeded")
    result, note = result_bytes(value)
    return Done(task.id, "succeeded", result, note)


def failed(task: Task, error: BaseException) -> Done:
    """The outcome that an exception stands for."""
    match error:
        case Stopped():
            return Done(task.id, "stopped")
        case Snooze():
            return Done(task.id, "snoozed", delay=round(error.seconds * 1_000))
        case Permanent():
            return Done(task.id, "permanent", error=str(error) or "permanent failure")
        case Undecodable():
            return Done(task.id, "undecodable", error=str(error))
        case _:
            return Done(task.id, "failed", error=_trace(error))


def _trace(error: BaseException) -> str:
    # The first entry is this module's own call; people look for their code.
    frames = error.__traceback__.tb_next if error.__traceback__ else None
    try:
        return "".join(traceback.format_exception(type(error), error, frames)).rstrip()
    except Exception:
        return f"{type(error).__name__} (its traceback cannot be shown)"


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(positional) >= 2 and all(p.default is p.empty for p in positional[:2])


def make_callable(spec: HandlerSpec, options: HandlerOptions) -> CallableHandler:
    """Import and find the callable that `package.module:function` names."""
    module, _, path = spec.target.partition(":")
    try:
        function = reduce(getattr, path.split("."), import_module(module))
    except Exception as error:
        raise UsageError(f"cannot load {spec.target!r}: {type(error).__name__}: {error}") from error
    if not callable(function):
        raise UsageError(f"{spec.target!r} is a {type(function).__name__}, not callable")
    return CallableHandler(function)
