"""Enqueuing and running are spans of one trace, and nothing else about a job changes."""

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

from jq_cli import lifecycle
from jq_cli.backends.base import Backend
from jq_cli.backends.memory.backend import MemoryBackend
from jq_cli.consumer import Consumer
from jq_cli.draft import MAX_HEADER_BYTES, make_draft
from jq_cli.errors import BackendUnreachable
from jq_cli.handlers.callable import CallableHandler
from jq_cli.ids import new_id
from jq_cli.job import Job
from jq_cli.lifecycle import Outcome
from jq_cli.task import Task
from jq_cli.testing import ManualClock
from jq_cli.tracing import switch
from jq_cli.tracing import traced as module
from jq_cli.tracing.handed import variables
from jq_cli.tracing.switch import exporters, for_library
from jq_cli.tracing.traced import Traced, traced
from tests.metrics.wrapping import Halves, calls_about

LEASE = 10_000


class Spans:
    """What was exported."""

    def __init__(self, **options: Any) -> None:
        self.provider = TracerProvider(shutdown_on_exit=False, **options)
        self._exporter = InMemorySpanExporter()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.provider.get_tracer("tests")

    def all(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        [span] = self.all(name)
        return span


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def plain(clock: ManualClock) -> Backend:
    return MemoryBackend(clock=clock)


@pytest.fixture
def store(plain: Backend, spans: Spans) -> Iterator[Backend]:
    with traced(plain, spans.provider) as store:
        yield store


@pytest.fixture
def consumer(store: Backend) -> Consumer:
    return Consumer(store, lease=LEASE)


def put(store: Backend, *queues: str, **fields: Any) -> list[str]:
    drafts = [make_draft(Job(**{"id": new_id(), "queue": queue, "payload": b"1", **fields})) for queue in queues]
    return [answer.id for answer in store.insert(drafts)]


def parent_in(headers: dict[str, str]) -> tuple[str, str]:
    """Trace and span of a traceparent, in hexadecimal."""
    _, trace_id, span_id, _ = headers["traceparent"].split("-")
    return trace_id, span_id


def place_of(span: ReadableSpan) -> tuple[str, str]:
    assert span.context is not None
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"


def test_the_callers_trace_travels_with_the_job_to_its_execution(
    store: Backend, plain: Backend, consumer: Consumer, spans: Spans
) -> None:
    with spans.tracer.start_as_current_span("request"):
        [id] = put(store, "q")
    request, enqueue = spans.one("request"), spans.one("enqueue q")
    assert enqueue.parent is not None
    assert enqueue.parent.span_id == place_of_id(request)
    [stored] = plain.get("q", [id])
    assert stored is not None
    assert parent_in(stored.headers) == place_of(enqueue)
    [job] = consumer.claim(["q"])
    assert spans.all("run q") == []
    consumer.write([consumer.settle(job, Outcome("succeeded"))])
    run = spans.one("run q")
    assert run.parent is not None
    assert run.parent.span_id == place_of_id(enqueue)
    assert place_of(run)[0] == place_of(request)[0]
    assert (enqueue.kind, run.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert run.attributes is not None
    assert enqueue.attributes is not None
    assert run.attributes["messaging.message.id"] == enqueue.attributes["messaging.message.id"] == id
    assert (run.attributes["jq.outcome"], run.attributes["jq.attempt"]) == ("succeeded", 1)
    assert run.status.status_code is StatusCode.UNSET


def place_of_id(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.span_id


def test_the_handler_sees_the_execution_and_the_store_keeps_the_enqueuer(
    store: Backend, plain: Backend, consumer: Consumer, clock: ManualClock, spans: Spans
) -> None:
    [id] = put(store, "q", headers={"tenant": "acme"})
    runs = []
    for _ in range(2):
        [job] = consumer.turn([], ["q"], 1)[1]
        runs.append(parent_in(job.headers))
        assert job.headers["tenant"] == "acme"
        consumer.turn([consumer.settle(job, Outcome("failed", error="Traceback\nValueError: no"))], ["elsewhere"], 1)
        [stored] = plain.get("q", [id])
        assert stored is not None
        assert parent_in(stored.headers) == place_of(spans.one("enqueue q"))
        clock.advance(60_000)
    executions = spans.all("run q")
    assert [place_of(span) for span in executions] == runs
    assert {span.parent.span_id for span in executions if span.parent} == {place_of_id(spans.one("enqueue q"))}
    assert [(span.status.status_code, span.status.description) for span in executions] == [
        (StatusCode.ERROR, "ValueError: no")
    ] * 2
    assert [span.attributes["jq.attempt"] for span in executions if span.attributes] == [1, 2]


def test_a_batch_is_one_span(store: Backend, plain: Backend, spans: Spans) -> None:
    put(store, "a", "a", "a")
    put(store, "a", "b")
    span = spans.one("enqueue a")
    assert span.attributes is not None
    assert span.attributes["messaging.batch.message_count"] == 3
    assert {parent_in(job.headers) for job in plain.page("a", "ready").jobs} == {
        place_of(span),
        place_of(spans.one("enqueue")),
    }


def test_a_trace_that_the_producer_chose_is_kept(
    store: Backend, plain: Backend, consumer: Consumer, spans: Spans
) -> None:
    chosen = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    put(store, "q", headers={"traceparent": chosen})
    assert plain.page("q", "ready").jobs[0].headers == {"traceparent": chosen}
    [job] = consumer.claim(["q"])
    consumer.write([consumer.settle(job, Outcome("succeeded"))])
    assert place_of(spans.one("run q"))[0] == "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize("header", ["", "nonsense", "00-0-0-0", "é" * 50, "ff-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_a_damaged_trace_begins_a_new_one(store: Backend, consumer: Consumer, spans: Spans, header: str) -> None:
    put(store, "q", headers={"traceparent": header})
    [job] = consumer.claim(["q"])
    consumer.write([consumer.settle(job, Outcome("succeeded"))])
    assert spans.one("run q").parent is None


def test_headers_that_leave_no_room_stay_as_they_are(store: Backend, plain: Backend) -> None:
    full = {"h": "x" * (MAX_HEADER_BYTES - 20)}
    put(store, "q", headers=full)
    assert plain.page("q", "ready").jobs[0].headers == full


def test_what_never_ran_is_no_execution(store: Backend, consumer: Consumer, clock: ManualClock, spans: Spans) -> None:
    put(store, "q")
    store.insert([make_draft(Job(id=new_id(), queue="old", payload=b"1"), expires_in=1_000)])
    clock.advance(1_000)
    [job] = consumer.claim(["q"])
    assert consumer.claim(["old"]) == []
    consumer.write([lifecycle.release(job)])
    assert spans.all("run q") == spans.all("run old") == []


def test_a_lost_lease_is_an_error(store: Backend, consumer: Consumer, clock: ManualClock, spans: Spans) -> None:
    put(store, "q", "q")
    first, second = consumer.claim(["q"], 2)
    clock.advance(LEASE)
    Consumer(store).tick()
    consumer.extend([first])
    consumer.write([consumer.settle(job, Outcome("succeeded")) for job in (first, second)])
    assert [span.status.description for span in spans.all("run q")] == ["the lease was lost"] * 2


def test_an_outcome_without_an_answer_ends_its_span_when_it_is_sent_again(
    store: Backend, consumer: Consumer, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, "q")
    [job] = consumer.claim(["q"])
    change = consumer.settle(job, Outcome("succeeded"))
    replace = MemoryBackend.replace

    def lost(self: MemoryBackend, changes: Any) -> Any:
        replace(self, changes)
        raise BackendUnreachable("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(MemoryBackend, "replace", lost)
        with pytest.raises(BackendUnreachable):
            consumer.write([change])
    assert spans.all("run q") == []
    assert consumer.write([change]) == ["already"]
    spans.one("run q")


def test_an_enqueue_that_fails_is_an_error(store: Backend, spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(self: MemoryBackend, drafts: Any) -> Any:
        raise BackendUnreachable("down")

    monkeypatch.setattr(MemoryBackend, "insert", down)
    with pytest.raises(BackendUnreachable):
        put(store, "q")
    assert spans.one("enqueue q").status.status_code is StatusCode.ERROR


def test_what_is_not_sampled_is_not_exported_but_travels(plain: Backend) -> None:
    spans = Spans(sampler=ALWAYS_OFF)
    store = traced(plain, spans.provider)
    put(store, "q")
    assert plain.page("q", "ready").jobs[0].headers["traceparent"].rpartition("-")[2] in ("00", "02")
    assert spans.all("enqueue q") == []


def test_without_a_provider_jobs_are_as_they_were(plain: Backend) -> None:
    put(traced(plain, trace.NoOpTracerProvider()), "q")
    assert plain.page("q", "ready").jobs[0].headers == {}


def test_a_turn_in_two_halves_is_traced_when_it_is_answered(clock: ManualClock, spans: Spans) -> None:
    plain = Halves(clock=clock)
    store = traced(plain, spans.provider)
    consumer = Consumer(store)
    [first, _] = put(store, "q", "q")
    [job] = consumer.claim(["q"])
    begun = consumer.begin([consumer.settle(job, Outcome("succeeded"))], ["q"], 1, 1)
    assert callable(begun)
    assert spans.all("run q") == []
    _, [other] = begun()
    assert place_of(spans.one("run q")) == parent_in(job.headers) != parent_in(other.headers)
    [stored] = plain.get("q", [first])
    assert stored is not None
    assert parent_in(stored.headers) == place_of(spans.one("enqueue q"))


def test_no_call_goes_past_it() -> None:
    assert calls_about("Change", "Claim", "Draft") <= set(vars(Traced))


def test_only_so_many_executions_are_remembered(
    store: Backend, consumer: Consumer, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_RUNNING", 2)
    put(store, "q", "q", "q")
    jobs = consumer.claim(["q"], 3)
    assert consumer.write([consumer.settle(job, Outcome("succeeded")) for job in jobs]) == ["applied"] * 3
    assert len(spans.all("run q")) == 2


def test_it_passes_for_the_store_behind_it(store: Backend) -> None:
    assert isinstance(store, MemoryBackend)
    assert type(store) is Traced


# --- what handlers get ---


def task(headers: dict[str, str]) -> Task:
    return Task(1, new_id(), "q", b"1", 1, 0, 0, "f", None, headers, None)


HEADERS = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


def current(_payload: Any) -> str:
    return f"{trace.get_current_span().get_span_context().trace_id:032x}"


async def current_later(payload: Any) -> str:
    await asyncio.sleep(0)
    return current(payload)


class NoContext:
    def stop_requested(self) -> bool:
        return False

    def live(self, id: str, record: bytes) -> None: ...


def test_a_callable_runs_in_the_trace_of_its_job() -> None:
    handler = CallableHandler(current)
    assert handler.run(task(HEADERS), NoContext()).result == b'"0af7651916cd43dd8448eb211c80319c"'
    assert handler.run(task({}), NoContext()).result == b'"' + b"0" * 32 + b'"'
    later = CallableHandler(current_later)
    assert asyncio.run(later.run_async(task(HEADERS), NoContext())).result == b'"0af7651916cd43dd8448eb211c80319c"'


def test_a_command_gets_the_trace_in_its_environment() -> None:
    assert variables({**HEADERS, "tracestate": "a=b", "other": "x"}) == {
        "TRACEPARENT": HEADERS["traceparent"],
        "TRACESTATE": "a=b",
    }
    assert variables({"traceparent": "a\0b"}) == variables({}) == {}


# --- when spans are wanted ---


@pytest.mark.parametrize(
    ("env", "names"),
    [
        ({}, []),
        ({"OTEL_TRACES_EXPORTER": "none"}, []),
        ({"OTEL_TRACES_EXPORTER": ""}, []),
        ({"OTEL_TRACES_EXPORTER": "otlp, console"}, ["otlp", "console"]),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "TRUE"}, []),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "redis, jq_cli"}, []),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "redis"}, ["otlp"]),
    ],
)
def test_the_environment_says_where_a_program_sends_its_spans(env: dict[str, str], names: list[str]) -> None:
    assert exporters(env) == names


def test_a_library_traces_when_the_program_that_uses_it_does(plain: Backend) -> None:
    assert type(for_library(plain, {}, {switch.SDK})) is Traced
    assert for_library(plain, {}, set()) is plain
    assert for_library(plain, {"OTEL_SDK_DISABLED": "true"}, {switch.SDK}) is plain
    assert switch.SDK in sys.modules
