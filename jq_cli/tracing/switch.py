"""Whether spans are wanted: looks at the environment and at what is loaded already, and loads nothing itself until they are."""

import os
import sys
from collections.abc import Callable, Container, Mapping

from jq_cli.backends.base import Backend
from jq_cli.tracing.names import EXPORTER, INSTRUMENTATION

SDK = "opentelemetry.sdk.trace"


def exporters(env: Mapping[str, str]) -> list[str]:
    """The exporters that the environment names for programs, such as `otlp` or `console`."""
    names = [name.strip() for name in env.get(EXPORTER, "").split(",")]
    return [] if refused(env) else [name for name in names if name not in ("", "none")]


def refused(env: Mapping[str, str]) -> bool:
    """Whether the environment says that there shall be no spans."""
    disabled = env.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")
    return env.get("OTEL_SDK_DISABLED", "").lower() == "true" or INSTRUMENTATION in map(str.strip, disabled)


def for_library(
    backend: Backend, env: Mapping[str, str] = os.environ, modules: Container[str] | None = None
) -> Backend:
    """The backend, with spans if the program that uses it has loaded OpenTelemetry's SDK."""
    if SDK not in (sys.modules if modules is None else modules) or refused(env):
        return backend
    from jq_cli.tracing.traced import traced

    return traced(backend)


def for_program(backend: Backend, say: Callable[[str], None], env: Mapping[str, str] = os.environ) -> Backend:
    """The backend, with spans if the environment names an exporter. One that is missing costs the spans, not the work."""
    names = exporters(env)
    if not names:
        return for_library(backend, env)
    try:
        from jq_cli.tracing.provider import set_up
        from jq_cli.tracing.traced import traced
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        say(f"{EXPORTER} is set, but there are no traces without the module {error.name!r}: pip install 'jq-cli[otel]'")
        return backend
    flush = set_up(names, env, say)
    return traced(backend, closed=flush)
