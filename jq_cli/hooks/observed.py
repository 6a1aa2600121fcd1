"""A store whose changes are told to hooks: stands before any backend, does what it does, and tells what took effect.

Whatever way a job takes (a command, a worker, a scheduler, a library) its transitions pass here, so none is forgotten; and where
no hook is configured nothing stands here, so it costs nothing.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from jq_cli import lifecycle
from jq_cli.backends.base import Backend, Claim, Claimed, Due, Inserted, Turned
from jq_cli.backends.front import Front
from jq_cli.change import Change, Verdict
from jq_cli.draft import Draft
from jq_cli.errors import BackendError
from jq_cli.hooks import event
from jq_cli.hooks.event import Event
from jq_cli.job import Job

MAX_UNKNOWN = 10_000
"""Ids of jobs kept whose enqueue got no answer."""

MAX_TOLD = 10_000
"""Changes remembered, at least, that were told: one that a client of a server sends again is not told again."""


class Emits(Protocol):
    """What events go to."""

    def emit(self, events: Iterable[Event], at: int) -> None:
        """Take events that happened at this moment (ms). Must not block."""

    def close(self) -> None:
        """There will be no more."""


class Observed(Front):
    """A backend (`seen_through` says so to the type checker). What it does not define it takes from the backend behind it; it
    is closed before the emitter is."""

    def __init__(self, backend: Backend, emitter: Emits) -> None:
        super().__init__(backend)
        self._emitter = emitter
        self._unknown: set[str] = set()
        self._told: set[tuple[str, str]] = set()
        self._told_before: set[tuple[str, str]] = set()
        self._offset: float | None = None

    def close(self) -> None:
        """Close the store, then let the hooks finish, within their bound."""
        try:
            self._backend.close()
        finally:
            self._emitter.close()

    def insert(self, drafts: Sequence[Draft]) -> list[Inserted]:
        """As the backend does."""
        try:
            answers = self._backend.insert(drafts)
        except BackendError:
            if len(self._unknown) < MAX_UNKNOWN:
                self._unknown.update(draft.job.id for draft in drafts)
            raise
        self._tell(event.enqueued(drafts, self._resent(drafts, answers) if self._unknown else answers))
        return answers

    def _resent(self, drafts: Sequence[Draft], answers: Sequence[Inserted]) -> list[Inserted]:
        """A job that is there already because of a call of ours that got no answer is one that we made."""
        ours = [d.job.id in self._unknown and a.id == d.job.id for d, a in zip(drafts, answers, strict=True)]
        self._unknown.difference_update(draft.job.id for draft in drafts)
        return [Inserted("created", a.id) if mine else a for a, mine in zip(answers, ours, strict=True)]

    def replace(self, changes: Sequence[Change]) -> list[Verdict]:
        """As the backend does."""
        verdicts = self._backend.replace(changes)
        self._tell(event.changed(changes, self._news(changes, verdicts)))
        return verdicts

    def _news(self, changes: Sequence[Change], verdicts: Sequence[Verdict]) -> list[Verdict]:
        """The verdicts, where what took effect before and was told then counts as lost."""
        news: list[Verdict] = []
        for change, verdict in zip(changes, verdicts, strict=True):
            key = (change.id, change.mark)
            known = verdict == "already" and (key in self._told or key in self._told_before)
            news.append("lost" if known else verdict)
            if verdict != "lost":
                self._told.add(key)
        if len(self._told) >= MAX_TOLD:
            self._told_before, self._told = self._told, set()
        return news

    def claim(self, claim: Claim) -> Claimed:
        """As the backend does."""
        claimed = self._backend.claim(claim)
        self._saw(claimed.now)
        self._tell(event.started(_startable(claimed.jobs, claimed.now)))
        return claimed

    def turn(self, changes: Sequence[Change], claim: Claim) -> Turned:
        """As the backend does."""
        return self._turned(changes, self._backend.turn(changes, claim))

    def begin(self, changes: Sequence[Change], claim: Claim) -> Turned | Callable[[], Turned]:
        """As the backend does."""
        begun = self._backend.begin(changes, claim)
        return (lambda: self._turned(changes, begun())) if callable(begun) else self._turned(changes, begun)

    def _turned(self, changes: Sequence[Change], turned: Turned) -> Turned:
        self._saw(turned.now)
        self._tell(event.changed(changes, self._news(changes, turned.verdicts)))
        self._tell(event.started(_startable(turned.jobs, turned.now)))
        return turned

    def due(self, limit: int) -> Due:
        """As the backend does."""
        due = self._backend.due(limit)
        self._saw(due.now)
        return due

    def _tell(self, events: Iterable[Event]) -> None:
        with suppress(Exception):  # whatever is wrong with telling, the work is done and its caller must hear so
            self._emitter.emit(events, self._now())

    def _now(self) -> int:
        if self._offset is None:
            try:
                self._saw(self._backend.now())
            except BackendError:
                return time.time_ns() // 1_000_000
        return round(time.monotonic() * 1_000 + (self._offset or 0.0))

    def _saw(self, now: int) -> None:
        self._offset = now - time.monotonic() * 1_000


def seen_through(backend: Backend, emitter: Emits) -> Backend:
    """The backend with its changes told."""
    backend.hooked()
    observed: Any = Observed(backend, emitter)
    return observed  # type: ignore[no-any-return]


def emitter_of(backend: Backend) -> Any:
    """The emitter that is told of a backend's changes, None when none is."""
    kind: type = type(backend)
    return vars(backend)["_emitter"] if kind is Observed else None


def unobserved(backend: Backend) -> Backend:
    """The backend whose changes are told to nobody."""
    kind: type = type(backend)
    return vars(backend)["_backend"] if kind is Observed else backend


def _startable(jobs: Sequence[Job], now: int) -> list[Job]:
    return [job for job in jobs if lifecycle.refusal(job, now=now) is None]
