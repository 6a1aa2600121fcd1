"""What the configuration file may hold, and how its values become settings."""

import os
from typing import Any

from jq_cli.config.file import Reader, Values, read_text, readable_by_others
from jq_cli.config.kinds import (
    Group,
    Kind,
    Named,
    duration,
    flag,
    name,
    number,
    one_of,
    scalar,
    size,
    text,
    whole,
    words,
)
from jq_cli.config.settings import BackendSettings, Keys, QueueSettings, WorkerSettings
from jq_cli.draft import MAX_PRIORITY, MAX_TRIES
from jq_cli.handlers.spec import HandlerSpec
from jq_cli.job import Backoff
from jq_cli.store_url import has_secret, mask_option


def _handler(value: Any) -> HandlerSpec:
    if value == "echo":
        return HandlerSpec("echo")
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError
    kind, what = next(iter(value.items()))
    if kind == "command":
        return HandlerSpec("command", argv=_argv(what))
    if kind == "shell":
        return HandlerSpec("shell", line=str(text().read(what)))
    if kind == "call" and ":" in text().read(what):
        return HandlerSpec("call", target=what)
    raise ValueError


def _argv(value: Any) -> tuple[str, ...]:
    argv: tuple[str, ...] = words("").read(value)
    if not argv:
        raise ValueError
    return argv


HANDLER = Kind("echo, {command: [program, argument...]}, {shell: line} or {call: module:function}", _handler)

BACKOFF = Group({"base": duration(0), "factor": number(1, 1_000), "cap": duration(0), "jitter": number(0, 1)})

QUEUE = Group(
    {
        "priority": whole(-MAX_PRIORITY, MAX_PRIORITY),
        "max_retries": whole(0, MAX_TRIES),
        "max_losses": whole(0, MAX_TRIES),
        "delivery": one_of("at_least_once", "at_most_once"),
        "backoff": BACKOFF,
        "timeout": duration(0.001, optional=True),
        "retention": duration(0),
        "retention_count": whole(0, 10_000_000),
        "dlq_retention": duration(0.001, optional=True),
        "dedup_ttl": duration(0.001, optional=True),
        "dedup_until": one_of("ttl", "done"),
        "idempotency_ttl": duration(0.001),
        "max_running": whole(0, 1_000_000, optional=True),
        "handler": HANDLER,
    }
)

WORKER = Group(
    {
        "processes": whole(1, 1_024),
        "concurrency": whole(1, 10_000),
        "shutdown_timeout": duration(0),
        "grace": duration(0),
        "max_jobs": whole(1, 1_000_000_000, optional=True),
        "max_memory": size(2**20, 2**50, optional=True),
        "pass_backend": flag(),
        "env": words("a list of names of environment variables"),
    }
)

BACKEND = Group(
    {"url": text("a URL"), "password_file": text("the path of a file"), "password_env": text("a variable's name")},
    extra=scalar(),
)

SCHEMA = Group(
    {
        "backend": text("a name or URL"),
        "namespace": name("namespace"),
        "max_payload": size(1, 64 * 2**20),
        "backends": Named(BACKEND),
        "defaults": QUEUE,
        "queues": Named(QUEUE),
        "worker": WORKER,
    }
)


def read_file(path: str) -> tuple[dict[str, Any], list[str]]:
    """The fields of Settings that a file sets, and everything that is wrong with it."""
    reader = Reader(read_text(path), os.path.basename(path))
    reader.read(SCHEMA)
    values = reader.values
    fields: dict[str, Any] = {key[0]: value for key, (value, _) in values.items() if len(key) == 1}
    default_values = _under(values, ("defaults",))
    fields["defaults"] = _queue(default_values)
    fields["queues"] = {q: _queue(default_values | _under(values, ("queues", q))) for q in _names(values, "queues")}
    fields["worker"] = WorkerSettings(**_plain(_under(values, ("worker",))))
    fields["backends"] = {b: _backend(_under(values, ("backends", b))) for b in _names(values, "backends")}
    fields["sources"] = _sources(values)
    fields["file"] = str(path)
    fields["warnings"] = _warnings(path, fields)
    return fields, reader.problems + _contradictions(values, fields["backends"])


def _under(values: Values, prefix: Keys) -> Values:
    depth = len(prefix)
    return {key[depth:]: value for key, value in values.items() if key[:depth] == prefix and len(key) > depth}


def _names(values: Values, section: str) -> list[str]:
    return [key[1] for key in values if key[0] == section and len(key) == 2]


def _plain(values: Values) -> dict[str, Any]:
    return {key[0]: value for key, (value, _) in values.items() if len(key) == 1}


def _queue(values: Values) -> QueueSettings:
    backoff = Backoff(**_plain(_under(values, ("backoff",))))
    return QueueSettings(**{**_plain(values), "backoff": backoff})


def _backend(values: Values) -> BackendSettings:
    fields = _plain(values)
    known = {name: fields.pop(name) for name in BACKEND.fields if name in fields}
    return BackendSettings(**known, options=fields)


def _sources(values: Values) -> dict[Keys, str]:
    sources = {key: source for key, (_, source) in values.items()}
    for queue in _names(values, "queues"):
        for key, (_, source) in _under(values, ("defaults",)).items():
            sources.setdefault(("queues", queue, *key), source)
    return sources


def _contradictions(values: Values, backends: dict[str, BackendSettings]) -> list[str]:
    problems = []
    for label, backend in backends.items():
        where = f"(backends.{label}, {values['backends', label][1]})"
        if not backend.url:
            problems.append(f"a backend needs a url {where}")
        if backend.password_file and backend.password_env:
            problems.append(f"password_file and password_env exclude each other {where}")
    return problems


def _warnings(path: str, fields: dict[str, Any]) -> tuple[str, ...]:
    urls = [fields.get("backend") or "", *(backend.url for backend in fields["backends"].values())]
    options = [option for backend in fields["backends"].values() for option in backend.options.items()]
    secret = any(map(has_secret, urls)) or any(mask_option(name, value) != value for name, value in options)
    if secret and readable_by_others(path):
        return (f"{path} holds a password and others may read it; chmod 600 it, or use password_file or password_env",)
    return ()
