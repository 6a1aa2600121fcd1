"""Which table, where: `dynamodb://TABLE?region=eu-central-1`, and the options of the backend."""

import re
from urllib.parse import parse_qsl

import msgspec

from jq_cli.errors import InvalidField, UsageError

SCHEME = "dynamodb://"
OPTIONS = ("region", "endpoint", "shards", "timeout")
MAX_SHARDS = 64
TIMEOUT = 2.0
MAX_TIMEOUT = 60.0

_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")


class Address(msgspec.Struct, frozen=True):
    """One table. `shards`: over how many partitions the jobs of a queue are spread. `timeout` in seconds for each call."""

    table: str
    region: str | None = None
    endpoint: str | None = None
    shards: int = 1
    timeout: float = TIMEOUT

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
        int(_number("shards", given.get("shards", 1), 1, MAX_SHARDS)),
        _number("timeout", given.get("timeout", TIMEOUT), 0.1, MAX_TIMEOUT),
    )


def _text(name: str, value: object) -> str | None:
    if value is not None and (not isinstance(value, str) or not value):
        raise InvalidField(name, f"expected text, got {str(value)[:40]!r}")
    return value


def _number(name: str, value: object, low: float, high: float) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = low - 1
    if not low <= number <= high or (name == "shards" and number != int(number)):
        raise InvalidField(name, f"expected {low:g}..{high:g}, got {str(value)[:40]!r}")
    return number
