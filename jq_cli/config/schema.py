"""What the configuration file may hold, and how its values become settings."""

import os
from typing import Any

from jq_cli.config.file import Reader, Values, read_text, readable_by_others
from jq_cli.config.hooks import HOOK, hook_settings
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
from jq_cli.config.settings import VISIBILITY, BackendSettings, Keys, QueueSettings, WorkerSettings
from jq_cli.cron.schedule import CATCH_UP, OVERLAP, Schedule, payload_of
from jq_cli.draft import MAX_PAYLOAD, MAX_PRIORITY, MAX_TRIES, check_name
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
    if kind == "post":
        return _post(what)
    if kind == "call" and ":" in text().read(what):
        return HandlerSpec("call", target=what)
    raise ValueError


def _post(value: Any) -> HandlerSpec:
    options = {"url": value} if isinstance(value, str) else dict(value)
    if not set(POST) >= set(options) or "url" not in options:
        raise ValueError
    if {"secret_env", "secret_file"} <= set(options):
        raise ValueError
    return HandlerSpec("post", **{name: POST[name].read(value) for name, value in options.items()})


POST = {
    "url": text("a URL"),
    "secret_env": text("a variable's name"),
    "secret_file": text("the path of a file"),
    "allow_private": flag(),
    "answer_within": duration(0.1),
}
"""What may be said of a handler that POSTs; a bare URL says the first."""


def _argv(value: Any) -> tuple[str, ...]:
    argv: tuple[str, ...] = words("").read(value)
    if not argv:
        raise ValueError
    return argv


HANDLER = Kind(
    "echo, {command: [program, argument...]}, {shell: line}, {call: module:function}, {post: URL} "
    "or {post: {url: URL, secret_env: NAME or secret_file: PATH, allow_private: true, answer_within: 30s}}",
    _handler,
)

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
        "visibility_timeout": duration(*VISIBILITY),
        "handler": HANDLER,
    }
)


def _cron(value: Any) -> str:
    from jq_cli.cron.expression import Expression  # only where the file has schedules

    return Expression(text().read(value)).text


def _timezone(value: Any) -> str:
    from jq_cli.cron.zone import zone

    return zone(text().read(value)).name


def _headers(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError
    return {text().read(name): text().read(what) for name, what in value.items()}


SCHEDULE = Group(
    {
        "cron": Kind("a cron expression in quotes", _cron),
        "timezone": Kind("an IANA time zone, such as Europe/Berlin", _timezone),
        "queue": Kind("a queue's name", lambda value: check_name(text().read(value))),
        "payload": Kind("anything that JSON can hold", lambda value: payload_of(value, 64 * MAX_PAYLOAD)),
        "catch_up": one_of(*CATCH_UP),
        "overlap": one_of(*OVERLAP),
        "paused": flag(),
        **{name: QUEUE.fields[name] for name in ("priority", "max_retries", "max_losses", "delivery")},
        "backoff": BACKOFF,
        "timeout": duration(0.001, optional=True),
        "ttl": duration(0, optional=True),
        "retention": duration(0, optional=True),
        "headers": Kind("a mapping from names to text", _headers),
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
        "visibility_timeout": duration(*VISIBILITY, optional=True),
    }
)

BACKEND = Group(
    {"url": text("a URL"), "password_file": text("the path of a file"), "password_env": text("a variable's name")},
    extra=scalar(),
)

_SETTINGS: dict[str, Kind | Group | Named] = {
    "backend": text("a name or URL"),
    "namespace": name("namespace"),
    "max_payload": size(1, 64 * 2**20),
    "defaults": QUEUE,
    "queues": Named(QUEUE),
    "schedules": Named(SCHEDULE),
    "worker": WORKER,
    "hooks": Named(HOOK),
}

PROFILE = Group({"production": flag(), **_SETTINGS})

SCHEMA = Group({**_SETTINGS, "backends": Named(BACKEND), "profiles": Named(PROFILE)})


def read_file(path: str, profile: str | None = None) -> tuple[dict[str, Any], list[str]]:
    """The fields of Settings that a file sets, with a profile's values over the others, and everything that is wrong with
    the file. `profiles` are the names of all; a profile that is not among them changes nothing."""
    reader = Reader(read_text(path), os.path.basename(path))
    reader.read(SCHEMA)
    profiles = tuple(_names(reader.values, "profiles"))
    values = _in_profile(reader.values, profile)
    fields, problems = _fields(path, values), reader.problems + _contradictions(values)
    problems += _incomplete(values, fields.get("max_payload", MAX_PAYLOAD), reader.problems)
    return fields | {"profiles": profiles, "warnings": _warnings(path, reader.values)}, problems


def _in_profile(values: Values, profile: str | None) -> Values:
    shared = {key: value for key, value in values.items() if key[0] != "profiles"}
    own = {} if profile is None else _under(values, ("profiles", profile))
    return shared | {key: (value, f"{source} (profile {profile})") for key, (value, source) in own.items()}


def _fields(path: str, values: Values) -> dict[str, Any]:
    fields: dict[str, Any] = {key[0]: value for key, (value, _) in values.items() if len(key) == 1}
    default_values = _under(values, ("defaults",))
    fields["defaults"] = _queue(default_values)
    fields["queues"] = {q: _queue(default_values | _under(values, ("queues", q))) for q in _names(values, "queues")}
    fields["schedules"] = _schedules(values)
    fields["worker"] = WorkerSettings(**_plain(_under(values, ("worker",))))
    fields["backends"] = {b: _backend(_under(values, ("backends", b))) for b in _names(values, "backends")}
    fields["hooks"] = {h: hook_settings(h, _under(values, ("hooks", h))) for h in _names(values, "hooks")}
    fields["sources"] = _sources(values)
    fields["file"] = str(path)
    return fields


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


def _schedules(values: Values) -> dict[str, Schedule]:
    """The schedules that are complete; `_contradictions` names the others."""
    found = {name: _under(values, ("schedules", name)) for name in _names(values, "schedules")}
    whole = {name: part for name, part in found.items() if {("cron",), ("queue",)} <= part.keys()}
    return {name: _schedule(name, part) for name, part in whole.items()}


def _schedule(name: str, values: Values) -> Schedule:
    backoff = _plain(_under(values, ("backoff",)))
    return Schedule(name=name, **{**_plain(values), "backoff": Backoff(**backoff) if backoff else None})


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


def _contradictions(values: Values) -> list[str]:
    problems = []
    for label in _names(values, "backends"):
        backend = _backend(_under(values, ("backends", label)))
        where = f"(backends.{label}, {values['backends', label][1]})"
        if not backend.url:
            problems.append(f"a backend needs a url {where}")
        if backend.password_file and backend.password_env:
            problems.append(f"password_file and password_env exclude each other {where}")
    return problems


def _incomplete(values: Values, limit: int, problems: list[str]) -> list[str]:
    """What schedules lack, unless a problem names it already."""
    found = []
    for schedule in _names(values, "schedules"):
        where = f"(schedules.{schedule}, {values['schedules', schedule][1]})"
        for needed in ("cron", "queue"):
            known = any(f"schedules.{schedule}.{needed}, " in problem for problem in problems)
            if ("schedules", schedule, needed) not in values and not known:
                found.append(f"a schedule needs a {needed} {where}")
        size = len(bytes(values.get(("schedules", schedule, "payload"), (b"", ""))[0]))
        if size > limit:
            found.append(f"payload: {size:,} bytes are more than the {limit:,} allowed (max_payload) {where}")
    return found


def _warnings(path: str, values: Values) -> tuple[str, ...]:
    urls = [value for key, (value, _) in values.items() if key[-1] in ("backend", "url")]
    options = [
        (key[-1], value) for key, (value, _) in values.items() if key[0] == "backends" and key[-1] not in BACKEND.fields
    ]
    secret = any(map(has_secret, urls)) or any(mask_option(name, value) != value for name, value in options)
    if secret and readable_by_others(path):
        return (f"{path} holds a password and others may read it; chmod 600 it, or use password_file or password_env",)
    return ()
