"""OpenTelemetry: enqueuing and running become spans of one trace, whose context travels in the headers of jobs. Nothing here is
loaded unless spans are wanted (`switch` knows); needs the extra `otel`."""
