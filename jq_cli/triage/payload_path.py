"""Paths into JSON payloads as operators type them, `customer.addresses.0.zip`, and writing at their end. Pure."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from jq_cli.errors import InvalidField

_PART = re.compile(r"(?:[^.\\]|\\.)*", re.DOTALL)
_INDEX = re.compile(r"-?[0-9]{1,9}")

# Numbers keep their digits: 1.10 stays 1.10, and what no float can hold stays what it is.
_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


Path = tuple[str, ...]


def parse_path(text: str, field: str = "path") -> Path:
    """The keys in a dotted path, none for `.`, which is the whole payload; a backslash takes the meaning from the dot behind it.
    Raises InvalidField for an empty key."""
    if text == ".":
        return ()
    parts, at = [], 0
    while at <= len(text):
        match = _PART.match(text, at)
        assert match is not None
        parts.append(re.sub(r"\\(.)", r"\1", match[0]))
        at = match.end() + 1
    if not all(parts):
        raise InvalidField(
            field, f"{text[:60]!r} is not a path; use keys and list indexes with dots, such as items.0.sku"
        )
    return tuple(parts)


def typed(text: str) -> bytes:
    """A value as it was typed: JSON if it is JSON, else a string."""
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        raise InvalidField("value", "invalid UTF-8") from None
    try:
        msgspec.json.decode(encoded)
    except (msgspec.DecodeError, RecursionError):
        return msgspec.json.encode(text)
    return encoded.strip()


def changed(payload: bytes, sets: Sequence[tuple[Path, bytes]], unset: Sequence[Path]) -> bytes:
    """A payload with values (JSON) written at paths, then other paths taken out. Objects on the way are made, lists grow by
    one at a time. Raises InvalidField naming the path that leads nowhere."""
    try:
        tree = _decoder.decode(payload)
        for path, value in sets:
            tree = _put(tree, path, _decoder.decode(value))
        for path in unset:
            _take(tree, path)
        return _encoder.encode(tree)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise InvalidField("payload", f"it is not JSON that values can be set in: {error}") from None


def _put(tree: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    node = _demand_node(tree, path, 0)
    for depth, key in enumerate(path[:-1]):
        child = _child(node, key, path, depth)
        if child is None and isinstance(node, dict):
            child = node[key] = {}
        node = _demand_node(child, path, depth + 1)
    if isinstance(node, dict):
        node[path[-1]] = value
    elif path[-1] == str(len(node)):
        node.append(value)
    else:
        node[_position(node, path, len(path) - 1)] = value
    return tree


def _take(tree: Any, path: Path) -> None:
    if not path:
        raise InvalidField("payload", "all of it cannot be taken out")
    node = _demand_node(tree, path, 0)
    for depth, key in enumerate(path[:-1]):
        node = _demand_node(_child(node, key, path, depth), path, depth + 1)
    if isinstance(node, list):
        del node[_position(node, path, len(path) - 1)]
    elif node.pop(path[-1], node) is node:
        raise InvalidField("payload", f"there is no {_shown(path)}")


def _child(node: Any, key: str, path: Path, depth: int) -> Any:
    return node.get(key) if isinstance(node, dict) else node[_position(node, path, depth)]


def _position(node: list[Any], path: Path, depth: int) -> int:
    index = int(path[depth]) if _INDEX.fullmatch(path[depth]) else len(node)
    if not -len(node) <= index < len(node):
        where = _shown(path[:depth]) or "the payload"
        raise InvalidField("payload", f"{where} is a list of {len(node)}; {path[depth][:40]!r} is no place in it")
    return index


def _demand_node(node: Any, path: Path, depth: int) -> Any:
    if not isinstance(node, dict | list):
        where = _shown(path[:depth]) or "the payload"
        kind = "missing" if node is None else "neither an object nor a list"
        raise InvalidField("payload", f"{where} is {kind}, so {_shown(path)} leads nowhere")
    return node


def _shown(path: Path) -> str:
    return ".".join(path)[:80]
