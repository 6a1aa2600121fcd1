"""One job, or several, in full: indented text for people, records for programs."""

from collections.abc import Callable
from typing import Any

import msgspec

from jq_cli.job import Job
from jq_cli.view.output import Form, json_text, moment, pretty_json, shown
from jq_cli.view.records import Record, job_record, json_value
from jq_cli.view.safe_text import safe_lines, safe_text


def full_record(job: Job, output: bytes | None) -> Record:
    """Every public field of a job and its captured output and progress, if there are any."""
    record = job_record(job)
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
        if (value := record.get(name)) not in (None, [], ""):
            print(f"{name}:")
            for line in read(value):
                print(f"  {line}")


def _block(value: Any) -> list[str]:
    return safe_lines(value) if isinstance(value, str) else pretty_json(value).split("\n")


def _errors(entries: list[Record]) -> list[str]:
    lines = []
    for entry in entries:
        first, *rest = safe_lines(entry["error"])
        lines.append(
            f"{_when(entry['at'])} {entry['kind']}, run {entry['generation']} on {safe_text(entry['worker'])}: {first}"
        )
        lines += [f"  {line}" for line in rest]
    return lines


def _output(value: Any) -> list[str]:
    """Captured output: texts of several lines are shown as such, everything else as JSON."""
    try:
        fields = msgspec.json.decode(value, type=dict[str, Any])
    except (msgspec.MsgspecError, TypeError, RecursionError):
        return _block(value)
    lines = []
    for name, field in fields.items():
        if name.endswith("_raw"):
            continue  # the same bytes once more, for programs
        if isinstance(field, str):
            lines += [f"{safe_text(name)}:", *(f"  {line}" for line in safe_lines(field.rstrip("\n")))]
        else:
            lines.append(f"{safe_text(name)}: {json_text(field)}")
    return lines


def _when(ms: int) -> str:
    return moment(ms, Form(time="iso"), 0)


_BLOCKS: dict[str, Callable[[Any], list[str]]] = {
    "payload": _block,
    "result": _block,
    "last_error": _block,
    "errors": _errors,
    "output": _output,
    "raw": _block,
}
