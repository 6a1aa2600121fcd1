"""Names that tracing goes by."""

PARENT, STATE = "traceparent", "tracestate"
"""Headers of jobs that carry a trace, as W3C names them."""

EXPORTER = "OTEL_TRACES_EXPORTER"
"""The variable that names where programs send their spans."""

INSTRUMENTATION = "jq_cli"
"""The name under which spans are made, and under which OTEL_PYTHON_DISABLED_INSTRUMENTATIONS switches them off."""
