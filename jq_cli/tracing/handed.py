"""The trace that a running job belongs to, handed to its handler."""

import sys
from collections.abc import Mapping
from typing import Any

from jq_cli.tracing.names import PARENT, STATE


def variables(headers: Mapping[str, str]) -> dict[str, str]:
    """The environment variables by which programs hand a trace on."""
    return {name.upper(): headers[name] for name in (PARENT, STATE) if "\0" not in headers.get(name, "\0")}


def entered(headers: Mapping[str, str]) -> Any:
    """Make the trace of a job the current one, if the handler's code uses OpenTelemetry at all; pass the result to `left`."""
    if PARENT not in headers or "opentelemetry" not in sys.modules:
        return None
    from opentelemetry import context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return context.attach(TraceContextTextMapPropagator().extract(headers))


def left(token: Any) -> None:
    """The job's handler has ended."""
    if token is not None:
        from opentelemetry import context

        context.detach(token)
