"""Kinds of configuration values: what each may be, and how its text or number becomes a value. Pure.

A kind's `read` takes what the YAML file holds and gives the value, or raises ValueError when it is none of this kind;
InvalidField when the reason deserves words of its own. `expected` completes the sentence "expected priority to be ...".
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from jq_cli.draft import MAX_DELAY, check_name
from jq_cli.durations import format_duration, parse_duration

_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB|KB|MB|GB|K|M|G)?", re.IGNORECASE)
_SIZE_UNITS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30}


class Kind:
    """One kind of value. `optional` ones may be null, which means none."""

    def __init__(self, expected: str, read: Callable[[Any], Any], *, optional: bool = False) -> None:
        self.expected = expected
        self.optional = optional
        self._read = read

    def read(self, value: Any) -> Any:
        """The value, or ValueError."""
        return None if value is None and self.optional else self._read(value)


class Group:
    """A mapping with known keys, each of its own kind. `extra` is the kind of all other keys, if they are allowed."""

    def __init__(self, fields: Mapping[str, "Kind | Group | Named"], extra: Kind | None = None) -> None:
        self.fields = fields
        self.extra = extra


class Named:
    """A mapping from names to groups."""

    def __init__(self, group: Group) -> None:
        self.group = group


def whole(low: int, high: int, *, optional: bool = False) -> Kind:
    """A whole number within bounds."""

    def read(value: Any) -> int:
        _demand(type(value) is int and low <= value <= high)
        return int(value)

    return Kind(f"{low}..{high}", read, optional=optional)


def number(low: float, high: float) -> Kind:
    """A number within bounds."""

    def read(value: Any) -> float:
        _demand(type(value) in (int, float) and low <= value <= high)
        return float(value)

    return Kind(f"{low:g}..{high:g}", read)


def duration(low: float, high: float = MAX_DELAY / 1_000, *, optional: bool = False) -> Kind:
    """A duration with a unit, or a number of seconds; at most 366 days unless another bound is given."""

    def read(value: Any) -> float:
        if isinstance(value, str):
            value = parse_duration(value) / 1_000
        _demand(type(value) in (int, float) and low <= value <= high)
        return float(value)

    expected = f"{format_duration(low * 1_000)}..{format_duration(high * 1_000)} (such as 30s, 5m, or seconds)"
    return Kind(expected, read, optional=optional)


def size(low: int, high: int, *, optional: bool = False) -> Kind:
    """A number of bytes, with or without a unit (`64KiB`, `1MiB`; all units are powers of 1,024)."""

    def read(value: Any) -> int:
        if isinstance(value, str):
            value = _bytes_of(value)
        _demand(type(value) is int and low <= value <= high)
        return int(value)

    return Kind(f"{format_size(low)}..{format_size(high)}", read, optional=optional)


def one_of(*words: str) -> Kind:
    """One of these words."""

    def read(value: Any) -> str:
        _demand(value in words)
        return str(value)

    return Kind(" or ".join(words), read)


def text(expected: str = "text") -> Kind:
    """Text that is not empty."""

    def read(value: Any) -> str:
        _demand(isinstance(value, str) and value != "" and "\0" not in value)
        return str(value)

    return Kind(expected, read)


def name(field: str) -> Kind:
    """A name in the alphabet of queues and namespaces."""
    return Kind("a name", lambda value: check_name(value, field))


def scalar() -> Kind:
    """Text, a number or true/false; what they may be is for their user to say."""

    def read(value: Any) -> Any:
        _demand(isinstance(value, str | int | float))
        return value

    return Kind("text, a number, true or false", read)


def flag() -> Kind:
    """True or false."""

    def read(value: Any) -> bool:
        _demand(isinstance(value, bool))
        return bool(value)

    return Kind("true or false", read)


def words(expected: str) -> Kind:
    """A list of texts, given as a tuple."""

    def read(value: Any) -> tuple[str, ...]:
        _demand(isinstance(value, list) and all(isinstance(v, str) and v and "\0" not in v for v in value))
        return tuple(value)

    return Kind(expected, read)


def format_size(count: int) -> str:
    """Bytes in the form in which they may be typed: `1MiB`, `1500`."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count and count % factor == 0:
            return f"{count // factor}{unit}"
    return str(count)


def _bytes_of(value: str) -> int:
    match = _SIZE.fullmatch(value.strip())
    _demand(match is not None)
    assert match is not None
    return int(match[1]) * _SIZE_UNITS[(match[2] or "")[:1].lower()]


def _demand(held: bool) -> None:
    if not held:
        raise ValueError
