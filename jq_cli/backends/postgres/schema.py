"""The schema of a namespace: its versions, and how they are applied.

The files `sql/<n>-*.sql`, in the order of their names, lead from version n - 1 to n; `:schema` and `:lock` in them stand for the
namespace's own. A version may add tables, columns with defaults, and functions; what programs of the minor version before call
stays as it is until the next, which is what `COMPATIBLE` promises.
"""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import msgspec
from psycopg import Connection, errors

from jq_cli.backends.postgres.address import Address
from jq_cli.backends.postgres.connection import TimedConnection, connect
from jq_cli.backends.postgres.errors import translating
from jq_cli.backends.postgres.health import health
from jq_cli.backends.schema import SchemaState
from jq_cli.errors import BackendError, NotAuthorised

VERSION = 1
"""The version this program works with."""

COMPATIBLE = 1
"""The oldest version whose programs can work with a schema of VERSION."""

OLDEST_SERVER = 140_000
PATIENCE = 60.0
"""Seconds that applying a version may take, and wait for others that do."""

_MISSING = (errors.UndefinedTable, errors.InvalidSchemaName, errors.UndefinedColumn)
_MAKE = "DO $$ BEGIN IF to_regnamespace('{}') IS NULL THEN CREATE SCHEMA {}; END IF; END $$;"
"""IF NOT EXISTS would ask for the right to make one even where there is one."""

_MARK = re.compile(r":(schema|lock)\b")


class Found(msgspec.Struct, frozen=True):
    """What there is: `version` None when there is nothing; `compatible` is the oldest whose programs can work with it."""

    version: int | None = None
    compatible: int = COMPATIBLE

    @property
    def usable(self) -> bool:
        """Whether this program can work with it."""
        return self.version is not None and self.version >= VERSION >= self.compatible


class PostgresSchema:
    """The schema of a namespace of a database, for those who make it and look after it."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def status(self) -> SchemaState:
        """What there is."""
        with self._connection() as connection:
            found = state_of(connection, self._address)
            notes = health(connection, self._address) if found.version is not None else []
        return SchemaState(self._address.schema, found.version, VERSION, found.usable, tuple(notes))

    def init(self) -> list[str]:
        """Make what there is not, up to the current version; says what was done. Raises NotAuthorised and other BackendErrors."""
        with self._connection() as connection:
            return apply(connection, self._address)

    def upgrade(self) -> list[str]:
        """Bring an older schema to the current version; says what was done. Raises BackendError when there is none."""
        with self._connection() as connection:
            if state_of(connection, self._address).version is None:
                raise BackendError(
                    f"{self._address.shown}: no schema {self._address.schema} there yet; run `jq db init`"
                )
            return apply(connection, self._address)

    def sql(self, since: int = 0) -> str:
        """The transaction that leads from a version (0: nothing) to the current one, for those who apply it by hand."""
        scripts = (_script(self._address, version) for version in range(since + 1, VERSION + 1))
        return "BEGIN;\n" + "\n".join(scripts) + "COMMIT;\n"

    def drop(self) -> None:
        """Remove it and all that is in it."""
        with self._connection() as connection, connection.transaction():
            connection.execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
            connection.execute(f"DROP SCHEMA IF EXISTS {self._address.quoted} CASCADE")

    @contextmanager
    def _connection(self) -> Iterator[TimedConnection]:
        with translating(self._address.shown):
            connection = connect(self._address, time.monotonic() + PATIENCE, quiet=True)
            try:
                yield connection
            finally:
                connection.close()


def demand(connection: TimedConnection, address: Address) -> None:
    """See to it that the schema is there: made when there is none and the role may, else BackendError that says what to do."""
    state = state_of(connection, address)
    if state.version is None:
        connection.deadline = time.monotonic() + PATIENCE
        apply(connection, address)
    elif not state.usable:
        raise BackendError(f"{address.shown}: {_complaint(address, state)}")


def apply(connection: TimedConnection, address: Address) -> list[str]:
    """Apply what is missing, in one transaction and one process at a time."""
    if connection.info.server_version < OLDEST_SERVER:
        raise BackendError(f"{address.shown}: the server is older than Postgres 14")
    try:
        with connection.transaction():
            connection.execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (address.lock,))
            state = state_of(connection, address, within=True)
            if state.version is not None and state.version > VERSION:
                return []
            missing = range((state.version or 0) + 1, VERSION + 1)
            for version in missing:
                connection.execute(_script(address, version))
    except errors.InsufficientPrivilege as error:
        raise NotAuthorised(
            f"{address.shown}: {error.diag.message_primary}; the schema {address.schema} must be made by a role that may: "
            f"run `jq db init` as one, or apply what `jq db sql` prints"
        ) from error
    return [f"schema {address.schema}: version {version} applied" for version in missing]


def state_of(connection: Connection[Any], address: Address, *, within: bool = False) -> Found:
    """What there is. `within` a transaction, looking where there is nothing must not undo the rest of it."""
    asked = f"SELECT version, compatible FROM {address.quoted}.meta ORDER BY version DESC LIMIT 1"
    try:
        with connection.transaction() if within else nullcontext():
            rows = connection.execute(asked).fetchall()
    except _MISSING:
        rows = []
    return Found(*rows[0]) if rows else Found()


def migration(version: int) -> str:
    """The statements that lead to a version from the one before, with their marks."""
    folder = os.path.join(os.path.dirname(__file__), "sql")
    names = sorted(name for name in os.listdir(folder) if name.startswith(f"{version}-"))
    texts: list[str] = []
    for name in names:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            texts.append(file.read())
    return "\n".join(texts)


def _script(address: Address, version: int) -> str:
    values = {"schema": address.quoted, "lock": str(address.lock)}
    text = _MARK.sub(lambda mark: values[mark[1]], migration(version))
    first = f"{_MAKE.format(address.quoted.replace(chr(39), chr(39) * 2), address.quoted)}\n\n" if version == 1 else ""
    last = f"INSERT INTO {address.quoted}.meta (version, compatible) VALUES ({version}, {COMPATIBLE});\n"
    return f"{first}{text}\n{last}"


def _complaint(address: Address, found: Found) -> str:
    if found.version is not None and found.version < VERSION:
        return (
            f"the schema {address.schema} is of version {found.version}, this jq needs {VERSION}; run `jq db upgrade`"
        )
    return f"the schema {address.schema} was made by a newer jq (version {found.version}, this one knows {VERSION}); upgrade jq"
