"""Stores and queues as Python programs see them: put jobs in, look at them, repair them, wait for them. Does what the command
line does, through the same client."""

import os
import socket
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, Unpack

import msgspec

from jq_cli import lifecycle
from jq_cli.api.constructors import shared
from jq_cli.api.receipt import Receipt, receipts_of
from jq_cli.api.shared_backend import SharedBackend
from jq_cli.backends.base import Backend, Controls, QueueCounts, Setting
from jq_cli.change import Change
from jq_cli.client import Client
from jq_cli.closing import Closing
from jq_cli.config.load import Flags, load
from jq_cli.config.settings import Settings
from jq_cli.draft import Draft, check_name
from jq_cli.errors import IdempotencyMismatch, InvalidField, JqError, PartlyDone
from jq_cli.history import noted
from jq_cli.intake.drafting import Drafter
from jq_cli.intake.sending import Sending
from jq_cli.job import Job, State
from jq_cli.job_options import ONE_JOB, Drafting, Duration, JobOptions, seconds_of
from jq_cli.pausing import check_reason
from jq_cli.triage.bulk import Bulk, Result, known_by
from jq_cli.waiting import Finished, Waiter

BATCH = 1_000
BATCH_BYTES = 4 * 2**20
"""Jobs, and bytes of payload, after which `enqueue_many` sends what it has."""

Make = Callable[[Job, str], Change]


def connect(
    store: str | Settings | None = None,
    *,
    namespace: str | None = None,
    config: str | None = None,
    profile: str | None = None,
    by: str = "",
) -> "Store":
    """Open a store.

    store      a URL (`redis://host/0`), the name of a store in the configuration, `memory`, `sqlite` or `redis`, or complete
               Settings. None: what the environment and the configuration name, as on the command line
    namespace  the prefix that isolates environments in it
    config     the configuration file, instead of those that the command line looks for
    profile    a profile of the configuration
    by         who changes jobs through this store, for their history; the user and host of this process unless given

    Raises ConfigError, UnknownBackend, and from stores that connect at once BackendUnreachable and NotAuthorised.
    """
    if isinstance(store, Settings):
        settings = store if namespace is None else msgspec.structs.replace(store, namespace=namespace)
    else:
        settings = load(Flags(config=config, backend=store, namespace=namespace, profile=profile))
        for text in settings.warnings:
            warnings.warn(text, stacklevel=2)
    return Store(shared(settings), settings, by=by)


class Store(Closing):
    """An open store. Threads may share it; they take turns. A process that is forked opens its own connection when it first
    uses it, except for the memory store, which is refused there. Use it as a context manager or call `close`."""

    def __init__(self, backend: Backend, settings: Settings | None = None, *, by: str = "") -> None:
        if not isinstance(backend, SharedBackend):
            opened = backend
            backend = SharedBackend(lambda: opened, reopens=False)
        self.backend: SharedBackend = backend
        self.settings = settings or Settings()
        self.client = Client(backend, self.settings)
        self.by = by or f"{os.environ.get('USER') or os.geteuid()}@{socket.gethostname()}"

    @property
    def url(self) -> str:
        """Where it is, secrets masked."""
        return self.backend.url

    def queue(self, name: str) -> "Queue":
        """A queue of this store. Raises InvalidField for what cannot be a name."""
        return Queue(name, self)

    def queues(self) -> list[str]:
        """The names of all queues: configured, or ever used."""
        return self.client.queues()

    def counts(self) -> list[QueueCounts]:
        """The counts of all queues."""
        return self.client.counts()

    def find(self, id: str) -> Job | None:
        """A job by its id alone, in whatever queue."""
        return self.client.find(id)

    def close(self) -> None:
        """Close the store and all queues of it."""
        self.backend.close()


class Queue(Closing):
    """One queue of a store. Threads may share it, and so may forked processes: see `Store`.

    `store` is an open Store, or what `connect` takes; a store opened for this queue is closed with it. Names are checked:
    InvalidField. Every call may raise BackendError and its kin.
    """

    def __init__(self, name: str, store: Store | Settings | str | None = None) -> None:
        self.name = check_name(name)
        self._owns = not isinstance(store, Store)
        self.store = store if isinstance(store, Store) else connect(store)
        self._client = self.store.client
        self._drafting = Drafting(self.store.settings, self.name)

    # --- putting work in ---

    def enqueue(self, payload: Any, *, connection: Any = None, **options: Unpack[JobOptions]) -> Receipt:
        """Put a job on the queue. Raises InvalidField, and IdempotencyMismatch when its key was used with another payload.

        With a `connection` to the Postgres that is the store, it becomes part of its transaction; see docs/postgres.md.
        """
        [receipt] = self._insert([self.draft(payload, **options)], connection=connection)
        if receipt.status == "mismatch":
            raise IdempotencyMismatch(f"job {receipt.id} on {self.name} used this idempotency key with another payload")
        return receipt

    def enqueue_many(self, payloads: Iterable[Any], **options: Unpack[JobOptions]) -> list[Receipt]:
        """Put many jobs on the queue, in order and in batches; says of each what became of it. An item is a payload, with
        the options given here, or a draft made with `draft` that has its own. Batches before an error stay enqueued."""
        for name in ONE_JOB:
            if name in options:
                raise InvalidField(name, "is for one job; give it to `draft`")
        receipts: list[Receipt] = []
        sending: Sending | None = None
        try:
            for batch in self._batches(payloads, options):
                sending, last = None, sending
                if last is not None:
                    receipts += receipts_of(last.answers())
                if len(batch) < BATCH:  # nothing much to make meanwhile
                    receipts += self._insert(batch)
                else:
                    sending = Sending(self._client, batch)
        finally:
            if sending is not None:
                receipts += receipts_of(sending.answers())
        return receipts

    def draft(self, payload: Any, **options: Unpack[JobOptions]) -> Draft:
        """A checked job for `enqueue_many`. Nothing is stored."""
        return self._drafting.draft(payload, options, self._moment(options))

    def _moment(self, options: JobOptions) -> int | None:
        return None if options.get("at") is None else self._client.backend.now()

    def _batches(self, items: Iterable[Any], options: JobOptions) -> Iterator[list[Draft]]:
        encoded, shared = self._drafting.payload, None
        batch: list[Draft | bytes] = []
        size = 0
        for item in items:
            if isinstance(item, Draft):
                batch.append(self._own(item))
                size += len(item.job.payload)
            else:
                shared = shared or self._drafting.drafter(options, self._moment(options))
                batch.append(payload := encoded(item))
                size += len(payload)
            if len(batch) >= BATCH or size >= BATCH_BYTES:
                yield self._drafts(batch, options, shared)
                batch, size = [], 0
        if batch:
            yield self._drafts(batch, options, shared)

    def _drafts(self, batch: Sequence[Draft | bytes], options: JobOptions, shared: Drafter | None) -> list[Draft]:
        """Drafts of the payloads among these, and the drafts."""
        payloads = [item for item in batch if isinstance(item, bytes)]
        if shared is None or not payloads:
            return [item for item in batch if isinstance(item, Draft)]
        if options.get("at") is not None:  # the moment has come nearer since
            shared = self._drafting.drafter(options, self._moment(options))
        drafts = shared.several(payloads)
        if len(drafts) == len(batch):
            return drafts
        made = iter(drafts)
        return [item if isinstance(item, Draft) else next(made) for item in batch]

    def _own(self, draft: Draft) -> Draft:
        if draft.job.queue != self.name:
            raise InvalidField("queue", f"the draft of job {draft.job.id} is for {draft.job.queue}, not {self.name}")
        return draft

    def _insert(self, drafts: Sequence[Draft], *, connection: Any = None) -> list[Receipt]:
        return receipts_of(self._client.enqueue(drafts, connection=connection))

    # --- looking ---

    def counts(self) -> QueueCounts:
        """How many jobs are in each state, the totals ever counted, and what an operator set."""
        return self._client.counts([self.name])[0]

    def length(self, state: State | Literal["all"] = "ready") -> int:
        """How many jobs are in a state."""
        states = self.counts().states
        return sum(states.values()) if state == "all" else states.get(state, 0)

    def __len__(self) -> int:
        return self.length()

    def __bool__(self) -> bool:
        return True  # an empty queue is a queue

    def jobs(self, state: State = "ready", *, reverse: bool = False) -> Iterator[Job]:
        """The jobs in a state, in the state's own order, fetched page by page."""
        return self._client.jobs(self.name, state, reverse=reverse)

    def dlq(self, *, reverse: bool = False) -> Iterator[Job]:
        """The dead jobs, those that died first before the others."""
        return self.jobs("dead", reverse=reverse)

    def get(self, id: str | Receipt) -> Job | None:
        """A job of this queue, or None."""
        return self._client.get(self.name, [str(id)])[0]

    # --- repairing ---

    def promote(self, *ids: str | Receipt) -> int:
        """Make scheduled jobs ready now; how many. Raises NotFound or Conflict for one job, PartlyDone for several."""
        return self._change("promoted", lifecycle.promote, ids)

    def promote_all(self) -> int:
        """Make all scheduled jobs ready now; how many."""
        return self._change_all("promoted", lifecycle.promote, "scheduled")

    def requeue(self, *ids: str | Receipt) -> int:
        """Make dead jobs ready again, with their failures forgotten; how many. Raises as `promote`."""
        return self._change("requeued", lifecycle.requeue, ids)

    def requeue_all(self) -> int:
        """Make all dead jobs ready again; how many. Those that die meanwhile are left alone."""
        return self._change_all("requeued", lifecycle.requeue, "dead")

    def cancel(self, *ids: str | Receipt) -> int:
        """Cancel waiting jobs at once and have running ones stopped by their workers, within a heartbeat; how many. `wait`
        tells when a running one has ended. Raises as `promote`."""
        keeping = self.store.settings.keeping(self.name)
        return self._change("cancelled", lambda job, mark: lifecycle.cancel(job, mark, keeping), ids)

    def remove(self, *ids: str | Receipt) -> int:
        """Remove jobs that are not running, for good; how many. Raises as `promote`."""
        return self._change("removed", lifecycle.remove, ids)

    def _change(self, what: str, make: Make, ids: Sequence[str | Receipt]) -> int:
        tally = _Tally()
        if ids:
            make = self._noted(what, make, self._client.backend.now())
            Bulk(self._client, make, tally.take).named(self.name, dict.fromkeys(map(str, ids)))
        return tally.end()

    def _change_all(self, what: str, make: Make, state: State) -> int:
        tally, counts = _Tally(), self.counts()
        bulk = Bulk(self._client, self._noted(what, make, counts.now), tally.take)
        bulk.every(self.name, state, counts.states.get(state, 0), known_by(counts.now))
        return tally.end()

    def _noted(self, what: str, make: Make, now: int) -> Make:
        return lambda job, mark: noted(make(job, mark), job, what=what, by=self.store.by, now=now)

    def pause(self, reason: str = "", *, by: str = "", duration: Duration | None = None) -> Controls:
        """Hand out no more jobs of this queue once this has returned, until `resume` or for a duration."""
        check_reason(reason)
        pause_for = None if duration is None else round(seconds_of("duration", duration) * 1_000)
        if pause_for is not None and pause_for <= 0:
            raise InvalidField("duration", "expected more than 0")
        setting = Setting(paused=True, reason=reason, by=by or self.store.by, pause_for=pause_for)
        return self._client.backend.control(self.name, setting)

    def resume(self) -> Controls:
        """Hand out jobs again."""
        return self._client.backend.control(self.name, Setting(paused=False))

    # --- waiting ---

    def wait(self, id: str | Receipt, *, timeout: Duration | None = None) -> Finished:
        """Wait for a job's end. Raises TimedOut when it has not ended in time; the job goes on. A job that is gone, removed or
        ended and not kept, ends as `removed`: enqueue with a `retention` what somebody is to wait for."""
        [end] = self.wait_each([id], timeout=timeout)
        return end

    def wait_each(self, ids: Iterable[str | Receipt], *, timeout: Duration | None = None) -> Iterator[Finished]:
        """The ends of several jobs, as they end. Raises TimedOut when some have not ended in time."""
        seconds = None if timeout is None else seconds_of("timeout", timeout)
        return Waiter(self._client, [(self.name, str(id)) for id in ids], timeout=seconds).finished()

    # --- the end ---

    def close(self) -> None:
        """Close the store if it was opened for this queue."""
        if self._owns:
            self.store.close()


class _Tally:
    """Counts what was changed and what was not."""

    def __init__(self) -> None:
        self._done = 0
        self._failed = 0
        self._errors: list[JqError] = []

    def take(self, results: list[Result]) -> None:
        errors = [result.error for result in results if result.error is not None]
        self._done += len(results) - len(errors)
        self._failed += len(errors)
        self._errors += errors[: 3 - len(self._errors)]

    def end(self) -> int:
        """How many were changed. Raises what went wrong."""
        if self._failed == 1 and not self._done:
            raise self._errors[0]
        if self._failed:
            shown = "; ".join(map(str, self._errors)) + (" ..." if self._failed > len(self._errors) else "")
            raise PartlyDone(f"{self._failed:,} of {self._done + self._failed:,} jobs were not changed: {shown}")
        return self._done
