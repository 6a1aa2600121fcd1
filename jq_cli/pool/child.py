"""A child of the pool: takes tasks from its parent, runs the handlers, reports what happened. Knows no store.

Tasks run one after another, in the order in which they came; `async_child` is the one with an event loop.
Outcomes are reported together, but never kept back for more than about FLUSH_EVERY.
"""

import os
import resource
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from types import FrameType

from jq_cli.handlers.callable import CallableHandler, Stopped
from jq_cli.handlers.spec import Handler
from jq_cli.pool.link import Link
from jq_cli.pool.slots import Slot
from jq_cli.task import Done, Live, Report, Resume, Run, Stop, Task

FLUSH_EVERY = 5_000_000
"""Nanoseconds for which a finished task's outcome may wait for others before it is reported."""

Message = Run | Resume | Stop


class Reporter:
    """Collects outcomes and sends them. A thread sends those that would wait behind a long task; it is started only for
    handlers that do not start processes, so that nobody forks beside a thread."""

    def __init__(self, link: Link[Message], *, threaded: bool, memory: bool) -> None:
        self._link = link
        self._threaded = threaded
        self._measure_memory = memory
        self._done: list[Done] = []
        self._busy = 0
        self._since = time.monotonic_ns()
        self._lock = threading.Lock()
        self._waiting = threading.Event()

    def start(self) -> None:
        """Start the thread, if there is to be one."""
        if self._threaded:
            threading.Thread(target=self._keep_flushing, daemon=True).start()

    def add(self, done: Done, busy: int = 0, now: int = 0) -> None:
        """Take an outcome and the ns it took until `now` (monotonic ns); send what has waited long enough."""
        with self._lock:
            if not self._done:
                self._waiting.set()
            self._done.append(done)
            self._busy += busy
        if not self._threaded or now - self._since > FLUSH_EVERY:
            self.flush()

    def flush(self) -> None:
        """Send all that is waiting."""
        with self._lock:
            self._since = time.monotonic_ns()
            if not self._done:
                return
            report = Report(self._done, self._busy, _memory() if self._measure_memory else 0)
            self._done, self._busy = [], 0
            self._waiting.clear()
            self._send(report)

    def live(self, id: str, record: bytes) -> None:
        """Send output and progress of a running task."""
        with self._lock:
            self._send(Live(id, record))

    def _send(self, message: Report | Live) -> None:
        try:
            self._link.send(message)
        except OSError:
            os._exit(1)  # the parent is gone

    def _keep_flushing(self) -> None:
        while True:
            self._waiting.wait()
            time.sleep(FLUSH_EVERY / 1e9)
            self.flush()


class Child:
    """Runs tasks one after another. Also the context that handlers get."""

    def __init__(self, sock: socket.socket, slot: Slot, handlers: Mapping[str, Handler], *, memory: bool) -> None:
        self.link: Link[Message] = Link(sock, Message)  # type: ignore[arg-type]
        self.slot = slot
        self.handlers = handlers
        calls_only = all(isinstance(handler, CallableHandler) for handler in handlers.values())
        self.reporter = Reporter(self.link, threaded=calls_only, memory=memory)
        self.live = self.reporter.live
        self._interruptible = False

    def main(self) -> None:
        """Work until the parent closes the link."""
        signal.signal(signal.SIGTERM, self._on_term)
        self.reporter.start()
        while (messages := self.link.receive()) is not None:
            for message in messages:
                if isinstance(message, Resume):
                    self.slot.resume()
                elif isinstance(message, Run):
                    self._run_all(deque(message.tasks))
            self.reporter.flush()

    def _run_all(self, tasks: deque[Task]) -> None:
        while tasks and self.slot.begin(tasks[0].seq):
            self._run(tasks.popleft())
        for task in tasks:
            self.reporter.add(Done(task.id, "unstarted"))

    def _run(self, task: Task) -> None:
        handler = self.handler_of(task)
        if isinstance(handler, CallableHandler):
            done = self._call(handler, task)
        else:
            done = handler.run(task, self)
        now = time.monotonic_ns()
        self.reporter.add(done, self.slot.finish(task.seq, now), now)

    def _call(self, handler: Handler, task: Task) -> Done:
        try:
            self._interruptible = True
            done = handler.run(task, self)
            self._interruptible = False
        except Stopped:  # the signal came between the handler's end and the line after it
            done = Done(task.id, "stopped")
        finally:
            self._interruptible = False
        return done

    def handler_of(self, task: Task) -> Handler:
        """The handler of the task's queue; `*` stands for every queue."""
        return self.handlers.get(task.queue) or self.handlers["*"]

    def stop_requested(self) -> bool:
        """Whether the parent wants the task that runs now stopped."""
        return self.slot.stopped == self.slot.current

    def _on_term(self, _signum: int, _frame: FrameType | None) -> None:
        if self._interruptible and self.stop_requested():
            self._interruptible = False
            raise Stopped


def _memory() -> int:
    """Resident bytes: now on Linux, the peak elsewhere."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def be_child() -> None:
    """What a forked process does first: it leaves signals meant for the worker alone, and dumps no core."""
    for signum in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        # A no-op, not SIG_IGN: a command started later would inherit the latter.
        signal.signal(signum, lambda *_: None)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
