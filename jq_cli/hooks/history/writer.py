"""The history hook: writes events to Postgres, one statement a batch, drops months that are over."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from jq_cli.hooks.event import Event
from jq_cli.hooks.history.table import SCHEMA, Table

RETENTION = 90 * 86_400.0
"""Seconds that events are kept unless the configuration says otherwise; whole months are dropped."""

FORGET_EVERY = 3_600.0

COLUMNS = {
    "at": "timestamptz", "id": "text", "namespace": "text", "event": "text", "queue": "text", "job": "text",
    "attempt": "integer", "worker": "text", "reason": "text", "error": "text", "payload": "text",
}  # fmt: skip

INSERT = (
    f"INSERT INTO {{table}} ({', '.join(COLUMNS)}) SELECT * FROM unnest"  # noqa: S608 constants of this file
    f"({', '.join(f'%s::{kind}[]' for kind in COLUMNS.values())}) ON CONFLICT DO NOTHING"
)


class HistoryHook:
    """Writes to one table. After any trouble it connects again with the next batch; a batch written twice is there once."""

    def __init__(
        self,
        url: str,
        *,
        schema: str = SCHEMA,
        retention: float | None = RETENTION,
        payload: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._url = url
        self._schema = schema
        self._retention = retention
        self._payload = payload
        self._now = now
        self._table: Table | None = None
        self._forget_at = 0.0

    def deliver(self, events: Sequence[Event]) -> None:
        """Write them."""
        try:
            table = self._connected()
            rows = [self._row(event) for event in events]
            for at in {(row[0].year, row[0].month): row[0] for row in rows}.values():
                table.have_month(at)
            table.run(INSERT, *(list(column) for column in zip(*rows, strict=True)))
        except BaseException:
            self.close()
            raise
        self._forget()

    def close(self) -> None:
        """Give the connection back."""
        if self._table is not None:
            self._table.close()
            self._table = None

    def _connected(self) -> Table:
        if self._table is None:
            self._table = Table(self._url, self._schema)
            self._table.prepare()
        return self._table

    def _row(self, event: Event) -> tuple[Any, ...]:
        payload = event.payload if self._payload else None
        return (
            datetime.fromtimestamp(event.at / 1_000, UTC), event.id, event.namespace, event.event, event.queue,
            event.job, event.attempt, _clean(event.worker), _clean(event.reason), _clean(event.error),
            None if payload is None else _clean(payload.decode("utf-8", "backslashreplace")),
        )  # fmt: skip

    def _forget(self) -> None:
        if self._retention is None or self._now() < self._forget_at or self._table is None:
            return
        self._forget_at = self._now() + FORGET_EVERY
        before = datetime.fromtimestamp(self._now(), UTC) - timedelta(seconds=self._retention)
        try:
            self._table.forget(before)
        except psycopg.Error:
            self.close()  # the events are written; what could not be dropped is tried again in an hour


def _clean(text: str | None) -> str | None:
    """Text that Postgres can hold: no NUL, no half of a surrogate pair."""
    return text and text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")


def make_history(options: Mapping[str, Any]) -> HistoryHook:
    """The hook from its options: `url`, `schema`, `retention`, `payload`."""
    return HistoryHook(**options)
