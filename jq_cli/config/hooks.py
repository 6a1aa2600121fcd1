"""Hooks in the configuration: what each kind may be told."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from jq_cli.config.file import Values
from jq_cli.config.kinds import Group, Kind, duration, flag, name, scalar, text, whole, words
from jq_cli.config.settings import HookSettings, Keys
from jq_cli.errors import UsageError
from jq_cli.hooks.event import EVENTS

DSN = "POSTGRES_DSN"
"""The variable that turns the history on, or names its database where the file does not."""

SHARED = frozenset({"kind", "events", "queues", "payload", "buffer", "retry_for"})
OWN = {
    "history": frozenset({"url", "password_file", "password_env", "schema", "retention"}),
    "webhook": frozenset({"url", "secret_file", "secret_env", "allow_private", "timeout"}),
}
"""Options beside the shared ones that each built-in kind understands."""


def _events(value: Any) -> tuple[str, ...]:
    events: tuple[str, ...] = words("").read(value)
    if not set(events) <= set(EVENTS):
        raise ValueError
    return events


HOOK = Group(
    {
        "kind": text("history, webhook or the name of an installed hook; without it the name of this one"),
        "events": Kind(f"a list of {', '.join(EVENTS)}", _events),
        "queues": words("a list of names of queues, or patterns such as mail-*"),
        "payload": flag(),
        "buffer": whole(1, 1_000_000),
        "retry_for": duration(0),
        "url": text("a URL"),
        "password_file": text("the path of a file"),
        "password_env": text("a variable's name"),
        "schema": name("schema"),
        "retention": duration(60, optional=True),
        "secret_file": text("the path of a file"),
        "secret_env": text("a variable's name"),
        "allow_private": flag(),
        "timeout": duration(0.1),
    },
    extra=scalar(),
)


def hook_settings(label: str, values: Values) -> HookSettings:
    """The settings of one hook from what the file says of it."""
    fields = {key[0]: value for key, (value, _) in values.items() if len(key) == 1}
    known = {name: fields.pop(name) for name in HOOK.fields if name in fields}
    known.setdefault("kind", label)
    return HookSettings(**known, options=fields, given=tuple(known))


def complete(hooks: dict[str, HookSettings], sources: dict[Keys, str], env: Mapping[str, str]) -> list[str]:
    """Give the history its database from the environment, where the file does not; gives what is wrong with the hooks."""
    if env.get(DSN):
        if all(hook.kind != "history" for hook in hooks.values()) and "history" not in hooks:
            if find_spec("psycopg") is not None:
                hooks["history"] = HookSettings(kind="history", url=env[DSN])
                sources["hooks", "history", "url"] = DSN
        else:
            _give_url(hooks, sources, env[DSN])
    return [
        f"{problem} (hooks.{label}, {sources.get(('hooks', label), 'default')})"
        for label, hook in hooks.items()
        for problem in _problems(hook)
    ]


def _give_url(hooks: dict[str, HookSettings], sources: dict[Keys, str], url: str) -> None:
    from msgspec.structs import replace

    for label, hook in hooks.items():
        if hook.kind == "history" and not hook.url:
            hooks[label] = replace(hook, url=url)
            sources["hooks", label, "url"] = DSN


def _problems(hook: HookSettings) -> list[str]:
    own = OWN.get(hook.kind)
    if own is None:
        return []  # it is for the hook to say
    problems = []
    if strange := sorted({*hook.given, *hook.options} - SHARED - own):
        problems.append(f"a hook of the kind {hook.kind} has no option {strange[0]}")
    if not hook.url:
        problems.append(f"a {hook.kind} needs a url{f', or the variable {DSN}' if hook.kind == 'history' else ''}")
    for what in ("password", "secret"):
        if getattr(hook, f"{what}_file") and getattr(hook, f"{what}_env"):
            problems.append(f"{what}_file and {what}_env exclude each other")
    if hook.kind == "webhook" and hook.url:
        from jq_cli.post.target import Target

        try:
            Target.parse(hook.url, allow_private=hook.allow_private)
        except UsageError as error:
            problems.append(str(error))
    return problems
