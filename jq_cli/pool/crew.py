"""The crew: the worker's handle on its keeper process. Starts it, has children spawned and killed, hears of their ends."""

import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress

import msgspec

from jq_cli.errors import JqError, UsageError
from jq_cli.pool.orders import Notice, Order
from jq_cli.pool.slots import Slots

_LOW = 10
"""Descriptors handed to the keeper start here: 3 belongs to the results of commands."""


class Crew:
    """A running keeper. Raises UsageError when a handler cannot be loaded."""

    def __init__(self, order: Order, slots: Slots, count: int, env: Mapping[str, str]) -> None:
        self._buffer = b""
        ours, theirs = socket.socketpair()
        control, memory = (fcntl.fcntl(fd, fcntl.F_DUPFD, _LOW) for fd in (theirs.fileno(), slots.fd))
        theirs.close()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "jq_cli.pool.keeper", str(control), str(memory), str(count)],
                pass_fds=(control, memory),
                stdin=subprocess.DEVNULL,
                env=dict(env),
            )
        finally:
            os.close(control)
            os.close(memory)
        self._socket = ours
        ours.sendall(msgspec.json.encode(order) + b"\n")
        self._await_ready()

    def _await_ready(self) -> None:
        notices: list[Notice] | None = []
        while not notices:
            notices = self.notices()
            if notices is None:
                raise JqError(f"the keeper process ended at once (status {self._process.wait()})")
        if notices[0].what == "failed":
            self._process.wait()
            raise UsageError(notices[0].text)
        self.is_async = notices[0].text == "async"
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """Readable when there are notices, or the keeper is gone."""
        return self._socket.fileno()

    def notices(self) -> list[Notice] | None:
        """What the keeper says; None when it is gone."""
        try:
            chunk = self._socket.recv(65536)
        except BlockingIOError:
            return []
        except ConnectionError:
            return None
        if not chunk:
            return None
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        return [msgspec.json.decode(line, type=Notice) for line in lines]

    def spawn(self, slot: int) -> socket.socket:
        """Have a child started; gives the socket that leads to it. A keeper that is gone starts none: its end tells so."""
        ours, theirs = socket.socketpair()
        with theirs, suppress(ConnectionError):
            socket.send_fds(self._socket, [f"spawn {slot}\n".encode()], [theirs.fileno()])
        ours.setblocking(False)
        return ours

    def kill(self, slot: int, signum: int) -> None:
        """Signal a child and its process group; a keeper that is gone has killed it already."""
        with suppress(OSError):
            self._socket.sendall(f"kill {slot} {int(signum)}\n".encode())

    def end(self) -> None:
        """Have everything killed, and wait until it is."""
        self._socket.close()
        self._process.wait()
