"""The log: one chain of numbered commits for a namespace. Who creates commit n + 1 has changed the store, at that moment and in
that order; whoever finds it created has not, and tries again on top of it. (Protocol and proof: the package's docstring.)"""

import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from jq_cli.backends.base import Clock
from jq_cli.backends.objects.blobs import Blobs, Missing, Shelf
from jq_cli.backends.objects.check import check_store
from jq_cli.backends.objects.entry import (
    Entry,
    commit_name,
    decode,
    encode,
    number_of,
    packed,
    snapshot_name,
    unpacked,
)  # fmt: skip
from jq_cli.backends.objects.places import PATIENCE, Waiter
from jq_cli.backends.objects.step import Step
from jq_cli.backends.objects.store import Store
from jq_cli.backends.objects.sweep import Sweeper
from jq_cli.backends.objects.tables import Tables
from jq_cli.errors import BackendError, BackendUnreachable
from jq_cli.ids import nonce
from jq_cli.process.lifeline import boot_time

T = TypeVar("T")

GRACE = 900.0
"""Seconds for which a commit stays readable after a snapshot has taken it in. Whoever has not looked at the log for half as
long begins again at the newest snapshot, so nobody takes a commit that was swept for one that was never made."""

SNAPSHOT_EVERY = 96
SNAPSHOT_STRIDE = 32
JOBS_PER_COMMIT = 200
"""A snapshot is due after so many commits, and one more for every so many jobs in it, looked at every so many commits: who
opens the store reads few commits, and writing snapshots stays cheap beside writing commits."""

READ_AHEAD = 16
PAUSE = 0.01
LONGEST_PAUSE = 0.25
"""Seconds of the first and the longest pause after commits lost to others, and while others go first."""


class Log:
    """The chain of a namespace and the tables it leads to. `timeout` (seconds): for how long a call may lose to others."""

    def __init__(self, store: Store, clock: Clock, *, timeout: float, grace: float = GRACE) -> None:
        self.blobs = Blobs(store)
        self.tables = Tables()
        self.number = 0
        self._store, self._clock = store, clock
        self._timeout, self._grace = timeout, grace
        self._nonce = ""
        self._snapshot = 0
        # The last moment of which it is certain that every commit not known here was still in the store.
        self._sure_at = float("-inf")
        self._met_others = True
        self._sweeper = Sweeper(store, grace)
        self._by = f"{os.uname().nodename}:{os.getpid()}"
        self._waiter = Waiter(store, self._by)

    # --- reading ---

    def refresh(self, window: int = 1) -> bool:
        """Take in what was committed meanwhile; whether there was anything. `window`: how many commits to ask for at first."""
        before, restarts = (self.number, self._nonce), 0
        while True:
            start = boot_time()
            if start - self._sure_at >= self._grace / 2:
                self._reload(start)
            found = self._ahead(window)
            if not all(self._apply(data) for data in found if data is not None):
                restarts += 1
                self._restart(restarts)
            elif found[-1] is None and boot_time() - self._sure_at < self._grace:
                self._sure_at = start
                return (self.number, self._nonce) != before
            window = min(2 * window, READ_AHEAD) if self._store.far else 1

    def _ahead(self, window: int) -> list[bytes | None]:
        names = [commit_name(self.number + 1 + n) for n in range(window)]
        found = self._store.each(self._store.get, names) if window > 1 else [self._store.get(names[0])]
        # What stands behind a gap was made after the gap was looked at.
        end = found.index(None) + 1 if None in found else window
        return found[:end]

    def _apply(self, data: bytes) -> bool:
        """Take in the next commit; False when it does not follow what is known here."""
        entry = decode(commit_name(self.number + 1), data)
        if entry.prev != self._nonce or entry.n != self.number + 1:
            return False
        self.tables.apply(entry)
        self.blobs.cache.put(entry.n, data)
        self.number, self._nonce = entry.n, entry.nonce
        return True

    def _restart(self, restarts: int) -> None:
        if restarts > 1:
            raise BackendError(f"{self._store.url}: commit {self.number + 1} does not follow the one before it")
        self.tables, self.number, self._nonce = Tables(), 0, ""
        self._sure_at = float("-inf")

    def _reload(self, start: float) -> None:
        """Begin at the newest snapshot, unless more is known here."""
        while (newest := self._newest_snapshot()) > self.number:
            data = self._store.get(snapshot_name(newest))
            if data is not None:
                self._load(decode(snapshot_name(newest), unpacked(data)))
                break
            start = boot_time()  # a newer one has taken its place
        self._sure_at = start

    def _load(self, snapshot: Entry) -> None:
        self.tables = Tables()
        self.tables.apply(snapshot)
        self.number, self._nonce = snapshot.n, snapshot.nonce

    def _newest_snapshot(self) -> int:
        numbers = [number_of(each.name) for each in self._store.listing("snap")]
        self._snapshot = max(numbers, default=0)
        return self._snapshot

    def read(self, work: Callable[[Tables], T]) -> T:
        """The answer of some work on the tables as they are now."""
        self.refresh()
        while True:
            try:
                return work(self.tables)
            except Missing as error:
                self._outdated(error, current=True)

    # --- writing ---

    def write(self, work: Callable[[Step], T], *, urgent: bool = False) -> T:
        """Do some work in a step and commit what it set; it is done again whenever somebody else was faster. `urgent`: it lets
        nobody go first, and asks for that itself after the first loss."""
        shelf, deadline = Shelf(), boot_time() + self._timeout
        with self._store.turn():
            number = self.number
            answer = self._settled(work, shelf, deadline, urgent)
        if self.number > number:
            self._keep_house()
        return answer

    def _settled(self, work: Callable[[Step], T], shelf: Shelf, deadline: float, urgent: bool) -> T:
        current, lost = self._look_first(), 0
        while True:
            try:
                step, answer = self._tried(work, shelf)
            except Missing as error:
                self._outdated(error, current)
            else:
                if not step.changes and (current or not self.refresh()):
                    self._waiter.leave(self.tables.line)
                    return answer
                if step.changes and not urgent and self._is_for_another(step):
                    self._let_go_first(deadline)
                elif step.changes and self._committed(step, shelf):
                    self._met_others = lost > 0
                    return answer
                elif step.changes:
                    lost += 1
                    self._try_again(lost, deadline, urgent)
            current = True

    def _outdated(self, error: Missing, current: bool) -> None:
        """A job's bytes are gone: somebody else has finished with it, or the store is damaged."""
        if not self.refresh() and current:
            raise BackendError(f"{self._store.url}: the object {error} is gone, though jobs lie in it") from error

    def _look_first(self) -> bool:
        """Whether what is known here is up to date: looked at where that is cheap, or where others write too. Else the commit
        itself tells."""
        if self._store.far and not self._met_others and not self._stale():
            return False
        self._met_others = self.refresh()
        return True

    def _stale(self) -> bool:
        return boot_time() - self._sure_at >= self._grace / 2

    def _tried(self, work: Callable[[Step], T], shelf: Shelf) -> tuple[Step, T]:
        shelf.begin(self.number + 1)
        step = Step(self.tables, shelf, self.number + 1, self._clock())
        try:
            return step, work(step)
        except BaseException:
            step.undo()
            raise

    def _committed(self, step: Step, shelf: Shelf) -> bool:
        """Create the commit; False, and everything taken back, when somebody else has made it."""
        try:
            if not self._stale() and self._create(step, shelf):
                return True
        except BaseException:
            step.undo()
            raise
        step.undo()
        return False

    def _create(self, step: Step, shelf: Shelf) -> bool:
        if self.number == 0:
            check_store(self._store)
        if shelf.data:
            shelf.keep(boot_time())
            self._store.each(lambda item: self._store.create(*item), shelf.written.items())
        entry = step.entry(nonce(), self._nonce, self._by)
        entry.ended = self._waiter.ended(self.tables.line)
        data = encode(entry, bytes(shelf.inline))
        start = boot_time()
        if not self._store.create(commit_name(entry.n), data) and not self._is_mine(entry):
            return False
        if boot_time() - min(self._sure_at, shelf.since) >= self._grace / 2:
            self._make_sure(entry, shelf)
        self.blobs.cache.put(entry.n, data)
        self.number, self._nonce, self._sure_at = entry.n, entry.nonce, start
        self.tables.line.end(0, entry.ended)
        self._store.ring(step.topics)
        return True

    def _is_mine(self, entry: Entry) -> bool:
        """Whether the commit that is there is this one: its first answer may have been lost."""
        data = self._store.get(commit_name(entry.n))
        return data is not None and decode(commit_name(entry.n), data).nonce == entry.nonce

    def _make_sure(self, entry: Entry, shelf: Shelf) -> None:
        """After this process stood still: the place of the commit may have been swept, and its data objects too."""
        if self._newest_snapshot() >= entry.n:
            self._sure_at = float("-inf")
            raise BackendUnreachable(
                f"{self._store.url}: stood still for too long to know whether the call took effect"
            )
        for name, data in shelf.written.items():
            self._store.create(name, data)

    def _try_again(self, lost: int, deadline: float, urgent: bool) -> None:
        if boot_time() >= deadline:
            raise BackendUnreachable(f"{self._store.url}: busy: lost {lost} times to others who write")
        if lost > 1 or urgent:
            self._waiter.queue(self.tables.line)
        if lost > 2:
            _pause(lost)
        # Others wait for who is first in the line, and many commits may have been made during its requests.
        self.refresh(1 if lost == 1 else READ_AHEAD)

    def _is_for_another(self, step: Step) -> bool:
        """Whether somebody else should make this commit; then everything is taken back."""
        another = True
        try:
            another = self._waiter.is_for_another(step.number, self.tables.line)
        finally:
            if another:
                step.undo()
        return another

    def _let_go_first(self, deadline: float) -> None:
        end, looks = min(boot_time() + PATIENCE, deadline), 0
        while not self.refresh():
            if boot_time() >= end:
                return self._waiter.waited_in_vain(self.tables.line)
            looks += 1
            _pause(looks)
        return None

    # --- snapshots ---

    def _keep_house(self) -> None:
        """Write a snapshot when one is due, and sweep what it makes needless. The call itself is done, whatever happens here."""
        if self.number % SNAPSHOT_STRIDE == 0 and self._snapshot_due():
            with suppress(BackendError):
                self._newest_snapshot()
                if self._snapshot_due():
                    self._write_snapshot()

    def _snapshot_due(self) -> bool:
        return self.number - self._snapshot >= SNAPSHOT_EVERY + self.tables.jobs // JOBS_PER_COMMIT

    def _write_snapshot(self) -> None:
        data = encode(self.tables.whole(self.number, self._nonce, self._clock()))
        self._store.create(snapshot_name(self.number), packed(data) if self._store.far else data)
        self._snapshot = self.number
        self._sweeper.sweep(self.tables, self.number)


def _pause(number: int) -> None:
    time.sleep(random.random() * min(LONGEST_PAUSE, PAUSE * 2**number))
