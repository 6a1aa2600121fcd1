"""A store whose jobs are traced: stands before any backend and does what it does. Putting jobs in is a span, whose context goes
into the headers of the jobs; from its claim to its outcome an execution is another, a child of the first.

The handler of a job sees the context of the execution in the headers, so that its own spans come under it. What is stored keeps
that of the enqueuer, for the next execution.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from msgspec.structs import replace
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from jq_cli import lifecycle
from jq_cli.backends.base import Backend, Claim, Claimed, Extended, Inserted, Turned
from jq_cli.backends.front import Front
from jq_cli.change import Change, Verdict
from jq_cli.draft import MAX_HEADER_BYTES, Draft
from jq_cli.job import Job, Token, gist
from jq_cli.tracing.names import INSTRUMENTATION, PARENT

MAX_RUNNING = 50_000
"""Executions whose spans are open; beyond that the oldest are forgotten."""

MAX_ERROR = 1_000
_propagator = TraceContextTextMapPropagator()


class Traced(Front):
    """A backend (`traced` says so to the type checker). What it does not define it takes from the backend behind it. `closed` is
    called once that is closed."""

    def __init__(self, backend: Backend, provider: TracerProvider | None, closed: Callable[[], None]) -> None:
        super().__init__(backend)
        self._tracer = trace.get_tracer(INSTRUMENTATION, version("jq-cli"), provider)
        self._closed = closed
        self._running: dict[str, tuple[Span, Job]] = {}

    def close(self) -> None:
        """Close the store, then let the spans go out."""
        try:
            self._backend.close()
        finally:
            self._closed()

    # --- putting jobs in ---

    def insert(self, drafts: Sequence[Draft]) -> list[Inserted]:
        """As the backend does."""
        return self._enqueue(drafts, self._backend.insert)

    def insert_within(self, connection: Any, drafts: Sequence[Draft]) -> list[Inserted]:
        """As the backend does."""
        return self._enqueue(drafts, lambda tagged: self._backend.insert_within(connection, tagged))

    def _enqueue(self, drafts: Sequence[Draft], insert: Callable[[Sequence[Draft]], list[Inserted]]) -> list[Inserted]:
        queues = {draft.job.queue for draft in drafts}
        name = f"enqueue {next(iter(queues))}" if len(queues) == 1 else "enqueue"
        attributes: dict[str, Any] = {"messaging.system": "jq", "messaging.operation.type": "send"}
        if len(queues) == 1:
            attributes["messaging.destination.name"] = drafts[0].job.queue
        if len(drafts) == 1:
            attributes["messaging.message.id"] = drafts[0].job.id
        else:
            attributes["messaging.batch.message_count"] = len(drafts)
        with self._tracer.start_as_current_span(name, kind=SpanKind.PRODUCER, attributes=attributes):
            carrier: dict[str, str] = {}
            _propagator.inject(carrier)
            return insert([_tagged(draft, carrier) for draft in drafts])

    # --- running them ---

    def claim(self, claim: Claim) -> Claimed:
        """As the backend does."""
        claimed = self._backend.claim(claim)
        return replace(claimed, jobs=self._begin(claimed.jobs))

    def turn(self, changes: Sequence[Change], claim: Claim) -> Turned:
        """As the backend does."""
        return self._turned(changes, self._backend.turn(self._restored(changes), claim))

    def begin(self, changes: Sequence[Change], claim: Claim) -> Turned | Callable[[], Turned]:
        """As the backend does."""
        begun = self._backend.begin(self._restored(changes), claim)
        return (lambda: self._turned(changes, begun())) if callable(begun) else self._turned(changes, begun)

    def _turned(self, changes: Sequence[Change], turned: Turned) -> Turned:
        self._end(changes, turned.verdicts)
        return replace(turned, jobs=self._begin(turned.jobs))

    def replace(self, changes: Sequence[Change]) -> list[Verdict]:
        """As the backend does."""
        verdicts = self._backend.replace(self._restored(changes))
        self._end(changes, verdicts)
        return verdicts

    def extend(self, leases: Sequence[Token], *, lease: int, live: Mapping[str, bytes] | None = None) -> Extended:
        """As the backend does."""
        extended = self._backend.extend(leases, lease=lease, live=live)
        for token, hold in zip(leases, extended.holds, strict=True):
            if hold == "lost":
                self._lost(_key(token.id, token.token))
        return extended

    def _begin(self, jobs: Iterable[Job]) -> list[Job]:
        return [self._begun(job) for job in jobs]

    def _begun(self, job: Job) -> Job:
        if job.started_at is None or lifecycle.refusal(job, now=job.started_at) is not None:
            return job
        attributes: dict[str, Any] = {
            "messaging.system": "jq",
            "messaging.operation.type": "process",
            "messaging.destination.name": job.queue,
            "messaging.message.id": job.id,
            "jq.attempt": job.attempt,
            "jq.waited_ms": max(0, job.started_at - job.ready_at),
        }
        parent = _propagator.extract(job.headers, Context())
        span = self._tracer.start_span(
            f"run {job.queue}", context=parent, kind=SpanKind.CONSUMER, attributes=attributes
        )
        carrier: dict[str, str] = {}
        _propagator.inject(carrier, trace.set_span_in_context(span))
        self._running[_key(job.id, job.token)] = (span, job)
        while len(self._running) > MAX_RUNNING:
            del self._running[next(iter(self._running))]
        return replace(job, headers={**job.headers, **carrier})

    def _restored(self, changes: Sequence[Change]) -> list[Change]:
        """The changes, with the headers that the jobs had in the store."""
        return [self._with_own_headers(change) for change in changes]

    def _with_own_headers(self, change: Change) -> Change:
        entry = self._running.get(_key(change.id, change.expect))
        if entry is None or change.job is None:
            return change
        return replace(change, job=replace(change.job, headers=entry[1].headers))

    def _end(self, changes: Sequence[Change], verdicts: Sequence[Verdict]) -> None:
        for change, verdict in zip(changes, verdicts, strict=True):
            if not change.fenced:
                continue
            key = _key(change.id, change.expect)
            if verdict == "lost":
                self._lost(key)
            elif (entry := self._running.pop(key, None)) is not None and not change.mark.endswith(":released"):
                _finish(entry[0], change)

    def _lost(self, key: str) -> None:
        span, _ = self._running.pop(key, (None, None))
        if span is not None:
            span.set_status(Status(StatusCode.ERROR, "the lease was lost"))
            span.end()


def traced(
    backend: Backend, provider: TracerProvider | None = None, closed: Callable[[], None] = lambda: None
) -> Backend:
    """The backend, its jobs traced by the provider, which is the process's unless given."""
    standing: Any = Traced(backend, provider, closed)
    return standing  # type: ignore[no-any-return]


def _tagged(draft: Draft, carrier: Mapping[str, str]) -> Draft:
    """The draft with the trace in its headers, unless its producer put one there or there is no room."""
    headers = {**draft.job.headers, **carrier}
    size = sum(len(text.encode()) for header in headers.items() for text in header)
    if not carrier or PARENT in draft.job.headers or size > MAX_HEADER_BYTES:
        return draft
    return replace(draft, job=replace(draft.job, headers=headers))


def _finish(span: Span, change: Change) -> None:
    outcome = "succeeded" if "succeeded" in change.totals else next(iter(change.totals), "interrupted")
    span.set_attribute("jq.outcome", outcome)
    if {"failed", "dead", "recovered"} & set(change.totals):
        error = gist(change.step.new.last_error or "") if change.step and change.step.new else ""
        span.set_status(Status(StatusCode.ERROR, error[:MAX_ERROR] or None))
    span.end()


def _key(id: str, token: str | None) -> str:
    return f"{id} {token}"
