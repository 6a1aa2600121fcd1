"""The courier: the process in which hooks run. It hears events from one emitter and gives them to each hook's lane.

A process of its own, because a hook may block, burn the processor, hold the interpreter's lock or crash, and none of that may
reach a worker's heartbeats. It outlives signals meant for the worker and ends when the emitter's side of the socket closes, after
at most the agreed seconds. Run as `python -m jq_cli.hooks.courier FD`.
"""

import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress

from jq_cli.hooks.lane import Lane
from jq_cli.hooks.wire import Assignment, Report, Told
from jq_cli.pool.link import Link

REPORT_EVERY = 0.5
"""Seconds between two looks whether there is something to report."""

Message = Assignment | Told


class Courier:
    """Reads until the end, then sees to it that the lanes finish."""

    def __init__(self, sock: socket.socket) -> None:
        self._link: Link[Message] = Link(sock, Message)  # type: ignore[arg-type]
        self._lanes: dict[str, Lane] = {}
        self._flush = 0.0
        self._lock = threading.Lock()
        self._reported = b""

    def run(self) -> None:
        """Carry events until the emitter is gone."""
        threading.Thread(target=self._keep_reporting, daemon=True).start()
        while (messages := self._link.receive()) is not None:
            for message in messages:
                if isinstance(message, Assignment):
                    self._lanes = {spec.name: Lane(spec) for spec in message.hooks}
                    self._flush = message.flush
                else:
                    for lane in self._lanes.values():
                        lane.put(message.events)
        self._finish()

    def _finish(self) -> None:
        until = time.monotonic() + self._flush
        for lane in self._lanes.values():
            lane.end()
        for lane in self._lanes.values():
            lane.join(until - time.monotonic())
        self._report()

    def _keep_reporting(self) -> None:
        while True:
            time.sleep(REPORT_EVERY)
            self._report()

    def _report(self) -> None:
        counts = {name: lane.count for name, lane in self._lanes.items()}
        with self._lock, suppress(OSError):
            self._link.send(Report(counts))


def main() -> None:
    """Take the descriptor from argv and carry."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    try:
        Courier(socket.socket(fileno=int(sys.argv[1]))).run()
    finally:
        os._exit(0)  # a hook that hangs keeps nobody waiting


if __name__ == "__main__":
    main()
