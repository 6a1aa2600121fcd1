"""Which jobs: the filter that listings and bulk actions share, decided by the job record alone. Pure.

Different kinds of clauses must all hold, and so must several of payload or headers; of several errors, ids or states one is
enough. Cheap clauses are looked at first, and a payload is decoded only when a clause asks for it and the others hold.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import translate
from typing import Any, Literal

import msgspec

from jq_cli.durations import parse_duration, parse_moment
from jq_cli.errors import InvalidField
from jq_cli.job import FINAL, Job, State, gist
from jq_cli.triage.payload_path import Path, parse_path

Check = Callable[[Job], bool]
Operator = Literal["=", "!=", "~", "!~"]

MISSING = object()
"""What a path leads to when it leads nowhere. Not None, which JSON has a word for."""

_OPERATORS: tuple[Operator, ...] = ("!=", "!~", "=", "~")
_INDEX = re.compile(r"-?\d{1,9}")
_RANGE = re.compile(r"(-?\d{1,9})?(\.\.)?(-?\d{1,9})?")
_DATE = re.compile(r"\d{4}-")
_SHOWN = 60


class Clause(msgspec.Struct, frozen=True):
    """A condition on one value: `=` and `!=` compare, `~` and `!~` match a glob. The two with `!` hold exactly where the
    others do not, so also where there is no such value.

    A text in the job equals the typed one as it is; anything else, or a typed text in quotes, is compared as JSON: `n=5`
    holds for 5, 5.0 and "5", `n="5"` only for the text. A glob sees what is not text as JSON on one line.
    """

    name: str
    operator: Operator
    text: str

    def test(self) -> Callable[[Any], bool]:
        """The condition as a function of the value found, or MISSING."""
        holds = _glob(self.text) if "~" in self.operator else _equality(self.text)
        if self.operator.startswith("!"):
            return lambda value: not holds(value)
        return holds


class Range(msgspec.Struct, frozen=True):
    """Whole numbers from `low` to `high`, both included; None: no bound."""

    low: int | None
    high: int | None

    def holds(self, number: int) -> bool:
        return (self.low is None or number >= self.low) and (self.high is None or number <= self.high)


class Age(msgspec.Struct, frozen=True):
    """A moment (ms): so long ago, or a fixed one."""

    ms: int
    ago: bool

    def moment(self, now: int) -> int:
        return now - self.ms if self.ago else self.ms


class JobFilter:
    """Decides which jobs are meant. Made from what people type; raises InvalidField for what cannot be understood.

    ids          one of these
    states       one of these
    errors       globs; of the last error one must match its gist (the line that listings show) or its whole text
    payload      `PATH=VALUE`, `!=`, `~GLOB`, `!~GLOB`; PATH has dots between keys and list indexes, `.` is all of it
    headers      `NAME=VALUE` and the same operators
    older_than, newer_than  a duration or a moment (RFC 3339): of its end for a finished job, of its start for a running one,
                 else of its creation
    priority, attempts  `N`, `A..B`, `A..` or `..B`; attempts are failures and losses so far
    """

    def __init__(
        self,
        *,
        ids: Iterable[str] = (),
        states: Iterable[State] = (),
        errors: Iterable[str] = (),
        payload: Iterable[str] = (),
        headers: Iterable[str] = (),
        older_than: str | None = None,
        newer_than: str | None = None,
        priority: str | None = None,
        attempts: str | None = None,
    ) -> None:
        self.ids = tuple(dict.fromkeys(ids))
        self.states = frozenset(states)
        self._older = None if older_than is None else parse_age(older_than, "older-than")
        self._newer = None if newer_than is None else parse_age(newer_than, "newer-than")
        self._checks: list[Check] = [
            *_in_ids(frozenset(self.ids)),
            *_numbers(priority, attempts),
            *_headers([parse_clause(text, "header") for text in headers]),
            *_errors(list(errors)),
            *_payload([parse_clause(text, "payload") for text in payload]),
        ]

    def __bool__(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.states) or self.narrow

    @property
    def narrow(self) -> bool:
        """Whether it leaves out jobs of its states, so that their count has to be found by looking at each."""
        return bool(self._checks) or self._older is not None or self._newer is not None

    def matches(self, job: Job, now: int) -> bool:
        """Whether a job is meant. `now`: the store's time in ms, for ages."""
        if self.states and job.state not in self.states:
            return False
        if self._older is not None and moment_of(job) > self._older.moment(now):
            return False
        if self._newer is not None and moment_of(job) <= self._newer.moment(now):
            return False
        for check in self._checks:  # noqa: SIM110  (a generator would double the cost)
            if not check(job):
                return False
        return True


def moment_of(job: Job) -> int:
    """The moment (ms) a job is as old as: its end, its start while it runs, else its creation."""
    if job.state in FINAL:
        return job.finished_at or job.created_at
    return (job.started_at if job.state == "running" else None) or job.created_at


def value_at(payload: bytes, path: Path) -> Any:
    """What a path leads to in a payload; MISSING where it leads nowhere or the payload is not JSON."""
    try:
        value = msgspec.json.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return MISSING
    return _followed(value, path)


def parse_clause(text: str, field: str) -> Clause:
    """A condition as it is typed; a backslash takes an operator or a dot that belongs to the name as it is."""
    if text[:1] in ("{", "[") and _is_json(text):
        raise InvalidField(field, f"expected NAME=VALUE (or !=, ~GLOB, !~GLOB), got the JSON value {text[:_SHOWN]!r}")
    at = _operator_at(text)
    operator = next((each for each in _OPERATORS if text.startswith(each, at)), None)
    if operator is None or at == 0:
        raise InvalidField(field, f"expected NAME=VALUE (or !=, ~GLOB, !~GLOB), got {text[:_SHOWN]!r}")
    value = text[at + len(operator) :]
    if value[:1] in ("~", "=") and value[0] != operator[-1]:
        # Other tools write a match so. Taken at its word it would quietly match nothing.
        raise InvalidField(
            field, f"a glob is written NAME~GLOB, a value that begins with {value[0]} in quotes: {text[:_SHOWN]!r}"
        )
    return Clause(text[:at], operator, value)


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text.encode())
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    return True


def _operator_at(text: str) -> int:
    at = 0
    while at < len(text) and not text.startswith(_OPERATORS, at):
        at += 2 if text[at] == "\\" else 1
    return at


def parse_range(text: str, field: str) -> Range:
    """`N`, `A..B`, `A..` or `..B`."""
    match = _RANGE.fullmatch(text.strip())
    bounds = [None if bound is None else int(bound) for bound in match.group(1, 3)] if match else [None, None]
    low, high = bounds
    dots = match is not None and bool(match[2])
    wrong = (low is None and high is None) or (high is not None and (not dots or (low is not None and low > high)))
    if wrong:
        raise InvalidField(field, f"expected a number or a range such as 3, 1..5, 3.. or ..5, got {text[:_SHOWN]!r}")
    return Range(low, high if dots else low)


def parse_age(text: str, field: str) -> Age:
    """A duration such as 90m, or a moment such as 2026-10-04T02:00:00Z."""
    if _DATE.match(text.strip()):
        return Age(parse_moment(text, 0, field), ago=False)
    ms = parse_duration(text, field)
    if ms < 0:
        raise InvalidField(field, f"{text!r} must not be negative")
    return Age(ms, ago=True)


# --- checks ---


def _in_ids(ids: frozenset[str]) -> list[Check]:
    return [lambda job: job.id in ids] if ids else []


def _numbers(priority: str | None, attempts: str | None) -> list[Check]:
    checks: list[Check] = []
    if priority is not None:
        within = parse_range(priority, "priority")
        checks.append(lambda job: within.holds(job.priority))
    if attempts is not None:
        between = parse_range(attempts, "attempts")
        checks.append(lambda job: between.holds(job.failures + job.losses))
    return checks


def _headers(clauses: Sequence[Clause]) -> list[Check]:
    if not clauses:
        return []
    tests = [(re.sub(r"\\(.)", r"\1", clause.name), clause.test()) for clause in clauses]
    return [lambda job: all(test(job.headers.get(name, MISSING)) for name, test in tests)]


def _errors(globs: Sequence[str]) -> list[Check]:
    if not globs:
        return []
    for glob in globs:
        if not glob:
            raise InvalidField("error", "expected a glob such as 'SMTP*', got ''")
    match = re.compile("|".join(f"(?:{translate(glob)})" for glob in globs)).match

    def check(job: Job) -> bool:
        error = job.last_error
        return error is not None and (match(gist(error)) is not None or match(error) is not None)

    return [check]


def _payload(clauses: Sequence[Clause]) -> list[Check]:
    if not clauses:
        return []
    tests = [(parse_path(clause.name, "payload"), clause.test()) for clause in clauses]

    def check(job: Job) -> bool:
        try:
            payload = msgspec.json.decode(job.payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            payload = MISSING
        return all(test(_followed(payload, path)) for path, test in tests)

    return [check]


def _followed(value: Any, path: Path) -> Any:
    for part in path:
        if isinstance(value, dict):
            value = value.get(part, MISSING)
        elif isinstance(value, list) and _INDEX.fullmatch(part) and -len(value) <= int(part) < len(value):
            value = value[int(part)]
        else:
            return MISSING
    return value


def _glob(text: str) -> Callable[[Any], bool]:
    match = re.compile(translate(text)).match

    def holds(value: Any) -> bool:
        if value is MISSING:
            return False
        return match(value if isinstance(value, str) else msgspec.json.encode(value).decode()) is not None

    return holds


def _equality(text: str) -> Callable[[Any], bool]:
    try:
        typed = msgspec.json.decode(text.encode())
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        typed = MISSING

    def holds(value: Any) -> bool:
        if isinstance(value, str):
            return value in (text, typed)
        return value is not MISSING and typed is not MISSING and _same(value, typed)

    return holds


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, bool | None) or isinstance(other, bool | None):
        return one is other
    if isinstance(one, dict | list):
        return msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted")
    return bool(one == other)
