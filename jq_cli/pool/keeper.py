"""The keeper: a small clean process between the worker and its children. It forks them, reports their ends, and sees to it
that nothing outlives them.

It is started before any job is claimed, has no threads, no store connection, and the handlers already imported, so that
children start in a millisecond and share its memory. On Linux it adopts orphans: what a dead child's handler left behind
becomes the keeper's and is killed. When the worker dies, however it dies, the keeper sees the end of its control socket,
kills everything and exits. Run as `python -m jq_cli.pool.keeper CONTROL_FD SLOTS_FD COUNT`.
"""

import gc
import os
import signal
import socket
import sys
import traceback
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from select import select

import msgspec

from jq_cli.errors import JqError
from jq_cli.handlers.spec import Handler, load
from jq_cli.pool.child import Child, be_child
from jq_cli.pool.orders import Notice, Order
from jq_cli.pool.slots import Slots
from jq_cli.process import kin


class Keeper:
    """The keeper's loop. Commands from the worker: `spawn SLOT` with a socket, `kill SLOT SIGNAL`."""

    def __init__(self, control: socket.socket, slots: Slots) -> None:
        self._control = control
        self._slots = slots
        self._unread = b""
        self._sockets: deque[int] = deque()
        self._children: dict[int, int] = {}
        self._handlers: dict[str, Handler] = {}
        self._wake, wake = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def run(self) -> None:
        """Obey until the worker is gone, then leave nothing behind."""
        try:
            if self._load():
                while self._serve():
                    pass
        finally:
            self._kill_all()

    def _load(self) -> bool:
        text = self._read_line()
        if not text:
            return False
        self._order = msgspec.json.decode(text, type=Order)
        try:
            self._handlers = {q: load(spec, self._order.options) for q, spec in self._order.handlers.items()}
        except JqError as error:
            self._tell(Notice("failed", text=str(error)))
            return False
        self._kind = _kind_of(self._handlers)
        gc.collect()
        gc.freeze()  # children then share these pages instead of copying them at their first collection
        concurrent = all(getattr(handler, "is_async", False) for handler in self._handlers.values())
        self._tell(Notice("ready", text="async" if concurrent else ""))
        return True

    def _serve(self) -> bool:
        control = self._control.fileno()
        readable, _, _ = select([control, self._wake], [], [])
        if self._wake in readable:
            with suppress(BlockingIOError):
                os.read(self._wake, 4096)
            self._reap()
        return self._obey() if control in readable else True

    def _obey(self) -> bool:
        data, fds, _, _ = socket.recv_fds(self._control, 4096, 1)
        self._sockets += fds
        # A stream keeps no bounds: the worker may have said more than was read, and the last line may be cut.
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            verb, slot, *rest = line.split()
            if verb == b"spawn":
                self._spawn(int(slot), self._sockets.popleft())
            else:
                self._kill(int(slot), int(rest[0]))
        return bool(data)

    def _spawn(self, slot: int, fd: int) -> None:
        keeper = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become_child(slot, fd, keeper)
        os.close(fd)
        self._children[pid] = slot
        self._tell(Notice("spawned", slot, pid))

    def _become_child(self, slot: int, fd: int, keeper: int) -> None:
        status = 1
        try:
            os.setpgid(0, 0)
            kin.die_with_parent(keeper)
            kin.adopt_orphans()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._control.close()
            os.close(self._wake)
            be_child()
            sock, memory = socket.socket(fileno=fd), self._order.memory
            self._kind(sock, self._slots[slot], self._handlers, memory=memory).main()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            with suppress(BaseException):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def _kill(self, slot: int, signum: int) -> None:
        for pid, its_slot in self._children.items():
            if its_slot == slot:
                kin.kill_group(pid, signum)
                with suppress(ProcessLookupError):
                    os.kill(pid, signum)

    def _reap(self) -> None:
        ended = []
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            slot = self._children.pop(pid, None)
            if slot is not None:
                kin.kill_group(pid)
                ended.append(Notice("exited", slot, pid, status))
        # First the orphans, then the news: the job may run again only when nothing of its last run is left.
        kin.kill_orphans(set(self._children))
        for notice in ended:
            self._tell(notice)

    def _kill_all(self) -> None:
        for pid in self._children:
            kin.kill_group(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        kin.kill_orphans(set())

    def _tell(self, notice: Notice) -> None:
        with suppress(OSError):
            self._control.sendall(msgspec.json.encode(notice) + b"\n")

    def _read_line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            chunk = self._control.recv(1)
            if not chunk:
                return b""
            line += chunk
        return line


def _kind_of(handlers: Mapping[str, Handler]) -> type[Child]:
    """The kind of child these handlers need, imported before any is forked, so that all share it."""
    if not any(getattr(handler, "is_async", False) for handler in handlers.values()):
        return Child
    from jq_cli.pool.async_child import AsyncChild  # loads asyncio

    return AsyncChild


def main() -> None:
    """Take the descriptors from argv and keep."""
    control, slots, count = (int(text) for text in sys.argv[1:4])
    os.setsid()
    kin.adopt_orphans()
    # Descriptor 3 is where commands may write their result; nothing else may ever get that number.
    while (fd := os.open(os.devnull, os.O_RDWR)) < 3:
        pass
    if fd != 3:
        os.close(fd)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.path.insert(0, os.getcwd())
    Keeper(socket.socket(fileno=control), Slots(slots, count)).run()


if __name__ == "__main__":
    main()
