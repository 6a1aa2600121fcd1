"""What was measured of queues, in the forms that monitoring reads: Nagios plugins and Prometheus text. Pure."""

from collections.abc import Iterator, Sequence

from jq_cli.thresholds import STATUSES, Finding, Measure, worst

_UNITS = {"ready": "", "age": "s", "dead": ""}
_HELP: dict[Measure, tuple[str, str]] = {
    "ready": ("jq_queue_ready", "Jobs that are ready to run."),
    "age": ("jq_queue_oldest_ready_age_seconds", "Age of the oldest ready job."),
    "dead": ("jq_queue_dead", "Jobs in the dead letter queue."),
}
NAGIOS = {"ok": 0, "warning": 1, "critical": 2}
NAGIOS_UNKNOWN = 3


def nagios_line(found: Sequence[Finding]) -> str:
    """One line: the status, what is wrong, and behind a bar every value with its limits."""
    wrong = [_said(finding) for finding in found if finding.status != "ok"]
    data = " ".join(_performance(finding) for finding in found)
    queues = len({finding.queue for finding in found})
    summary = "; ".join(wrong) or f"{queues} {'queue' if queues == 1 else 'queues'} within limits"
    return f"JQ {worst(found).upper()} - {summary}" + (f" | {data}" if data else "")


def prometheus_lines(found: Sequence[Finding]) -> Iterator[str]:
    """Gauges of the values, and for each limit whether it holds."""
    for measure, (name, text) in _HELP.items():
        yield from _gauge(name, text, [(f'queue="{f.queue}"', f.value) for f in found if f.measure == measure])
    labels = [(f'queue="{f.queue}",check="max_{f.measure}"', float(f.status != "critical")) for f in found]
    yield from _gauge("jq_check_ok", "Whether a queue is within a limit: 1 or 0.", labels)


def _gauge(name: str, text: str, values: Sequence[tuple[str, float]]) -> Iterator[str]:
    if values:
        yield f"# HELP {name} {text}"
        yield f"# TYPE {name} gauge"
        yield from (f"{name}{{{labels}}} {value:.10g}" for labels, value in values)


def _said(finding: Finding) -> str:
    unit = _UNITS[finding.measure]
    limit = finding.max if finding.status == STATUSES[-1] else finding.warn
    return f"{finding.queue}: {finding.measure} {finding.value:.10g}{unit} is more than {limit:.10g}{unit}"


def _performance(finding: Finding) -> str:
    unit = _UNITS[finding.measure]
    return f"'{finding.queue} {finding.measure}'={finding.value:.10g}{unit};{finding.warn:.10g};{finding.max:.10g};0"
