"""Backends under the names of earlier programs' constructors. Each gives an open store that threads may share, and that a forked
process opens again when it first uses it, except for memory."""

import os
import warnings
from typing import Any

from jq_cli.api.shared_backend import SharedBackend
from jq_cli.backends import registry
from jq_cli.backends.base import Backend
from jq_cli.config.settings import Settings
from jq_cli.errors import UsageError
from jq_cli.store_url import redis_url
from jq_cli.tracing.switch import for_library


def MemoryBackend() -> Backend:
    """A fresh, empty store in this process, gone with it."""
    return open_backend("memory")


def SQLiteBackend(path: str = "", *, namespace: str = "jq", **options: Any) -> Backend:
    """A database file, made if there is none; without a path the one that the command line uses by default."""
    return open_backend(f"sqlite://{path}", namespace=namespace, **options)


def RedisBackend(addr: str | None = None, *, namespace: str = "jq", **options: Any) -> Backend:
    """A Redis server: `host:port`, a URL or the path of a Unix socket; None: REDIS_ADDR, else `localhost:6379`."""
    return open_backend(redis_address(addr), namespace=namespace, **options)


def PostgresBackend(dsn: str, *, namespace: str = "jq", **options: Any) -> Backend:
    """A Postgres database: `postgresql://user@host/database`. Needs `pip install 'jq-cli[postgres]'`."""
    return open_backend(dsn, namespace=namespace, **options)


def redis_address(addr: str | None) -> str:
    """The URL that an address stands for. Raises UsageError for a URL of something else."""
    addr = addr or os.environ.get("REDIS_ADDR") or "localhost:6379"
    url = f"unix://{addr}" if addr.startswith("/") else redis_url(addr)
    if url.partition("://")[0].removesuffix("+sentinel").removesuffix("+cluster") not in ("redis", "rediss", "unix"):
        raise UsageError(
            f"{addr[:60]!r} is no Redis address: expected host:port, redis://, rediss://, redis+sentinel://, redis+cluster://,"
            " unix:// or a path"
        )
    return url


def open_backend(spec: str, *, namespace: str = "jq", **options: Any) -> Backend:
    """A backend by its URL or name alone; no configuration is read. Raises UnknownBackend, and UsageError for options that
    it does not have."""
    return SharedBackend(
        lambda: for_library(registry.open_backend(spec, namespace=namespace, **options)),
        reopens=registry.scheme_of(spec) != "memory",
    )


def shared(settings: Settings) -> SharedBackend:
    """The store that settings name, for all threads of this process and for what is forked from it."""
    return SharedBackend(lambda: _opened(settings), reopens=registry.scheme_of(settings.store.url) != "memory")


def _opened(settings: Settings) -> Backend:
    backend = for_library(settings.open())
    if not settings.hooks:
        return backend
    from jq_cli.config.hook_specs import observed

    return observed(backend, settings, lambda text: warnings.warn(text, stacklevel=2))
