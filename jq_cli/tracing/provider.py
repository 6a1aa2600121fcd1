"""OpenTelemetry's SDK set up for one run of the program, as the environment says, and the trace it was started in."""

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from threading import Thread
from typing import Any

from opentelemetry import context, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from jq_cli.tracing.names import EXPORTER, PARENT, STATE

GROUP = "opentelemetry_traces_exporter"
"""Where installed exporters name themselves."""

FLUSH = 3.0
"""Seconds that a command or worker waits at its end for its last spans to be sent."""


def set_up(names: Sequence[str], env: Mapping[str, str], say: Callable[[str], None]) -> Callable[[], None]:
    """Send spans to these exporters, unless somebody set something up before (`opentelemetry-instrument` does). Gives what must
    be called at the end."""
    _join(env)
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        named = {} if "OTEL_SERVICE_NAME" in env else {"service.name": "jq"}
        provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
        for name in names:
            exporter = _exporter(name, say)
            if exporter is not None:
                provider.add_span_processor(BatchSpanProcessor(exporter))
        trace.set_tracer_provider(provider)
    return lambda: _flush(provider)


def _exporter(name: str, say: Callable[[str], None]) -> Any:
    for point in entry_points(group=GROUP, name=name):
        return point.load()()
    known = ", ".join(sorted(point.name for point in entry_points(group=GROUP))) or "none"
    say(f"{EXPORTER}: no exporter {name!r} is installed, so it gets no traces; installed: {known}")
    return None


def _join(env: Mapping[str, str]) -> None:
    """Go on in the trace of who started the program."""
    carrier = {name: env[name.upper()] for name in (PARENT, STATE) if name.upper() in env}
    if carrier:
        context.attach(TraceContextTextMapPropagator().extract(carrier))


def _flush(provider: TracerProvider) -> None:
    # An exporter whose collector is away may try for longer than anybody wants to wait for a command.
    thread = Thread(target=provider.force_flush, daemon=True)
    thread.start()
    thread.join(FLUSH)
