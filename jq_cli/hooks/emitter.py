"""The emitter: hands events to the courier process without ever waiting for it, and counts what could not be handed over."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from select import select

from jq_cli.hooks.event import EVENTS, Event
from jq_cli.hooks.spec import HookSpec
from jq_cli.hooks.wire import Assignment, Count, Report, Told
from jq_cli.ids import UlidMaker
from jq_cli.pool.link import Link

MAX_UNSENT = 8 * 2**20
"""Bytes that may wait here when the courier is slow to read; beyond that events are dropped."""

RESTART_AFTER = 5.0
"""Seconds before a courier that died is started again."""

FLUSH = 3.0
"""Seconds that hooks may take at the end of a command or worker for what is not delivered yet."""

MARGIN = 1.0
"""Seconds beyond the agreed ones that the end may take: the courier keeps its time by itself."""


class Emitter:
    """Emits the events of one process to the hooks. Starts the courier with the first event that a hook wants; `flush` seconds
    are the most that `close` lets the hooks take. `say` gets messages for people."""

    def __init__(
        self,
        hooks: Sequence[HookSpec],
        namespace: str,
        *,
        flush: float = FLUSH,
        say: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._hooks = list(hooks)
        self._namespace = namespace
        self._flush = flush
        self._say = say
        self._wanted = frozenset(name for hook in hooks for name in hook.events or EVENTS)
        self._payload = any(hook.payload for hook in hooks)
        self._link: Link[Report] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._restart_at = 0.0
        self._emitted = 0
        self._before = {hook.name: Count() for hook in hooks}
        self._now = {hook.name: Count() for hook in hooks}
        self._warned: set[str] = set()
        self._new_id = UlidMaker()  # of its own: threads that share a store take turns here, not where they make jobs

    # --- events out ---

    def emit(self, events: Iterable[Event], at: int) -> None:
        """Hand over events that happened at a moment of the store. Never blocks, never raises."""
        wanted = [event for event in events if event.event in self._wanted]
        if not wanted:
            return
        for event in wanted:
            event.id, event.at, event.namespace = self._new_id(), at, self._namespace
            if not self._payload:
                event.payload = None
        if not self._ready() or not self._send(Told(wanted)):
            self._drop(len(wanted))

    def pump(self) -> None:
        """Send what waits and hear what the courier reports."""
        if self._link is None:
            return
        try:
            self._link.flush()
        except OSError:
            self._died()
            return
        reports = self._link.receive()
        if reports is None:
            self._died()
        elif reports:
            self._now = reports[-1].counts
            self._warn()

    @property
    def waiting(self) -> bool:
        """Whether `pump` has something to send."""
        return self._link is not None and bool(self._link.unsent)

    def counts(self) -> dict[str, Count]:
        """What became of the events so far, by hook."""
        return {name: _sum(before, self._now.get(name, Count())) for name, before in self._before.items()}

    def close(self) -> None:
        """Let the hooks finish, within the agreed time, and say what was dropped."""
        if self._link is not None:
            until = time.monotonic() + self._flush + MARGIN
            self._drain(until)
            self._stop(until)
        for name, count in self.counts().items():
            if count.dropped:
                self._say(
                    f"hook {name}: {count.dropped:,} event{'s were' if count.dropped > 1 else ' was'} dropped{_because(count)}"
                )

    # --- the courier ---

    def _ready(self) -> bool:
        if self._link is not None:
            return True
        if time.monotonic() < self._restart_at:
            return False
        try:
            self._start()
        except OSError as error:
            self._restart_at = time.monotonic() + RESTART_AFTER
            self._say(f"hooks cannot be run: {error}")
            return False
        return True

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "jq_cli.hooks.courier", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        self._link = Link(ours, Report)
        self._emitted = 0
        self._send(Assignment(self._hooks, self._flush))

    def _send(self, message: Told | Assignment) -> bool:
        assert self._link is not None
        if len(self._link.unsent) > MAX_UNSENT:
            self.pump()
            if self._link is None or len(self._link.unsent) > MAX_UNSENT:
                return False
        self._emitted += len(message.events) if isinstance(message, Told) else 0
        try:
            self._link.send(message)
        except OSError:
            self._died()
        return True

    def _drop(self, events: int) -> None:
        for count in self._before.values():
            count.dropped += events

    def _died(self) -> None:
        """The courier is gone, with what it had not delivered."""
        self._settle()
        self._restart_at = time.monotonic() + RESTART_AFTER
        self._say("the process that runs the hooks died; another is started with the next event")

    def _settle(self) -> None:
        """Add the courier's last counts to those of its predecessors; what it never reported is lost."""
        assert self._link is not None
        assert self._process is not None
        self._link.close()
        self._link = None
        self._process.kill()
        self._process.wait()
        for name, before in self._before.items():
            now = self._now.get(name, Count())
            before.sent += now.sent
            before.skipped += now.skipped
            before.dropped += now.dropped + self._emitted - now.seen
        self._now = {name: Count(error=count.error) for name, count in self._now.items()}
        self._emitted = 0

    def _drain(self, until: float) -> None:
        """Hand over what waits here."""
        while self.waiting and (left := until - time.monotonic()) > 0:
            assert self._link is not None
            select([], [self._link], [], left)
            self.pump()
        if self._link is not None:
            self._link.sock.shutdown(socket.SHUT_WR)

    def _stop(self, until: float) -> None:
        """Hear the last report: it comes before the end of the courier."""
        while self._link is not None and (left := until - time.monotonic()) > 0:
            select([self._link], [], [], left)
            reports = self._link.receive()
            if reports is None:
                break
            if reports:
                self._now = reports[-1].counts
        if self._link is not None:
            self._settle()

    def _warn(self) -> None:
        """Say once of each hook that it drops events, and why."""
        for name, count in self._now.items():
            if count.dropped and name not in self._warned:
                self._warned.add(name)
                self._say(f"hook {name} drops events{_because(count)}")


def _because(count: Count) -> str:
    return f": {count.error}" if count.error else ""


def _sum(before: Count, now: Count) -> Count:
    return Count(before.sent + now.sent, before.dropped + now.dropped, before.skipped + now.skipped, now.error)
