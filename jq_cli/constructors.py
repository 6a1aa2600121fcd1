"""Backends under the names of earlier programs' constructors. Each gives an open store that threads may share, and that a forked
process opens again when it first uses it, except for memory."""

import os
from typing import Any

from jq_cli.backends.base import Backend
from jq_cli.backends.registry import open_backend, scheme_of
from jq_cli.errors import UsageError
from jq_cli.shared_backend import SharedBackend
from jq_cli.store_url import redis_url


def MemoryBackend() -> Backend:
    """A fresh, empty store in this process, gone with it."""
    return open_store("memory")


def SQLiteBackend(path: str = "", *, namespace: str = "jq", **options: Any) -> Backend:
    """A database file, made if there is none; without a path the one that the command line uses by default."""
    return open_store(f"sqlite://{path}", namespace=namespace, **options)


def RedisBackend(addr: str | None = None, *, namespace: str = "jq", **options: Any) -> Backend:
    """A Redis server: `host:port`, a URL or the path of a Unix socket; None: REDIS_ADDR, else `localhost:6379`."""
    return open_store(redis_address(addr), namespace=namespace, **options)


def redis_address(addr: str | None) -> str:
    """The URL that an address stands for. Raises UsageError for a URL of something else."""
    addr = addr or os.environ.get("REDIS_ADDR") or "localhost:6379"
    url = f"unix://{addr}" if addr.startswith("/") else redis_url(addr)
    if url.partition("://")[0] not in ("redis", "rediss", "unix"):
        raise UsageError(
            f"{addr[:60]!r} is no Redis address: expected host:port, redis://, rediss://, unix:// or a path"
        )
    return url


def open_store(spec: str, *, namespace: str = "jq", **options: Any) -> Backend:
    """A store by its URL or name alone, with no configuration read."""
    return SharedBackend(
        lambda: open_backend(spec, namespace=namespace, **options), reopens=scheme_of(spec) != "memory"
    )
