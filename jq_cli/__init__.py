"""jq: a job queue that operators drive from the command line, with one behaviour on every store."""

__version__ = "0.1.0"
