"""Counts jobs by what they have in common instead of listing them: `--group-by` of `jq ls` and `jq dlq ls`."""

from collections.abc import Iterable, Sequence
from typing import Any

from jq_cli.cli.session import say
from jq_cli.cli.targets import Targets
from jq_cli.client import Client
from jq_cli.job import State
from jq_cli.triage.filter import JobFilter
from jq_cli.triage.grouping import MOST, Group, Tally
from jq_cli.view.list_jobs import Looked, known_queues
from jq_cli.view.output import Answer, Form, Listing, json_text, show
from jq_cli.view.records import Record

FIELDS = ("queue", "group", "kind", "count", "first_at", "last_at", "example")
COLUMNS = ("count", "first_at", "last_at", "group")


def group_jobs(
    client: Client,
    queues: Sequence[str],
    states: Sequence[State],
    jobs: JobFilter,
    form: Form,
    *,
    by: str,
    reverse: bool,
) -> None:
    """Print how many of the jobs that a filter means have the same error, field or value, and since when: the largest group
    first, or (`reverse`) last."""
    shown = COLUMNS if len(queues) == 1 else ("queue", *COLUMNS)
    listing = Listing(fields=FIELDS, columns=shown, id="group", whole=frozenset({"queue", "example"}))
    targets = Targets()
    Tally(by)  # refuses what it does not know before the store is asked

    def fetch() -> Answer:
        tally = Tally(by)
        known = known_queues(client, queues, targets)
        found = Looked(client, known, states, jobs, reverse=False, color=form.color != "never")
        for job in found:
            tally.add(job)
        found.close()
        groups = tally.groups()[:: -1 if reverse else 1]
        _say_rest(groups, form)
        return Answer(_records(groups, form), known[0].now if known else 0)

    show(listing, fetch, form)
    targets.end()


def _records(groups: Iterable[Group], form: Form) -> Iterable[Record]:
    for group in groups:
        value = group.value if form.kind in ("json", "jsonl") else _text(group)
        yield {name: getattr(group, name, value) for name in FIELDS}


def _text(group: Group) -> str:
    if group.kind != "value":
        return "(none)" if group.kind == "none" else "(all others)"
    value: Any = group.value
    return value if isinstance(value, str) else json_text(value)


def _say_rest(groups: Sequence[Group], form: Form) -> None:
    if form.limit and form.kind == "table" and len(groups) > form.limit:
        say(f"showing {form.limit:,} of {len(groups):,} groups; --limit 0 shows all")
    others = sum(group.count for group in groups if group.kind == "other")
    if others:
        say(
            f"more than {MOST:,} groups: the jobs of further ones ({others:,}) are counted together; a filter leaves fewer"
        )
