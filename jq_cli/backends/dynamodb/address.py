"""Which table, where: `dynamodb://TABLE?region=eu-central-1`, and the options of the backend."""

import re
from urllib.parse import parse_qsl

import msgspec

from jq_cli.draft import seconds
from jq_cli.errors import InvalidField, UsageError

SCHEME = "dynamodb://"
OPTIONS = ("region", "endpoint", "shards", "timeout", "poll")
MAX_SHARDS = 64
TIMEOUT = 2.0
MIN_TIMEOUT = 0.1
MAX_TIMEOUT = 600.0
POLL = 5.0
MIN_POLL = 0.25
MAX_POLL = 60.0

_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")


class Address(msgspec.Struct, frozen=True):
    """One table. `shards`: over how many partitions the jobs of a queue are spread. `timeout` in seconds for each call,
    `poll` seconds to which an idle worker stretches its pauses."""

    table: str
    region: str | None = None
    endpoint: str | None = None
    shards: int = 1
    timeout: float = TIMEOUT
    poll: float = POLL

    @property
    def url(self) -> str:
        """The store's name in messages."""
        return f"{SCHEME}{self.table}" + (f"?region={self.region}" if self.region else "")


def read_address(url: str, options: dict[str, object]) -> Address:
    """The table that a URL and the options of the backend name; the URL wins. Raises UsageError for what cannot be."""
    _, slashes, rest = url.partition("://")
    table, _, query = rest.partition("?")
    if not slashes or not _TABLE.fullmatch(table):
        raise InvalidField("url", f"expected {SCHEME}TABLE, 3 to 255 of A-Z a-z 0-9 _ . -, got {url[:80]!r}")
    given = options | dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(given.keys() - set(OPTIONS))
    if unknown:
        raise UsageError(f"{SCHEME}: unknown option {unknown[0][:40]!r}; known: {', '.join(OPTIONS)}")
    return Address(
        table,
        _text("region", given.get("region")),
        _text("endpoint", given.get("endpoint")),
        _shards(given.get("shards", 1)),
        _duration("timeout", given.get("timeout", TIMEOUT), MIN_TIMEOUT, MAX_TIMEOUT),
        _duration("poll", given.get("poll", POLL), MIN_POLL, MAX_POLL),
    )


def _text(name: str, value: object) -> str | None:
    if value is not None and (not isinstance(value, str) or not value):
        raise InvalidField(name, f"expected text, got {str(value)[:40]!r}")
    return value


def _shards(value: object) -> int:
    text = str(value)
    if not (text.isascii() and text.isdecimal() and len(text) < 4 and 1 <= int(text) <= MAX_SHARDS):
        raise InvalidField("shards", f"expected 1..{MAX_SHARDS}, got {text[:40]!r}")
    return int(text)


def _duration(name: str, value: object, least: float, most: float) -> float:
    number = seconds(value, name) if isinstance(value, str | int | float) else -1.0
    if not least <= number <= most:
        raise InvalidField(name, f"expected {least:g}..{most:g} s, got {str(value)[:40]!r}")
    return number
