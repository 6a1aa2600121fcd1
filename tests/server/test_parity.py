"""Everything the command line can do has a route of the Admin API, or a reason why it has none: for each command, for each option."""

import json
from collections.abc import Iterator
from typing import Any

import click
import pytest

from jq_cli.cli.options import GLOBAL_OPTIONS
from jq_cli.cli.root import root
from tests.architecture import HOME

DOCUMENT = json.loads((HOME.parent / "docs" / "openapi.json").read_text())

HOST = "reads or changes what lies on a host or in its process, which is not for callers from elsewhere"
FORM = "how a terminal or a script wants its output; JSON has one form"
ASKS = "questions to a person at a terminal"
PACE = "the caller sends orders of so many jobs (limit, cursor) as slowly as it likes"
IDS = "the answer names the ids"
TEXT = "a JSON string is one"
WAITS = "GET /v1/jobs/{id}/wait"

EVERYWHERE = {
    "json": FORM, "jsonl": FORM, "plain": FORM, "quiet": FORM, "columns": FORM, "no-headers": FORM, "time": FORM,
    "watch": "ask again", "yes": ASKS, "verbose": IDS, "text": TEXT, "wait-timeout": WAITS + "?timeout",
    "exit-code": FORM, "output": "part of a job's record", "raw": "the payload is a field",
}  # fmt: skip
"""Options that mean the same wherever they stand, and why no route takes them."""

JOBS = "GET /v1/queues/{queue}/jobs"
GROUPS = "GET /v1/queues/{queue}/groups"
ORDER = "POST /v1/queues/{queue}/jobs/{action}"
EDIT = "POST /v1/queues/{queue}/jobs/edit"
NEW = "POST /v1/jobs"
CLAUSES = ("error", "payload", "header", "older-than", "newer-than", "priority", "attempts")
FILTER = {name: f"?{name.replace('-', '_')}" for name in CLAUSES}
ORDERED = {
    **{name: f".{name.replace('-', '_')}" for name in CLAUSES}, "error": ".errors", "header": ".headers", "id": ".ids",
    "all": ".all", "dry-run": ".dry_run", "rate": PACE,
}  # fmt: skip
DRAFT = {
    "delay": ".delay", "at": "the caller knows the moment and can tell the delay", "priority": ".priority", "retries": ".max_retries",
    "backoff": ".backoff", "timeout": ".timeout", "ttl": ".ttl", "dedup-key": ".dedup_key", "dedup-ttl": ".dedup_ttl",
    "dedup-until": ".dedup_until", "idempotency-key": ".idempotency_key", "idempotency-ttl": ".idempotency_ttl",
    "delivery": ".delivery", "header": ".headers", "id": ".id", "retention": ".retention",
    "fail-on-duplicate": "the answer's status says so",
}  # fmt: skip
CRON = {
    "tz": ".timezone", "catch-up": ".catch_up", "overlap": ".overlap", "priority": ".priority", "retries": ".max_retries",
    "backoff": ".backoff", "timeout": ".timeout", "ttl": ".ttl", "retention": ".retention", "delivery": ".delivery",
    "header": ".headers",
}  # fmt: skip
EDITS = {
    "new-payload": ".payload", "set": ".set", "unset": ".unset", "new-priority": ".priority", "max-retries": ".max_retries",
    "timeout": ".timeout", "new-header": ".headers", "unset-header": ".headers", "requeue": ".requeue",
}  # fmt: skip
ONE = {"new-payload": "payload", "new-priority": "priority", "new-header": "header"}

TABLE: dict[str, tuple[str, dict[str, str]]] = {
    "enqueue": (NEW, {**DRAFT, "from": "POST /v1/jobs/batch", "skip-lines": PACE, "skip-invalid": "a batch is checked whole", "wait": WAITS}),
    "run": (NEW, DRAFT),
    "work": ("-" + HOST, {}),
    "ls-queues": ("GET /v1/queues", {"limit": "the list is whole"}),
    "len": ("GET /v1/queues/{queue}", {"state": "each state has its field", "limit": "the list is whole"}),
    "ls": (JOBS, {**FILTER, "state": "?state", "id": "?id", "limit": "?limit", "reverse": "?reverse", "group-by": f"{GROUPS}?by"}),
    "show": ("GET /v1/jobs/{id}", {}),
    "wait": (WAITS, {"any": "one request for each job"}),
    "history": (
        "GET /v1/history",
        {name: f"?{name}" for name in ("event", "since", "until", "worker", "error", "reason", "limit")} | {"sql": HOST},
    ),
    "queue show": ("GET /v1/queues/{queue}", {}),
    "queue set": ("PUT /v1/queues/{queue}/limit", {"max-running": ".max_running"}),
    "workers": ("GET /v1/workers", {"limit": "the list is whole"}),
    "stats": ("GET /v1/stats", {"over": "?over", "latency": "?latency", "limit": "the list is whole"}),
    "promote": (ORDER, ORDERED),
    "requeue": ("POST /v1/recover", {"worker": ".worker"}),
    "cancel": (ORDER, {**ORDERED, "state": ".states", "wait": WAITS}),
    "rm": (ORDER, {**ORDERED, "state": ".states"}),
    "edit": ("PATCH /v1/jobs/{id}", {ONE.get(name, name): field for name, field in EDITS.items()}),
    "dlq ls": (JOBS, {**FILTER, "id": "?id", "limit": "?limit", "reverse": "?reverse", "group-by": f"{GROUPS}?by"}),
    "dlq show": (JOBS, FILTER),
    "dlq edit": (EDIT, {**ORDERED, **{name: f".edit{field}" for name, field in EDITS.items()}}),
    "dlq requeue": (ORDER, ORDERED),
    "dlq purge": (ORDER, ORDERED),
    "pause": ("POST /v1/queues/{queue}/pause", {"reason": ".reason", "until": ".until"}),
    "resume": ("POST /v1/queues/{queue}/resume", {}),
    "cron ls": ("GET /v1/schedules", {"limit": "the list is whole"}),
    "cron next": ("GET /v1/cron/next", {"count": "?count", "tz": "?tz", "after": "?after", "limit": "?count"}),
    "cron add": ("POST /v1/schedules", CRON),
    "cron edit": (
        "PATCH /v1/schedules/{name}",
        {**CRON, "cron": ".cron", "queue": ".queue", "payload": ".payload", "unset": ".unset"},
    ),
    "cron rm": ("DELETE /v1/schedules/{name}", {}),
    "cron pause": ("POST /v1/schedules/{name}/pause", {"reason": ".reason"}),
    "cron resume": ("POST /v1/schedules/{name}/resume", {}),
    "cron trigger": ("POST /v1/schedules/{name}/trigger", {"force": "?force"}),
    "cron run": ("-the server fires the schedules itself", {}),
    "check": (
        "GET /v1/check",
        {"max-ready": "?max_ready", "max-age": "?max_age", "max-dead": "?max_dead", "warn-at": "?warn_at",
         "nagios": FORM, "prometheus": "/metrics", "limit": "the list is whole"},
    ),
    "serve": ("-" + HOST, {}),
    "token new": ("-who holds a token may not make others that outlive it", {}),
    "config show": ("-" + HOST, {}),
    "config check": ("-" + HOST, {}),
    "db init": ("-" + HOST, {}),
    "db status": ("-" + HOST, {}),
    "db upgrade": ("-" + HOST, {}),
    "db sql": ("-" + HOST, {}),
    "backends": ("-" + HOST, {}),
    "bench": ("-it fills a store on purpose; run it on a host, through the HTTP backend if need be", {}),
}  # fmt: skip
"""Command: its route, or `-` and why it has none; option: where the route takes it (`?parameter`, `.field` of the body,
another route), or why it does not."""


def commands(group: click.Group = root, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands())


def options(command: click.Command) -> set[str]:
    shared = {id(param) for param in GLOBAL_OPTIONS}
    own = [param for param in command.params if isinstance(param, click.Option) and id(param) not in shared]
    return {param.opts[0].lstrip("-") if len(param.opts[0]) > 2 else param.opts[-1].lstrip("-") for param in own}


def test_every_command_is_in_the_table() -> None:
    assert set(COMMANDS) == set(TABLE)


@pytest.mark.parametrize("name", sorted(name for name, (route, _) in TABLE.items() if route[0] != "-"))
def test_every_option_of_a_command_is_taken_by_its_route_or_has_a_reason(name: str) -> None:
    route, table = TABLE[name]
    known = {**EVERYWHERE, **table}
    assert options(COMMANDS[name]) - {"help"} - set(known) == set()
    assert {option for option in table if option not in options(COMMANDS[name])} == set()
    assert operation(route)
    for where in known.values():
        if where.startswith("?"):
            assert where[1:] in parameters(route), (route, where)
        elif where.startswith("."):
            assert field(route, where[1:].split(".")), (route, where)
        elif where.startswith(("GET /", "POST /")):
            other, _, parameter = where.partition("?")
            assert operation(other)
            assert not parameter or parameter in parameters(other)


def operation(route: str) -> dict[str, Any]:
    method, _, path = route.partition(" ")
    found: dict[str, Any] = DOCUMENT["paths"][path][method.lower()]
    return found


def parameters(route: str) -> set[str]:
    return {each["name"] for each in operation(route).get("parameters", ()) if each["in"] == "query"}


def field(route: str, path: list[str]) -> bool:
    """Whether the body of a route has a field."""
    schema = operation(route)["requestBody"]["content"]["application/json"]["schema"]
    for name in path:
        if "$ref" in schema:
            schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        if name not in schema["properties"]:
            return False
        schema = schema["properties"][name]
    return True
