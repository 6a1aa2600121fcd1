"""Reads the history of jobs back, filtered in the database."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NoReturn

import msgspec
import psycopg

from jq_cli.errors import BackendError, BackendUnreachable, InvalidField, NotAuthorised, UsageError
from jq_cli.hooks.history.table import SCHEMA, STATEMENT_TIMEOUT, Table

FIELDS = ("at", "event", "queue", "job", "attempt", "worker", "reason", "error", "payload", "id")
PAGE = 1_000


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Which events. Moments in ms since the epoch; `worker` and `error` are patterns with `*`, `?` and `[...]`."""

    namespace: str
    queue: str | None = None
    job: str | None = None
    events: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None
    worker: str | None = None
    error: str | None = None
    reason: str | None = None


class History:
    """The history in one database. Use as a context manager. Raises BackendError and its kin for trouble with it."""

    def __init__(self, url: str, schema: str = SCHEMA) -> None:
        try:
            self._table = Table(url, schema)
            self._table.connection.execute(
                "SELECT set_config('statement_timeout', %s, false)", [str(STATEMENT_TIMEOUT)]
            )
        except psycopg.Error as error:
            _trouble(error)

    def events(
        self, filters: Filters, *, limit: int = 0, after: tuple[int, str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """The events, newest first, at most `limit` of them (0: all), as records with the names in FIELDS. `after`: only those
        that follow the event with this moment (ms) and id in that order."""
        clauses, values = _where(filters)
        statement = f"SELECT {', '.join(FIELDS)} FROM {{table}} WHERE {' AND '.join(clauses)}"  # noqa: S608 constants
        before: tuple[Any, ...] = () if after is None else (_moment(after[0]), after[1])
        left = limit or None
        while True:
            page = min(PAGE, left) if left else PAGE
            later = " AND (at, id) < (%s, %s)" if before else ""
            rows = self._rows(f"{statement}{later} ORDER BY at DESC, id DESC LIMIT %s", *values, *before, page)
            yield from (_record(row) for row in rows)
            left = left and left - len(rows)
            if len(rows) < page or left == 0:
                return
            before = (rows[-1][0], rows[-1][-1])

    def _rows(self, statement: str, *values: object) -> list[Any]:
        try:
            rows: list[Any] = self._table.run(statement, *values).fetchall()
        except psycopg.errors.UndefinedTable:
            return []  # no event was ever written
        except psycopg.Error as error:
            _trouble(error)
        return rows

    def close(self) -> None:
        """Give the connection back."""
        self._table.close()

    def __enter__(self) -> "History":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def _where(filters: Filters) -> tuple[list[str], list[object]]:
    clauses, values = ["namespace = %s"], [filters.namespace]
    moments = {"at >= %s": filters.since, "at < %s": filters.until}
    wanted: dict[str, object] = {
        "queue = %s": filters.queue,
        "job = %s": filters.job,
        "reason = %s": filters.reason,
        "event = ANY(%s)": list(filters.events) or None,
        **{clause: None if ms is None else _moment(ms) for clause, ms in moments.items()},
        "worker ~ %s": pattern(filters.worker),
        "error ~ %s": pattern(filters.error),
    }
    given = {clause: value for clause, value in wanted.items() if value is not None}
    return clauses + list(given), [*values, *given.values()]


def _moment(ms: int) -> datetime:
    try:
        return datetime.fromtimestamp(ms / 1_000, UTC)
    except (ValueError, OverflowError, OSError):
        raise InvalidField("moment", f"{ms} ms is not within the years 1 to 9999") from None


def pattern(glob: str | None) -> str | None:
    """A pattern of the shell's kind as a regular expression of Postgres that must match all of a text."""
    if glob is None:
        return None
    parts, at = [], 0
    while at < len(glob):
        end = glob.find("]", at + 2) if glob[at] == "[" else -1
        if end > 0:
            inside = glob[at + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            parts.append(f"[^{inside[1:]}]" if inside.startswith("!") else f"[{inside}]")
            at = end
        else:
            parts.append({"*": ".*", "?": "."}.get(glob[at]) or _literal(glob[at]))
        at += 1
    return f"^(?:{''.join(parts)})$"


def _literal(character: str) -> str:
    return character if character.isalnum() or ord(character) > 127 else f"\\{character}"


def _record(row: tuple[Any, ...]) -> dict[str, Any]:
    record = dict(zip(FIELDS, row, strict=True))
    record["at"] = round(record["at"].timestamp() * 1_000)
    return record


def _trouble(error: psycopg.Error) -> NoReturn:
    text = " ".join(str(error).split())
    if isinstance(error, psycopg.errors.InvalidRegularExpression):
        raise UsageError(f"not a pattern: {text}") from None
    if isinstance(error, psycopg.DataError):
        raise UsageError(f"history: {text}") from None
    if isinstance(error, psycopg.errors.InsufficientPrivilege) or "authentication failed" in text:
        raise NotAuthorised(f"history: {text}") from None
    if isinstance(error, psycopg.OperationalError):
        raise BackendUnreachable(f"history: {text}") from None
    raise BackendError(f"history: {text}") from None
