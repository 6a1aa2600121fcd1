"""The table that history is kept in: a connection to its database, the schema, the partitions of its months."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

import psycopg
from psycopg import sql

SCHEMA = "jq_history"
"""Where the table stands unless the configuration says otherwise."""

CONNECT_TIMEOUT = 5
STATEMENT_TIMEOUT = 10_000
"""Seconds to connect, and ms for one statement."""

_LOCK = 0x6A715F68
"""The advisory lock under which the schema is changed, so that many writers may start at once."""

_PARTITION = re.compile(r"event_(\d{4})_(\d{2})")


class Table:
    """The table in one database. Every method may raise psycopg.Error; connect again then."""

    def __init__(self, url: str, schema: str = SCHEMA) -> None:
        self.connection = psycopg.connect(
            url,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT,
            application_name="jq history",
            prepare_threshold=None,  # a pooler in transaction mode may answer each statement from another connection
        )
        self.name = sql.Identifier(schema, "event")
        self._schema = schema
        self._months: set[str] = set()

    def run(self, statement: str, *values: object, **names: sql.Composable) -> Any:
        """One statement in which `{table}` and other names in braces stand for identifiers; gives its cursor."""
        query = sql.SQL(statement).format(table=self.name, **names)
        return self.connection.execute(query, values or None)

    def close(self) -> None:
        """Give the connection back."""
        self.connection.close()

    # --- the schema ---

    def prepare(self) -> None:
        """Create what is missing. Needs no right to create anything when all is there."""
        if not self._exists():
            with self._locked():
                if not self._exists():
                    self.connection.execute(ddl(self._schema))
        self._months.update(self.months())

    def _exists(self) -> bool:
        row = self.connection.execute("SELECT to_regclass(%s)", [self._dotted("event")]).fetchone()
        return row is not None and row[0] is not None

    def _dotted(self, name: str) -> str:
        return sql.Identifier(self._schema, name).as_string(self.connection)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self.connection.transaction():
            self.connection.execute("SELECT set_config('statement_timeout', %s, true)", [str(STATEMENT_TIMEOUT)])
            self.connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            yield

    # --- the months ---

    def months(self) -> list[str]:
        """The partitions, as `2026_11`, oldest first."""
        rows = self.run(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            "WHERE i.inhparent = to_regclass(%s) ORDER BY 1",
            self._dotted("event"),
        ).fetchall()
        return [name.removeprefix("event_") for (name,) in rows if _PARTITION.fullmatch(name)]

    def have_month(self, at: datetime) -> None:
        """See to it that the month of a moment has its partition."""
        month = f"{at:%Y_%m}"
        if month in self._months:
            return
        first = datetime(at.year, at.month, 1, tzinfo=UTC)
        after = (first + timedelta(days=32)).replace(day=1)
        with self._locked():
            self.run(
                "CREATE TABLE IF NOT EXISTS {month} PARTITION OF {table} FOR VALUES FROM ({first}) TO ({after})",
                month=sql.Identifier(self._schema, f"event_{month}"),
                first=sql.Literal(first),
                after=sql.Literal(after),
            )
        self._months.add(month)

    def forget(self, before: datetime) -> list[str]:
        """Drop the months that ended before a moment; gives them."""
        gone = [month for month in self.months() if _end(month) <= before]
        for month in gone:
            with self.connection.transaction():
                # A reader that holds the table must not make writers queue behind this: give up, try again in an hour.
                self.connection.execute("SET LOCAL lock_timeout = '2s'")
                self.run("DROP TABLE IF EXISTS {month}", month=sql.Identifier(self._schema, f"event_{month}"))
            self._months.discard(month)
        return gone


def ddl(schema: str) -> str:
    """The statements that create the schema."""
    template = resources.files("jq_cli.hooks.history").joinpath("sql/1.sql").read_text("utf-8")
    quoted = '"' + schema.replace('"', '""') + '"'
    return "\n".join(line for line in template.splitlines() if '"{schema}"' not in line).replace("{schema}", quoted)


def _end(month: str) -> datetime:
    year, number = (int(part) for part in month.split("_"))
    return (datetime(year, number, 1, tzinfo=UTC) + timedelta(days=32)).replace(day=1)
