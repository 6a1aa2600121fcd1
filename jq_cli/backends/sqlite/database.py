"""The open database: one connection, its schema, and the two ways to use it, reading and writing. Whatever SQLite says leaves
here as a BackendError."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from weakref import WeakSet

from jq_cli.backends.sqlite.file import Settings, prepare
from jq_cli.backends.sqlite.lock import Turnstile
from jq_cli.errors import BackendError, BackendFull, BackendUnreachable

OLDEST_SQLITE = (3, 34, 0)
"""The oldest SQLite library this is meant for (Debian 11, RHEL 9)."""

APPLICATION = 0x6A71636C
"""Marks a database as ours in its header: `jqcl`."""

VERSION = 1
"""The schema this code works with. The file `sql/<n>.sql` leads from version n - 1 to n."""

WAL_PAGES = 2_000
"""Pages of the write-ahead log (4 KiB each) after which it is copied into the database. (Measured: 6 % faster than with 1,000,
and no slower than with more.)"""

WAL_LIMIT = 32 * 1024 * 1024
"""Bytes to which the write-ahead log is cut after a burst."""


class Database:
    """One connection to the file, for the process that opened it, one thread at a time."""

    def __init__(self, settings: Settings) -> None:
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            wanted = ".".join(map(str, OLDEST_SQLITE))
            raise BackendError(f"Python's SQLite is {sqlite3.sqlite_version}; the store needs {wanted} or newer")
        self.settings = settings
        self.inherited = False
        self._file: tuple[int, int] | None = None
        prepare(settings.path)
        self.turnstile = Turnstile(settings.path, settings.timeout)
        with self.reading():
            self._connect()
        _opened.add(self)

    def _connect(self) -> None:
        self.connection = sqlite3.connect(
            self.settings.path,
            timeout=self.settings.timeout,
            isolation_level=None,
            cached_statements=256,
            # Used by one thread at a time, which need not be the one that opened it.
            check_same_thread=False,
        )
        self.cursor = self.connection.cursor()
        try:
            self._check_version()
            self._set_up()
        except BaseException:
            self.connection.close()
            raise
        self._file = _identity(self.settings.path)

    def _set_up(self) -> None:
        full = self.settings.synchronous == "full"
        for name, value in {
            "synchronous": self.settings.synchronous,
            # On macOS a plain fsync leaves the data in the drive's cache.
            "fullfsync": int(full),
            "checkpoint_fullfsync": int(full),
            "wal_autocheckpoint": WAL_PAGES,
            "journal_size_limit": WAL_LIMIT,
        }.items():
            self.cursor.execute(f"PRAGMA {name} = {value}").fetchall()

    # --- use ---

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Run statements that read. Each is a snapshot of its own."""
        try:
            self.check()
            yield
        except sqlite3.Error as error:
            raise self._translated(error) from error
        except UnicodeDecodeError as error:
            raise BackendError(f"{self.settings.url}: {_HINTS['SQLITE_CORRUPT']}{error}") from error

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Run several statements that read one moment."""
        with self.reading():
            self.cursor.execute("BEGIN")
            try:
                yield
            finally:
                self._end("COMMIT")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Run statements that happen together or not at all, and are stored when this is left."""
        with self.reading():
            try:
                self._begin(self.turnstile.enter())
                yield
                self.cursor.execute("COMMIT")
            finally:
                self._end("ROLLBACK")
                self.turnstile.leave()

    def _begin(self, left: float) -> None:
        waited = left < 0.9 * self.settings.timeout
        if waited:
            self._wait_at_most(left)
        try:
            self.cursor.execute("BEGIN IMMEDIATE")
        finally:
            if waited:
                self._wait_at_most(self.settings.timeout)

    def _wait_at_most(self, seconds: float) -> None:
        self.cursor.execute(f"PRAGMA busy_timeout = {max(1, round(seconds * 1_000))}").fetchall()

    def check(self) -> None:
        """Raise BackendError when this is another process than the one that opened the database, or its file is gone."""
        if self.inherited:
            raise BackendError(f"{self.settings.url}: opened before a fork; open it again in the new process")
        if self._file is not None and _identity(self.settings.path) != self._file:
            raise BackendError(
                f"{self.settings.url}: the file was removed or replaced while in use; stop everything that uses it first"
            )

    def close(self) -> None:
        """Close the connection."""
        self.turnstile.close()
        if not self.inherited:
            with suppress(sqlite3.Error):
                self.connection.close()

    def inherit(self) -> None:
        """What a child does with its parent's connection: keep away from it."""
        self.inherited = True
        self.turnstile.close()

    def _end(self, statement: str) -> None:
        if self.connection.in_transaction:
            # A failed statement may have ended the transaction, or left the disk in no state to end it.
            with suppress(sqlite3.Error):
                self.cursor.execute(statement)

    # --- schema ---

    def _check_version(self) -> None:
        version, application = self._header()
        if version > VERSION:
            raise BackendError(
                f"{self.settings.url}: written by a newer jq (schema {version}, this one knows {VERSION}); upgrade jq"
            )
        if application != APPLICATION or version < VERSION:
            self._upgrade()

    def _header(self) -> tuple[int, int]:
        ((version,),) = self.cursor.execute("PRAGMA user_version").fetchall()
        ((application,),) = self.cursor.execute("PRAGMA application_id").fetchall()
        return version, application

    def _upgrade(self) -> None:
        try:
            self.turnstile.enter()
            version, application = self._header()
            if application != APPLICATION:
                self._refuse_foreign()
            for step in range(version + 1, VERSION + 1):
                self._run(step)
        finally:
            self._end("ROLLBACK")
            self.turnstile.leave()

    def _refuse_foreign(self) -> None:
        if self.cursor.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise BackendError(f"{self.settings.url}: the database of another program")
        # Cannot be changed inside a transaction; stays with the file.
        (mode,) = self.cursor.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise BackendError(f"{self.settings.url}: SQLite cannot keep a write-ahead log there (journal mode {mode})")

    def _run(self, version: int) -> None:
        self.cursor.executescript(
            f"BEGIN IMMEDIATE; {migration(version)}"
            f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {version}; COMMIT;"
        )

    # --- errors ---

    def _translated(self, error: sqlite3.Error) -> BackendError:
        name = getattr(error, "sqlite_errorname", "")
        kind = next((kind for start, kind in _KINDS.items() if name.startswith(start)), BackendError)
        hint = next((hint for start, hint in _HINTS.items() if name.startswith(start)), "")
        return kind(f"{self.settings.url}: {hint}{error}")


def migration(version: int) -> str:
    """The statements that lead to a version from the one before."""
    path = os.path.join(os.path.dirname(__file__), "sql", f"{version}.sql")
    with open(path, encoding="utf-8") as file:
        return file.read()


def _identity(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return (0, 0)
    return status.st_dev, status.st_ino


_KINDS: dict[str, type[BackendError]] = {
    "SQLITE_BUSY": BackendUnreachable,
    "SQLITE_LOCKED": BackendUnreachable,
    "SQLITE_FULL": BackendFull,
}

_HINTS = {
    "SQLITE_BUSY": "busy: another program holds the database: ",
    "SQLITE_FULL": "no room left, nothing was stored: ",
    "SQLITE_READONLY": "cannot be written: ",
    "SQLITE_CORRUPT": "damaged; restore it from a backup or see `PRAGMA integrity_check`: ",
    "SQLITE_NOTADB": "not a database: ",
    "SQLITE_IOERR": "the disk failed or refused: ",
}

_opened: WeakSet[Database] = WeakSet()


def _after_fork() -> None:
    for database in _opened:
        database.inherit()


os.register_at_fork(after_in_child=_after_fork)
