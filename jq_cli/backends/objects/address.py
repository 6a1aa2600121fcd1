"""Which store a URL means: a folder, or a bucket of a provider with a prefix in it."""

import os
from typing import Any
from urllib.parse import unquote

import msgspec

from jq_cli.backends.objects.store import Store
from jq_cli.draft import seconds
from jq_cli.errors import InvalidField, UsageError

TIMEOUTS = {"file": 2.0, "s3": 5.0, "gs": 5.0, "az": 5.0}
"""Seconds for which a call tries, by scheme."""

MAX_TIMEOUT = 600.0
POLL = 5.0
MIN_POLL, MAX_POLL = 0.25, 60.0
OPTIONS = {
    "file": ("timeout",),
    "s3": ("endpoint", "poll", "profile", "region", "timeout"),
    "gs": ("endpoint", "poll", "timeout"),
    "az": ("account", "endpoint", "poll", "timeout"),
}


class Address(msgspec.Struct, frozen=True):
    """A store's URL, read. `bucket` is empty for a folder, whose `path` is absolute; else `path` is the prefix.
    `poll`: seconds to which an idle worker stretches its pauses."""

    scheme: str
    bucket: str
    path: str
    timeout: float
    options: dict[str, str] = {}
    poll: float = 0.0

    @property
    def url(self) -> str:
        """The store's name in messages."""
        return f"{self.scheme}://{self.bucket}{'/' if self.bucket and self.path else ''}{self.path}"


def read_address(url: str, options: dict[str, object]) -> Address:
    """The address in a URL such as `s3://bucket/prefix?region=eu-north-1` and in the options of the backend; the URL wins.
    Raises UsageError for unknown options and values out of bounds."""
    scheme, slashes, rest = url.partition("://")
    scheme = scheme.lower()
    location, _, query = rest.partition("?")
    if not slashes or not location:
        raise InvalidField(
            "url", f"expected {scheme}://{'/folder' if scheme == 'file' else 'bucket/prefix'}, got {url[:80]!r}"
        )
    given = options | dict(_parameter(text) for text in query.split("&") if text)
    unknown = sorted(given.keys() - set(OPTIONS[scheme]))
    if unknown:
        raise UsageError(f"{scheme}://: unknown option {unknown[0][:40]!r}; known: {', '.join(OPTIONS[scheme])}")
    timeout = _timeout(given.pop("timeout", TIMEOUTS[scheme]))
    poll = _poll(given.pop("poll", POLL))
    texts = {name: str(value) for name, value in given.items()}
    if scheme == "file":
        return Address(scheme, "", _path(location), timeout, texts)
    bucket, _, prefix = location.partition("/")
    return Address(scheme, _bucket(bucket), _prefix(prefix), timeout, texts, poll)


def open_store(address: Address, namespace: str) -> Store:
    """The store at an address, ready for one namespace."""
    if address.scheme == "file":
        from jq_cli.backends.objects.file_store import FileStore

        return FileStore(address.path, namespace, address.timeout)
    from jq_cli.backends.objects.cloud_store import CloudStore
    from jq_cli.backends.objects.providers import PROVIDERS

    provider = PROVIDERS[address.scheme](address.bucket, address.options)
    prefix = f"{address.path}/{namespace}/" if address.path else f"{namespace}/"
    return CloudStore(provider, address.url, prefix, address.timeout)


def _parameter(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, unquote(value)


def _path(location: str) -> str:
    if "\0" in location:
        raise InvalidField("url", "a path cannot hold NUL")
    if location.startswith("/"):
        # Two slashes at the start are a place of its own to POSIX, and four in a URL a habit from elsewhere.
        location = "/" + location.lstrip("/")
    return os.path.abspath(location)


def _bucket(name: str) -> str:
    if not (1 <= len(name) <= 255 and name.isascii() and all(c.isalnum() or c in "._-" for c in name)):
        raise InvalidField("url", f"{name[:40]!r} cannot be the name of a bucket")
    return name


def _prefix(prefix: str) -> str:
    parts = [part for part in prefix.split("/") if part]
    for part in parts:
        if part in (".", "..") or not part.isprintable() or len(part) > 255:
            raise InvalidField("url", f"{part[:40]!r} cannot be part of a prefix")
    return "/".join(parts)


def _timeout(value: Any) -> float:
    number = seconds(value, "timeout") if isinstance(value, str | int | float) else -1.0
    if not 0 < number <= MAX_TIMEOUT:
        raise InvalidField("timeout", f"expected more than 0 and at most {MAX_TIMEOUT:g} s, got {str(value)[:40]!r}")
    return number


def _poll(value: Any) -> float:
    number = seconds(value, "poll") if isinstance(value, str | int | float) else -1.0
    if not MIN_POLL <= number <= MAX_POLL:
        raise InvalidField("poll", f"expected {MIN_POLL:g}..{MAX_POLL:g} s, got {str(value)[:40]!r}")
    return number
