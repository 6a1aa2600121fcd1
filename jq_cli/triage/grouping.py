"""What failed, how often, since when: jobs counted by an error's class or by a value of theirs, in bounded memory. Pure."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

import msgspec

from jq_cli.errors import UsageError
from jq_cli.job import Job, gist
from jq_cli.triage.filter import MISSING, moment_of, value_at
from jq_cli.triage.payload_path import parse_path

MOST = 10_000
"""Groups counted one by one; jobs of any further group are counted together as the others."""

MAX_TEXT = 200
"""Characters of a group's text; what begins alike that far is one group."""

_VARYING = re.compile(
    r"""
      (?P<kept> \b(?i:code|status|errno|sqlstate|http(?:/\d(?:\.\d)?)?|signal|error|exit|exited|smtp)\b
                (?:\ with|\ code)? [\ :=#/]{0,2} -?\d{1,5}\b (?!\.?\d)
              | (?:^ | (?<=:\ ) | (?<=[(\[])) [1-5]\d\d\b (?![.:]?\d)
              | (?<![\w.:-]) [45]\d\d (?=\ [A-Z])
              | (?:^ | (?<=:\ )) [A-Z]{2,5}-\d{2,6}\b )
    | [^\s@<>()\[\]'",:;=]+ @ [^\s@<>()\[\]'",:;]+ \.\w+                                                # an e-mail address
    | (?<![0-9A-Za-z]) (?i:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}) (?![0-9A-Za-z])  # a UUID
    | (?<![0-9A-Za-z]) 0x[0-9A-Fa-f]+
    | (?<![0-9A-Za-z]) (?=[a-f]*\d) [0-9a-f]{8,} (?![0-9A-Za-z])                                        # hex
    | (?<![0-9A-Za-z]) (?=[A-Za-z]*\d+[A-Za-z]+\d) [0-9A-Za-z]{8,} (?![0-9A-Za-z])                      # a ULID or the like
    | (?<!\d) \d{4}-\d\d-\d\d (?: [T\ ] \d\d:\d\d (?: :\d\d (?:[.,]\d+)? )? )? (?: Z | [+-]\d\d:?\d\d )?  # a moment
    | (?<![0-9A-Za-z]) \d+ (?: [.,:] \d+ )*
    | (?P<bracket> \[ )
    """,
    re.VERBOSE,
)
_STEADY = re.compile(rf"[^\d@\[]{{0,{MAX_TEXT}}}")
_RUN = re.compile(r"\*(?:[\s,;:./+-]*\*)+")

Kind = Literal["value", "none", "other"]
Key = tuple[str, Kind, str]
Value = tuple[Kind, Any]


class Group(msgspec.Struct):
    """Jobs counted together: their number, the first and the last moment (ms) among them, the id of the one with the last.

    kind   value: `value` is what they have in common. none: they have no such error or value. other: all beyond the bound
    """

    queue: str
    kind: Kind
    value: Any
    count: int
    first_at: int
    last_at: int
    example: str


class Tally:
    """Counts jobs by a word: `error`, a field of the record, `payload.PATH` or `header.NAME`. Raises UsageError for another."""

    def __init__(self, by: str, most: int = MOST) -> None:
        self._value = _reader(by)
        self._most = most
        self._groups: dict[Key, Group] = {}

    def add(self, job: Job) -> None:
        """Count a job."""
        kind, value = self._value(job)
        key = (job.queue, kind, value if isinstance(value, str) else f"\0{msgspec.json.encode(value).decode()}")
        group = self._groups.get(key)
        if group is None:
            group = self._new(job, key, value)
        moment = moment_of(job)
        group.count += 1
        group.first_at = min(group.first_at, moment)
        if moment >= group.last_at:
            group.last_at, group.example = moment, job.id

    def groups(self) -> list[Group]:
        """The groups, the largest first and the others at the end."""
        return sorted(
            self._groups.values(),
            key=lambda group: (group.kind == "other", -group.count, -group.last_at, group.example),
        )

    def _new(self, job: Job, key: Key, value: Any) -> Group:
        if len(self._groups) >= self._most:
            key, value = (job.queue, "other", ""), None
        moment = moment_of(job)
        return self._groups.setdefault(key, Group(job.queue, key[1], value, 0, moment, moment, job.id))


FIELDS = ("reason", "state", "priority", "attempts", "schedule", "owner", "delivery")
"""Fields of the record to group by; `attempts` are failures and losses so far."""


def masked(error: str) -> str:
    """The class of an error as a glob that matches all of it: the line that listings show, with `*` for what differs from job to
    job: numbers, moments, ids, e-mail addresses.

    A number that says what kind of error it is stays: one after a word such as code, status, HTTP or errno, a status of three
    digits at the beginning, after a colon or a bracket, or before a capital (`500 Internal`), a name such as ORA-00942 at the
    beginning or after a colon. So do digits inside a word. `[` becomes `?`, since a glob reads it otherwise.
    """
    return _masked(gist(error)[: 2 * MAX_TEXT])


@lru_cache(4_096)
def _masked(line: str) -> str:
    if _STEADY.fullmatch(line):
        return line
    glob = _RUN.sub("*", _VARYING.sub(_mask, line))
    return glob if len(glob) <= MAX_TEXT and len(line) < 2 * MAX_TEXT else glob[:MAX_TEXT].rstrip("*") + "*"


def _mask(match: re.Match[str]) -> str:
    if match["bracket"]:
        return "?"
    return match["kept"] or "*"


def _reader(by: str) -> Callable[[Job], Value]:
    name, _, rest = by.partition(".")
    if by == "error":
        return lambda job: ("none", None) if job.last_error is None else ("value", masked(job.last_error))
    if by == "attempts":
        return lambda job: ("value", job.failures + job.losses)
    if by in FIELDS:
        return lambda job: _present(getattr(job, by))
    if name == "payload":
        path = parse_path(rest or ".", "--group-by")
        return lambda job: _shortened(value_at(job.payload, path))
    if name == "header" and rest:
        return lambda job: _present(job.headers.get(rest))
    raise UsageError(f"--group-by: expected error, {', '.join(FIELDS)}, payload.PATH or header.NAME, got {by[:40]!r}")


def _present(value: Any) -> Value:
    return ("none", None) if value is None else _shortened(value)


def _shortened(value: Any) -> Value:
    """A value to group by. A list or an object is compared, and shown, as its JSON."""
    if value is MISSING:
        return "none", None
    if isinstance(value, dict | list):
        value = msgspec.json.encode(value, order="sorted").decode()
    return "value", value[:MAX_TEXT] if isinstance(value, str) else value
