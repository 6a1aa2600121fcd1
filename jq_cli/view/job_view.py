"""One job, or several, in full: indented text for people, records for programs."""

import shutil
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import asdict

from jq_cli.job import Job
from jq_cli.timeline import timeline
from jq_cli.view.output import Form, json_text, moment, pretty_json, shown
from jq_cli.view.records import Record, job_record, json_value
from jq_cli.view.safe_text import safe_lines, safe_text
from jq_cli.view.table import Column, aligned

INDENT = "  "


def full_record(job: Job, output: bytes | None, now: int) -> Record:
    """Every public field of a job, its timeline, how many seconds its lease has left (negative: ended so long ago), and its
    captured output and progress, if there are any. `now`: the store's time in ms."""
    record = job_record(job)
    if job.state == "running" and job.lease_until is not None:
        record["lease_left"] = (job.lease_until - now) / 1_000
    record["timeline"] = [asdict(event) for event in timeline(job)]
    if output is not None:
        record["output"] = json_value(output)
    return record


def print_job(record: Record, form: Form, now: int) -> None:
    """The fields that are set, one a line; then what takes several lines."""
    width = max(map(len, record))
    for name, value in record.items():
        if name not in _BLOCKS and (text := shown(name, value, form, now)):
            print(f"{name:{width}}  {text}")
    for name, read in _BLOCKS.items():
        if name == "last_error" and record["errors"] and record["errors"][-1]["error"] == record[name]:
            continue  # it is the last of the errors below
        if (value := record.get(name)) not in (None, [], "") and (lines := read(value, form, now)):
            print(f"{name}:")
            for line in lines:
                print(f"{INDENT}{line}")


def _block(value: Any, form: Form, now: int) -> list[str]:
    return safe_lines(value) if isinstance(value, str) else pretty_json(value).split("\n")


def _timeline(events: list[Record], form: Form, now: int) -> list[str]:
    rows = [
        [
            moment(event["at"], form, now),
            safe_text(event["event"]) + (f", run {event['run']}" if event["run"] else ""),
            safe_text(event["by"] or ""),
            safe_text(event["detail"]),
        ]
        for event in events
    ]
    lines = aligned([Column("")] * 4, rows, headers=False)
    room = shutil.get_terminal_size().columns - len(INDENT)
    return [line if not form.terminal or len(line) <= room else line[: room - 1] + "…" for line in lines]


def _errors(entries: list[Record], form: Form, now: int) -> list[str]:
    lines = []
    for entry in entries:
        where = f"run {entry['generation']} on {safe_text(entry['worker'])}"
        first, *rest = safe_lines(entry["error"])
        lines.append(f"{moment(entry['at'], form, now)} {entry['kind']}, {where}: {first}")
        lines += [f"{INDENT}{line}" for line in rest]
    return lines


def _history(deeds: list[Record], form: Form, now: int) -> list[str]:
    """The payloads as they were, so that they can be given back; the rest stands in the timeline."""
    lines = []
    for deed in deeds:
        if deed["payload"] is not None:
            lines.append(f"until {moment(deed['at'], form, now)}, edited by {safe_text(deed['by'])}, the payload was:")
            lines += [f"{INDENT}{line}" for line in _block(deed["payload"], form, now)]
    return lines


def _output(value: Any, form: Form, now: int) -> list[str]:
    """Captured output: texts of several lines are shown as such, everything else as JSON."""
    try:
        fields = msgspec.json.decode(value, type=dict[str, Any])
    except (msgspec.MsgspecError, TypeError, RecursionError):
        return _block(value, form, now)
    lines = []
    for name, field in fields.items():
        if name.endswith("_raw"):
            continue  # the same bytes once more, for programs
        if isinstance(field, str):
            lines += [f"{safe_text(name)}:", *(f"{INDENT}{line}" for line in safe_lines(field.rstrip("\n")))]
        else:
            lines.append(f"{safe_text(name)}: {json_text(field)}")
    return lines


_BLOCKS: dict[str, Callable[[Any, Form, int], list[str]]] = {
    "payload": _block,
    "timeline": _timeline,
    "result": _block,
    "last_error": _block,
    "errors": _errors,
    "history": _history,
    "output": _output,
    "raw": _block,
}
