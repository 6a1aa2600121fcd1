"""What Postgres says, as one of our errors with a word on what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import Error, OperationalError

from jq_cli.errors import BackendError, BackendFull, BackendUnreachable, NotAuthorised

_BACK_SOON = frozenset({"57P01", "57P02", "57P03", "53300"})
"""Shutting down, crashed, starting up, too many connections: passes by itself."""

_KINDS: tuple[tuple[tuple[str, ...], type[BackendError], str], ...] = (
    (("28",), NotAuthorised, ""),
    (("42501",), NotAuthorised, ""),
    (("25006",), BackendError, "the server takes no writes (a standby, or default_transaction_read_only): "),
    (("53100", "53400"), BackendFull, "no room left, nothing was stored: "),
    (("53200",), BackendFull, "the server is out of memory, nothing was stored: "),
    (("57014", "55P03"), BackendUnreachable, "no answer in time: "),
    (("40",), BackendUnreachable, "in the way of other transactions, nothing was stored: "),
    (("08", *_BACK_SOON), BackendUnreachable, ""),
)
_LOGIN = (
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "authentication failed",
    "role ",
)
_UNPLACED = "unexpected result status"
"""What the driver says of an error that came when a pipeline's transaction was committed, after the answers of its statements."""

_READ_ONLY = "session is read-only"


@contextmanager
def translating(shown: str) -> Iterator[None]:
    """Errors of the driver leave as ours; `shown` names the store."""
    try:
        yield
    except Error as error:
        raise translated(error, shown) from error
    except TimeoutError as error:
        raise BackendUnreachable(f"{shown}: no answer in time") from error
    except OSError as error:
        raise BackendUnreachable(f"{shown}: {error.strerror or error}") from error


def translated(error: Error, shown: str) -> BackendError:
    """The driver's error as ours."""
    state, text = error.sqlstate or "", _text(error)
    for starts, kind, hint in _KINDS:
        if state.startswith(starts):
            return kind(f"{shown}: {hint}{text}")
    if not state and (isinstance(error, OperationalError) or _UNPLACED in text):
        if any(words in text for words in _LOGIN):
            return NotAuthorised(f"{shown}: {text}")
        return BackendUnreachable(f"{shown}: {text}")
    return BackendError(f"{shown}: {text}{f' ({state})' if state else ''}")


def lost(error: Error) -> bool:
    """Whether the connection is gone or of no use any more, and with it the answer."""
    state = error.sqlstate or ""
    if not state and _UNPLACED in str(error):
        return True
    return isinstance(error, OperationalError) and (not state or state.startswith("08") or state in _BACK_SOON)


def hopeless(error: Error) -> bool:
    """Whether connecting again will not help."""
    return (error.sqlstate or "") not in _BACK_SOON and any(
        words in str(error) for words in (*_LOGIN, "does not exist", _READ_ONLY, "invalid ", "could not translate host")
    )


def in_the_way(error: BaseException) -> bool:
    """Whether the transaction was undone for the sake of others and may be made again."""
    return isinstance(error, Error) and error.sqlstate in ("40001", "40P01")


def _text(error: Error) -> str:
    text = (error.diag.message_primary or "").strip() or str(error).strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
