"""The Lua scripts: which parts each one is made of, and a call of one."""

import hashlib
from collections.abc import Sequence
from functools import cache
from os.path import dirname, join

from jq_cli.backends.redis.connection import Command, Word

_FOLDER = join(dirname(__file__), "lua")

PARTS = {
    "insert": ("", "prelude", "keyless", "insert"),
    "insert_keyed": ("", "prelude", "unique", "keyed", "insert"),
    "turn": ("allow-oom", "prelude", "queue", "take_in", "unique", "settle", "merge", "trim", "claim", "turn"),
    "extend": ("allow-oom", "prelude", "queue", "extend"),
    "get": ("no-writes", "prelude", "queue", "read_rows", "get"),
    "page": ("allow-oom", "prelude", "queue", "take_in", "merge", "read_rows", "page"),
    "due": ("allow-oom", "prelude", "queue", "due"),
    "counts": ("no-writes", "prelude", "queue", "counts"),
    "sweep": ("allow-oom", "prelude", "queue", "sweep"),
    "swap": ("allow-oom", "swap"),
    "control": ("allow-oom", "prelude", "queue", "control"),
}
"""A script's flags, then its files in order. Only inserts are refused when the server is full: what ends or moves jobs must
go on then."""


class Script:
    """One script: `text` with its flags in the first line, `sha`, under which the server knows it."""

    def __init__(self, flags: str, *parts: str) -> None:
        self.text = "\n".join([f"#!lua{flags and ' flags=' + flags}", *map(_part, parts)])
        self.sha = hashlib.sha1(self.text.encode()).hexdigest()  # noqa: S324 - the server's choice


def _part(name: str) -> str:
    # Not pathlib: importing it takes longer than all of this.
    with open(join(_FOLDER, f"{name}.lua"), encoding="utf-8") as file:
        return file.read()


@cache
def script(name: str) -> Script:
    """The script with this name."""
    return Script(*PARTS[name])


class Call:
    """A call of a script. `flag` is the place among its arguments that becomes "1" when it is sent again."""

    __slots__ = ("_flag", "arguments", "name")

    def __init__(self, name: str, keys: Sequence[Word], arguments: Sequence[Word], flag: int | None = None) -> None:
        self.name = name
        self.arguments: Command = (len(keys), *keys, *arguments)
        self._flag = None if flag is None else 1 + len(keys) + flag

    def resent(self) -> "Call":
        """The call as it is sent again after its answer was lost."""
        if self._flag is not None:
            words = list(self.arguments)
            words[self._flag] = "1"
            self.arguments = words
        return self
