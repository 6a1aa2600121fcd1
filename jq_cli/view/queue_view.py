"""One queue, or several, in full: lines for people, records for programs."""

from typing import Any

from msgspec import to_builtins

from jq_cli.backends.base import QueueCounts
from jq_cli.config.settings import Settings
from jq_cli.view.output import Form, shown
from jq_cli.view.records import Record, queue_record


def full_queue_record(counts: QueueCounts, settings: Settings) -> Record:
    """A queue's counts, totals and controls, and as `configured` what the configuration file says about it."""
    return queue_record(counts) | {"configured": configured_record(counts.queue, settings)}


def configured_record(queue: str, settings: Settings) -> dict[str, Any]:
    """What the configuration file says about a queue, or about all."""
    own = settings.queue(queue)
    named = "queues" if queue in settings.queues else "defaults"
    path = (named, queue) if named == "queues" else (named,)
    return {
        name: to_builtins(getattr(own, name))
        for name in own.__struct_fields__
        if any(keys[: len(path) + 1] == (*path, name) for keys in settings.sources)
    }


def print_queue(record: Record, form: Form, now: int, *, first: bool) -> None:
    """The fields that are set, one a line."""
    if not first:
        print()
    rows = [
        (name, text)
        for name, value in record.items()
        if name != "configured" and (text := shown(name, value, form, now))
    ]
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        print(f"{name:{width}}  {_words(name, text)}")
    if record["configured"]:
        print("configured:")
        for name, value in record["configured"].items():
            print(f"  {name}  {shown(name, value, form, now) or 'none'}")


def _words(name: str, text: str) -> str:
    if name == "paused":
        return "yes" if text == "true" else "no"
    return "no limit" if (name, text) == ("max_running", "0") else text
