"""What an operator or a producer can do with a store. The command line calls this, and so will every other way in."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from jq_cli.backends.base import Backend, Controls, Inserted, QueueCounts
from jq_cli.change import Change, Verdict
from jq_cli.closing import Closing
from jq_cli.config.settings import Settings
from jq_cli.draft import Draft, check_name
from jq_cli.errors import BackendUnreachable, NotFound
from jq_cli.ids import is_ulid
from jq_cli.job import Job, State
from jq_cli.task import SideRecord, side_record
from jq_cli.triage.filter import JobFilter

Answer = TypeVar("Answer")

RESEND_AFTER = (0.2,)
LONG_RESEND_AFTER = (0.2, 1.0, 2.0, 5.0)
"""Seconds to wait before a call that got no answer is sent again; then the error goes to the caller. The second is for long
runs that reached the store before: what they lose by giving up is worth the patience."""

PAGE = 200
"""Jobs fetched at a time. Each may carry a payload of 1 MiB."""


class Client(Closing):
    """One store and the settings it was opened with. Use as a context manager or call `close`."""

    def __init__(
        self, backend: Backend, settings: Settings | None = None, *, wait: Callable[[float], None] = time.sleep
    ) -> None:
        self.backend = backend
        self.settings = settings or Settings()
        self._wait = wait
        self.resend_after: Sequence[float] = RESEND_AFTER

    # --- producers ---

    def enqueue(self, drafts: Sequence[Draft], *, connection: Any = None) -> list[Inserted]:
        """Put jobs on their queues, in order; says for each what became of it.

        With a `connection` to the database that is the store (of psycopg 3, or SQLAlchemy's around one) they become part of the
        transaction it is in: they are there when it commits, and never were when it rolls back. Then workers find them at
        their next look, within a second, and a failure is the caller's to deal with. Raises UsageError on other stores.

        Without an answer the same drafts are sent again. Their ids are the same, so no job is made twice: a draft whose own
        id is found then was stored by the first call.
        """
        if connection is not None:
            return self.backend.insert_within(connection, drafts)
        sent = 0

        def send() -> list[Inserted]:
            nonlocal sent
            sent += 1
            return self.backend.insert(drafts)

        answers = self.resent(send)
        if sent == 1:
            return answers
        return [
            Inserted("created", a.id) if a.status == "duplicate" and a.id == d.job.id else a
            for a, d in zip(answers, drafts, strict=True)
        ]

    def replace(self, changes: Sequence[Change]) -> list[Verdict]:
        """Apply changes; without an answer they are sent again, and those that took effect are known by their marks."""
        return self.resent(lambda: self.backend.replace(changes))

    def resent(self, call: Callable[[], Answer]) -> Answer:
        """The answer of a call that may safely be made again, made again while the store does not answer."""
        for pause in self.resend_after:
            try:
                return call()
            except BackendUnreachable:
                self._wait(pause)
        return call()

    # --- readers ---

    def queues(self) -> list[str]:
        """All queues: configured, or ever used."""
        return sorted({*self.backend.queues(), *self.settings.queues})

    def counts(self, queues: Sequence[str] | None = None) -> list[QueueCounts]:
        """Counts of the named queues in the order asked for, or of all."""
        return self.backend.counts(self.queues() if queues is None else queues)

    def look(self, queues: Sequence[str]) -> list[QueueCounts | NotFound]:
        """Counts of the named queues; for a name that was never configured or used the error to report, with near names.
        Raises InvalidField for what cannot be a name."""
        for queue in queues:
            check_name(queue)
        counts = self.backend.counts(queues)
        if all(_touched(each) for each in counts):
            return list(counts)
        known = self.queues()
        return [each if each.queue in known else self._unknown(each.queue, known) for each in counts]

    def demand(self, queue: str) -> QueueCounts:
        """Counts of a queue. Raises NotFound, with near names, when it was never configured or used."""
        [found] = self.look([queue])
        if isinstance(found, NotFound):
            raise found
        return found

    def _unknown(self, queue: str, known: Sequence[str]) -> NotFound:
        from difflib import get_close_matches

        near = get_close_matches(queue, known, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        return NotFound(f"no such queue: {queue}{hint} (store: {self.backend.url})")

    def jobs(self, queue: str, state: State, *, reverse: bool = False) -> Iterator[Job]:
        """The jobs of a queue in a state, in the state's own order, fetched page by page."""
        for page in self._pages(queue, state, reverse=reverse):
            yield from page

    def matching(
        self,
        queue: str,
        states: Sequence[State],
        jobs: JobFilter,
        now: int,
        *,
        reverse: bool = False,
        seen: Callable[[int], None] = lambda _: None,
    ) -> Iterator[Job]:
        """The jobs of a queue in these states that a filter means, state by state, in constant memory; those of a filter that
        names ids in its order. `now`: the moment (ms) from which ages count. `seen` is told of each page how many jobs it had."""
        pages = self._named(queue, states, jobs.ids) if jobs.ids else self._in(queue, states, reverse=reverse)
        for page in pages:
            for job in page:
                if jobs.matches(job, now):
                    yield job
            seen(len(page))

    def _in(self, queue: str, states: Sequence[State], *, reverse: bool) -> Iterator[list[Job]]:
        for state in states:
            yield from self._pages(queue, state, reverse=reverse)

    def _named(self, queue: str, states: Sequence[State], ids: Sequence[str]) -> Iterator[list[Job]]:
        for at in range(0, len(ids), PAGE):
            found = self.get(queue, ids[at : at + PAGE])
            yield [job for job in found if job is not None and job.state in states]

    def _pages(self, queue: str, state: State, *, reverse: bool) -> Iterator[list[Job]]:
        cursor: str | None = None
        while True:
            page = self.backend.page(queue, state, cursor=cursor, limit=PAGE, reverse=reverse)
            yield page.jobs
            cursor = page.cursor
            if cursor is None:
                return

    def found(self, queue: str | None, ids: Iterable[str]) -> Iterator[Job | NotFound]:
        """The jobs with these ids, of one queue or (None) of whatever queue; for one that is not there the error to report."""
        left = iter(ids)
        while some := list(islice(left, PAGE)):
            jobs = self.get(queue, some) if queue is not None else [self.find(id) for id in some]
            where = f" on {queue}" if queue is not None else ""
            for id, job in zip(some, jobs, strict=True):
                yield NotFound(f"no such job: {id}{where} (store: {self.backend.url})") if job is None else job

    def get(self, queue: str, ids: Sequence[str]) -> list[Job | None]:
        """The jobs of a queue with these ids. What cannot be an id is not there, and the store is not asked for it."""
        valid = [id for id in ids if is_ulid(id)]
        jobs = dict(zip(valid, self.backend.get(queue, valid), strict=True)) if valid else {}
        return [jobs.get(id) for id in ids]

    def find(self, id: str) -> Job | None:
        """The job with this id, of whatever queue."""
        return self.backend.find(id) if is_ulid(id) else None

    def places(self, ids: Sequence[str]) -> dict[str, list[str]]:
        """For each of these ids the queues that have such a job; there may be several, since ids are unique in their queue."""
        places: dict[str, list[str]] = {id: [] for id in ids}
        for queue in self.backend.queues():
            for id, job in zip(places, self.get(queue, list(places)), strict=True):
                if job is not None:
                    places[id].append(queue)
        return places

    def output(self, queue: str, id: str) -> SideRecord | None:
        """What a job's handler said and how far it is, if anything was captured."""
        [stored] = self.backend.outputs(queue, [id])
        return side_record(stored)

    # --- end ---

    def close(self) -> None:
        """Close the store."""
        self.backend.close()


def _touched(counts: QueueCounts) -> bool:
    return any(counts.totals.values()) or any(counts.states.values()) or counts.controls != Controls()
