"""The environment that handlers get: an allow-list, so that store credentials and tokens stay with the worker. Pure."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

ALLOWED = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "HOSTNAME", "LANG", "LANGUAGE", "LC_*", "TZ", "TMPDIR",
    "XDG_RUNTIME_DIR", "VIRTUAL_ENV", "PYTHON*", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
"""What every handler gets, when it is set. `*` stands for any text."""

WITHHELD = ("JQ_*", "BACKEND", "REDIS_ADDR", "ADMIN_TOKEN", "POSTGRES_DSN")
"""What only its exact name lets through: how to reach stores and servers."""


def handler_environment(environ: Mapping[str, str], more: Iterable[str] = ()) -> dict[str, str]:
    """The part of an environment that handlers may see: ALLOWED and `more`, names or patterns such as `MYAPP_*`."""
    patterns = (*ALLOWED, *more)
    exact = {pattern for pattern in patterns if "*" not in pattern}
    return {name: value for name, value in environ.items() if name in exact or _matches(name, patterns)}


def _matches(name: str, patterns: Iterable[str]) -> bool:
    withheld = any(fnmatchcase(name, pattern) for pattern in WITHHELD)
    return not withheld and any(fnmatchcase(name, pattern) for pattern in patterns)
