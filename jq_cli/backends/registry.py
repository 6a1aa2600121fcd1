"""Finds and opens a backend by its name or URL. Built-in ones are strings here, so that only the one in use is imported;
third-party ones come through the entry-point group `jq_cli.backends` (scheme = "module:function")."""

from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

from jq_cli.backends.base import Backend, Clock
from jq_cli.draft import check_name
from jq_cli.errors import UnknownBackend

GROUP = "jq_cli.backends"
_REDIS = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")

BUILT_IN = {
    "memory": "jq_cli.backends.memory.backend:open_memory",
    "sqlite": "jq_cli.backends.sqlite.backend:open_sqlite",
    **dict.fromkeys(_REDIS, "jq_cli.backends.redis.backend:open_redis"),
    "postgres": "jq_cli.backends.postgres.backend:open_postgres",
    "postgresql": "jq_cli.backends.postgres.backend:open_postgres",
    **dict.fromkeys(("file", "s3", "gs", "az"), "jq_cli.backends.objects.backend:open_objects"),
    "http": "jq_cli.backends.http.backend:open_http",
    "https": "jq_cli.backends.http.backend:open_http",
    "unix+http": "jq_cli.backends.http.backend:open_http",
    "dynamodb": "jq_cli.backends.dynamodb.backend:open_dynamodb",
}
"""URL scheme to the function that opens it: `open_x(url, *, namespace, clock, **options) -> Backend`."""

_READERS = {
    "memory": "jq_cli.backends.memory.address:read_address",
    "sqlite": "jq_cli.backends.sqlite.file:read_settings",
    **dict.fromkeys(_REDIS, "jq_cli.backends.redis.address:parse_address"),
    **dict.fromkeys(("postgres", "postgresql"), "jq_cli.backends.postgres.address:read_address"),
    **dict.fromkeys(("file", "s3", "gs", "az"), "jq_cli.backends.objects.address:read_address"),
    **dict.fromkeys(("http", "https", "unix+http"), "jq_cli.backends.http.address:parse_address"),
    "dynamodb": "jq_cli.backends.dynamodb.address:read_address",
}
"""URL scheme to the function that reads a URL and the options beside it and raises UsageError; it opens nothing."""

EXTRAS: dict[str, str] = {
    "postgres": "postgres",
    "postgresql": "postgres",
    **dict.fromkeys(("s3", "gs", "az"), "objects"),
    "dynamodb": "dynamodb",
}
"""Scheme to the extra of this distribution that brings its driver, where it is not part of the core."""

DEFAULT_URLS = {
    "memory": "memory://",
    "sqlite": "sqlite://",
    "redis": "redis://localhost:6379/0",
    "postgres": "postgres://",
    "http": "http://127.0.0.1:8787",
}
"""What a bare name stands for. `sqlite://` without a path is the embedded default under `$XDG_DATA_HOME/jq`."""


def scheme_of(spec: str) -> str:
    """The scheme of a backend URL, or the bare name itself."""
    return spec.partition(":")[0].lower()


def open_backend(spec: str, *, namespace: str = "jq", clock: Clock | None = None, **options: Any) -> Backend:
    """The backend that a name (`redis`) or URL (`redis://host/0`) stands for, opened.

    `clock` replaces the store's clock (tests, simulation). `options` are those of the backend, as in the configuration.
    Raises UnknownBackend with the known names, or with the extra to install when the driver is missing;
    BackendUnreachable and NotAuthorised from those backends that connect at once.
    """
    check_name(namespace, "namespace")
    return _opener(scheme_of(spec))(_url(spec), namespace=namespace, clock=clock, **options)


def check_options(spec: str, options: dict[str, Any]) -> None:
    """Read the URL and the options of a built-in backend as opening it would, and open nothing. Raises UsageError naming what
    cannot be used. Says nothing about backends from elsewhere, or where the driver is missing."""
    module, _, function = _READERS.get(scheme_of(spec), "").partition(":")
    if module:
        with suppress(ModuleNotFoundError):
            getattr(import_module(module), function)(_url(spec), options)


def known() -> dict[str, str]:
    """Every scheme that can be opened here, with where it comes from: built-in or the entry point's value."""
    return {**dict.fromkeys(BUILT_IN, "built-in"), **{e.name: e.value for e in _entry_points()}}


def _url(spec: str) -> str:
    return DEFAULT_URLS.get(spec, spec if ":" in spec else f"{spec}://")


def _opener(scheme: str) -> Callable[..., Backend]:
    target = BUILT_IN.get(scheme) or next((e.value for e in _entry_points() if e.name == scheme), None)
    if target is None:
        raise UnknownBackend(f"unknown backend {scheme[:40]!r}; known: {', '.join(sorted(known()))}")
    module, _, function = target.partition(":")
    try:
        opener: Callable[..., Backend] = getattr(import_module(module), function)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("jq_cli"):
            raise
        extra = EXTRAS.get(scheme)
        wanted = f"pip install 'jq-cli[{extra}]'" if extra else f"pip install {error.name}"
        raise UnknownBackend(f"backend {scheme!r} needs the module {error.name!r}: {wanted}") from error
    return opener


def _entry_points() -> list[Any]:
    from importlib.metadata import entry_points

    return list(entry_points(group=GROUP))
