"""The configuration file: where it is looked for, whether it may be trusted, and its values with the lines they stand on.

The walk over the YAML follows a schema (`config_kinds`) and goes on after a mistake, so that one run reports every one.
"""

import difflib
import os
import stat
from collections.abc import Mapping
from typing import Any

import yaml

from jq_cli.config.kinds import Group, Kind, Named
from jq_cli.config.settings import Keys
from jq_cli.draft import check_name
from jq_cli.errors import ConfigError, InvalidField

MAX_BYTES = 1024 * 1024

Values = dict[Keys, tuple[Any, str]]
"""Each value that the file sets, with its source, such as `jq.yaml line 12`."""


def read_text(path: str) -> str:
    """The text of a configuration file. Raises ConfigError when it cannot be read, is too large or others may write it."""
    try:
        with open(path, "rb") as file:
            refuse_writable_by_others(path, os.fstat(file.fileno()))
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ConfigError(f"{path}: larger than the {MAX_BYTES:,} bytes allowed")
        return data.decode("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: invalid UTF-8 at byte {error.start}") from None


def refuse_writable_by_others(path: str, status: os.stat_result) -> None:
    """Whoever can write the file chooses what workers run and where passwords go."""
    if stat.S_ISREG(status.st_mode) and status.st_mode & stat.S_IWOTH:
        raise ConfigError(f"{path}: every user may write it; chmod o-w it first")


def readable_by_others(path: str) -> bool:
    """Whether users other than the owner may read the file."""
    return bool(os.stat(path).st_mode & (stat.S_IRGRP | stat.S_IROTH))


class Reader:
    """Walks one file along a schema. `values` and `problems` fill up; a problem names the path and the line."""

    def __init__(self, text: str, label: str) -> None:
        self.values: Values = {}
        self.problems: list[str] = []
        self._text = text
        self._label = label

    def read(self, schema: Group) -> None:
        """Read the whole file."""
        try:
            self._loader = _Loader(self._text)
            root = self._loader.get_single_node()
            if root is not None:
                self._group(root, schema, ())
        except yaml.YAMLError as error:
            self.problems.append(self._syntax(error))
        except RecursionError:
            self.problems.append(f"nests too deeply ({self._label})")

    def _group(self, node: yaml.Node, group: Group, path: Keys) -> None:
        for key, value in self._items(node, path):
            known = group.fields.get(key.value, group.extra)
            if known is None:
                self._problem(f"unknown option {key.value[:60]!r}{_near(key.value, group.fields)}", path, key)
            else:
                self._value(value, known, (*path, key.value))

    def _value(self, node: yaml.Node, kind: Kind | Group | Named, path: Keys) -> None:
        if isinstance(kind, Kind):
            self._leaf(node, kind, path)
        elif isinstance(kind, Named):
            self._named(node, kind, path)
        elif not _is_null(node):
            self._group(node, kind, path)

    def _named(self, node: yaml.Node, named: Named, path: Keys) -> None:
        for key, value in [] if _is_null(node) else self._items(node, path):
            try:
                name = check_name(key.value, "name")
            except InvalidField as error:
                self._problem(error.problem, path, key)
                continue
            self.values[(*path, name)] = (name, self._source(key))
            if not _is_null(value):
                self._group(value, named.group, (*path, name))

    def _leaf(self, node: yaml.Node, kind: Kind, path: Keys) -> None:
        try:
            value = self._loader.construct_object(node, deep=True)
            self.values[path] = (kind.read(value), self._source(node))
        except InvalidField as error:
            self._problem(f"{_last(path)}: {error.problem}", path, node)
        except ValueError:
            self._problem(f"expected {_last(path)} to be {kind.expected}, got {_shown(node)}", path, node)
        except yaml.YAMLError as error:
            self.problems.append(self._syntax(error))

    def _items(self, node: yaml.Node, path: Keys) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode):
            self._problem(f"expected {_last(path) or 'the file'} to be a mapping, got {_shown(node)}", path, node)
            return []
        items: dict[str, tuple[yaml.ScalarNode, yaml.Node]] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._problem("expected a name as key, got a structure", path, key)
            elif key.value in items:
                self._problem(f"{key.value[:60]!r} is given twice", path, key)
            else:
                items[key.value] = (key, value)
        return list(items.values())

    def _problem(self, message: str, path: Keys, node: yaml.Node) -> None:
        where = f"{'.'.join(path)}, " if path else ""
        self.problems.append(f"{message} ({where}{self._source(node)})")

    def _source(self, node: yaml.Node) -> str:
        return f"{self._label} line {node.start_mark.line + 1}"

    def _syntax(self, error: yaml.YAMLError) -> str:
        if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
            said = ": ".join(part for part in (error.context, error.problem) if part)
            return f"{said} ({self._label} line {error.problem_mark.line + 1})"
        return f"{' '.join(str(error).split())} ({self._label})"


class _Loader(yaml.SafeLoader):
    """Plain data only. Aliases are refused: a few of them can stand for more data than fits in memory."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not allowed", event.start_mark)
        return super().compose_node(parent, index)


def _is_null(node: yaml.Node) -> bool:
    return bool(node.tag == "tag:yaml.org,2002:null")


def _shown(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        text = str(node.value)
        shown = text if len(text) <= 40 else text[:40] + "…"
        return shown if node.style is None and shown else repr(shown)
    return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"


def _near(key: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(sorted(known))}"


def _joined(path: Keys, key: str) -> str:
    return f"{path}.{key}" if path else key


def _last(path: Keys) -> str:
    return path[-1] if path else ""
