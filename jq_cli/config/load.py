"""Loads the settings: the YAML file, the environment and the command's flags.

Later ones win: built-in default, file, environment, flag. Every mistake is reported at once, as one ConfigError.
"""

import os
from collections.abc import Mapping
from typing import Any

import msgspec

from jq_cli.config.secret import read_secret
from jq_cli.config.settings import BackendSettings, Keys, Settings, Store
from jq_cli.draft import check_name
from jq_cli.errors import ConfigError, InvalidField
from jq_cli.store_url import redis_url, with_password


class Flags(msgspec.Struct):
    """What the command line says about settings; None where it says nothing."""

    config: str | None = None
    backend: str | None = None
    namespace: str | None = None
    profile: str | None = None


def load(flags: Flags | None = None, env: Mapping[str, str] = os.environ) -> Settings:
    """The settings in force. Raises ConfigError with every mistake, one a line."""
    flags = flags or Flags()
    path = find_file(flags, env)
    profile, named_by = choose_profile(flags, env)
    fields: dict[str, Any] = {}
    problems: list[str] = []
    if path is not None:
        from jq_cli.config.schema import read_file

        fields, problems = read_file(path, profile)
    if profile is not None:
        problems += _take_profile(fields, profile, named_by)
    settings = _complete(fields, flags, env, problems)
    if problems:
        raise ConfigError("\n".join(problems))
    return settings


def find_file(flags: Flags, env: Mapping[str, str]) -> str | None:
    """The configuration file: `--config`, JQ_CONFIG, ./jq.yaml, $XDG_CONFIG_HOME/jq/config.yaml; None when there is none."""
    named = flags.config or env.get("JQ_CONFIG")
    if named:
        return named
    if os.path.exists("jq.yaml"):
        _refuse_foreign("jq.yaml")
        return "jq.yaml"
    folder = env.get("XDG_CONFIG_HOME") or os.path.join(env.get("HOME") or os.path.expanduser("~"), ".config")
    home = os.path.join(folder, "jq", "config.yaml")
    return home if os.path.exists(home) else None


def choose_profile(flags: Flags, env: Mapping[str, str]) -> tuple[str | None, str]:
    """The name of the profile in force, None for none, and what named it. An empty `--profile` stands for none."""
    if flags.profile is not None:
        return flags.profile or None, "--profile"
    return env.get("JQ_PROFILE") or None, "JQ_PROFILE"


def _take_profile(fields: dict[str, Any], profile: str, named_by: str) -> list[str]:
    known = fields.get("profiles", ())
    if profile not in known:
        where = f"known: {', '.join(known)}" if known else "no configuration file names one"
        return [f"no such profile: {profile[:60]!r}; {where} ({named_by})"]
    fields["profile"] = profile
    fields["sources"]["profile",] = named_by
    return []


def _refuse_foreign(path: str) -> None:
    # In a folder where others may write, anybody could leave a file that chooses what this user's workers run.
    if os.stat(path).st_uid not in (0, os.geteuid()):
        raise ConfigError(f"{path} here belongs to another user; use it with --config {path} if you trust it")


def _complete(fields: dict[str, Any], flags: Flags, env: Mapping[str, str], problems: list[str]) -> Settings:
    sources: dict[Keys, str] = fields.setdefault("sources", {})
    _override(fields, ("namespace",), flags.namespace, "--namespace")
    if flags.namespace is None and not _insists(("namespace",), flags, sources):
        _override(fields, ("namespace",), env.get("JQ_NAMESPACE"), "JQ_NAMESPACE")
    try:
        check_name(fields.get("namespace", "jq"), "namespace")
    except InvalidField as error:
        problems.append(f"{error} ({sources[('namespace',)]})")
    if fields.get("hooks") or env.get("POSTGRES_DSN"):
        from jq_cli.config.hooks import complete

        problems += complete(fields.setdefault("hooks", {}), sources, env)
    in_file = fields.pop("backend", None)
    try:
        spec, source = choose_backend(flags, env, in_file, sources)
        if source:
            sources["backend",] = source
        fields["store"] = _store(spec, fields.get("backends", {}), env)
    except ConfigError as error:
        problems.append(str(error))
    return Settings(**fields)


def _insists(keys: Keys, flags: Flags, sources: Mapping[Keys, str]) -> bool:
    # Whoever typed --profile prod means its store, whatever variables an old shell still carries; a variable wins over a
    # profile that only another variable names.
    return bool(flags.profile) and sources.get(keys, "").endswith(f"(profile {flags.profile})")


def _override(fields: dict[str, Any], keys: Keys, value: str | None, source: str) -> None:
    if value:
        fields[keys[0]] = value
        fields["sources"][keys] = source


def choose_backend(
    flags: Flags, env: Mapping[str, str], in_file: str | None, sources: Mapping[Keys, str]
) -> tuple[str, str]:
    """The name or URL of the store and where that came from ("" for the built-in default)."""
    if flags.backend:
        return flags.backend, "--backend"
    if in_file and _insists(("backend",), flags, sources):
        return in_file, sources["backend",]
    if env.get("JQ_BACKEND_FILE") and not env.get("JQ_BACKEND"):
        return read_secret(env["JQ_BACKEND_FILE"], "JQ_BACKEND_FILE"), "JQ_BACKEND_FILE"
    for variable in ("JQ_BACKEND", "BACKEND"):
        if env.get(variable):
            return env[variable], variable
    if in_file:
        return in_file, sources["backend",]
    if env.get("REDIS_ADDR"):
        return redis_url(env["REDIS_ADDR"]), "REDIS_ADDR"
    return "sqlite", ""


def _store(spec: str, backends: Mapping[str, BackendSettings], env: Mapping[str, str]) -> Store:
    if spec in backends:
        return _named_store(spec, backends[spec], env)
    if spec == "redis" and env.get("REDIS_ADDR"):
        return Store(redis_url(env["REDIS_ADDR"]))
    return Store(spec)


def _named_store(name: str, backend: BackendSettings, env: Mapping[str, str]) -> Store:
    url = backend.url
    if backend.password_file:
        url = with_password(url, read_secret(backend.password_file, f"backends.{name}.password_file"))
    elif backend.password_env:
        if backend.password_env not in env:
            raise ConfigError(f"backends.{name}.password_env: the variable {backend.password_env} is not set")
        url = with_password(url, env[backend.password_env])
    return Store(url, backend.options, name)
