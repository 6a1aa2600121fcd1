"""The configured hooks at work: with their secrets, before the store whose changes they are told."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from jq_cli.backends.base import Backend
from jq_cli.config.hooks import SHARED
from jq_cli.config.secret import read_secret
from jq_cli.config.settings import HookSettings, Settings
from jq_cli.errors import ConfigError
from jq_cli.hooks.emitter import Emitter
from jq_cli.hooks.observed import seen_through
from jq_cli.hooks.spec import HookSpec
from jq_cli.store_url import with_password


def observed(backend: Backend, settings: Settings, say: Callable[[str], None]) -> Backend:
    """The backend, with its changes told to the configured hooks; itself when there are none."""
    if not settings.hooks:
        return backend
    emitter = Emitter(specs(settings), settings.namespace, say=say)
    return seen_through(backend, emitter)


def specs(settings: Settings, env: Mapping[str, str] = os.environ) -> list[HookSpec]:
    """The hooks with their secrets, as their process needs them. Raises ConfigError when a secret cannot be read."""
    return [_spec(label, hook, env) for label, hook in settings.hooks.items()]


def _spec(label: str, hook: HookSettings, env: Mapping[str, str]) -> HookSpec:
    shared = {name: getattr(hook, name) for name in SHARED}
    return HookSpec(name=label, options=_options(label, hook, env), **shared)


def _options(label: str, hook: HookSettings, env: Mapping[str, str]) -> dict[str, Any]:
    match hook.kind:
        case "history":
            return history_options(label, hook, env)
        case "webhook":
            secret = _secret(label, hook.secret_file, hook.secret_env, "secret", env)
            url, private, timeout = hook.url, hook.allow_private, hook.timeout
            return {"url": url, "secret": secret, "allow_private": private, "timeout": timeout}
        case _:
            return {name: getattr(hook, name) for name in hook.given if name not in SHARED} | hook.options


def history_place(settings: Settings) -> dict[str, Any] | None:
    """Where the history is kept: its database (`url`, with the password) and its `schema`; None when none is configured. Raises
    ConfigError when a secret cannot be read."""
    for label, hook in settings.hooks.items():
        if hook.kind == "history":
            told = history_options(label, hook)
            return {"url": told["url"], "schema": told["schema"]}
    return None


def history_options(label: str, hook: HookSettings, env: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """What the history needs to know: its database with the password, its schema, what it keeps and for how long."""
    password = _secret(label, hook.password_file, hook.password_env, "password", env)
    url = with_password(str(hook.url), password) if password else hook.url
    return {"url": url, "schema": hook.schema, "retention": hook.retention, "payload": hook.payload}


def _secret(label: str, file: str | None, variable: str | None, what: str, env: Mapping[str, str]) -> str | None:
    if file:
        return read_secret(file, f"hooks.{label}.{what}_file")
    if variable and not env.get(variable):
        raise ConfigError(f"hooks.{label}.{what}_env: the variable {variable} is not set")
    return env[variable] if variable else None
