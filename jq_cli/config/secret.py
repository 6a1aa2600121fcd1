"""Secrets that stand in files of their own."""

import os
from collections.abc import Mapping

from msgspec.structs import replace

from jq_cli.errors import ConfigError
from jq_cli.handlers.spec import HandlerSpec


def read_secret(path: str, field: str) -> str:
    """The first line of a file that holds a secret. Raises ConfigError when it cannot be read or every user may write it."""
    from jq_cli.config.file import refuse_writable_by_others

    try:
        with open(path, encoding="utf-8") as file:
            refuse_writable_by_others(path, os.fstat(file.fileno()))
            secret = file.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{field}: {path}: {getattr(error, 'strerror', 'not UTF-8')}") from None
    if not secret:
        raise ConfigError(f"{field}: {path} is empty")
    return secret


def with_secret(spec: HandlerSpec, env: Mapping[str, str]) -> HandlerSpec:
    """A handler with the secret that its file or variable holds. Raises ConfigError when there is none."""
    if spec.secret_file:
        return replace(spec, secret=read_secret(spec.secret_file, "secret_file"))
    if spec.secret_env and not env.get(spec.secret_env):
        raise ConfigError(f"secret_env: the variable {spec.secret_env} is not set")
    return replace(spec, secret=env[spec.secret_env]) if spec.secret_env else spec
