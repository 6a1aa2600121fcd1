"""Where the database file is: its URL, its folder and its permissions. Everything beside it takes its name from it."""

import os

import msgspec

from jq_cli.draft import seconds
from jq_cli.errors import BackendError, InvalidField, NotAuthorised, UsageError
from jq_cli.process.mounts import network_file_system

SCHEME = "sqlite://"
TIMEOUT = 2.0
"""Seconds for which a call waits for its turn at the file."""

MAX_TIMEOUT = 3_600.0


class Settings(msgspec.Struct, frozen=True):
    """What a URL and the configuration say about one store. `path` is absolute; `timeout` in seconds."""

    path: str
    synchronous: str = "full"
    timeout: float = TIMEOUT

    @property
    def url(self) -> str:
        """The store's name in messages."""
        return SCHEME + self.path


def read_settings(url: str, options: dict[str, object]) -> Settings:
    """The settings in a URL such as `sqlite:///var/lib/jq/jq.db?synchronous=normal` and in the options of the backend;
    the URL wins. Raises UsageError for unknown options and values out of bounds."""
    _, slashes, rest = url.partition("://")
    if not slashes:
        raise InvalidField("url", f"expected {SCHEME}/path, got {url[:80]!r}")
    location, _, query = rest.partition("?")
    given = options | dict(_parameter(text) for text in query.split("&") if text)
    unknown = sorted(given.keys() - {"synchronous", "timeout"})
    if unknown:
        raise UsageError(f"{SCHEME}: unknown option {unknown[0][:40]!r}; known: synchronous, timeout")
    return Settings(
        _path(location), _synchronous(given.get("synchronous", "full")), _timeout(given.get("timeout", TIMEOUT))
    )


def watch_folder(path: str) -> str:
    """Where the watches of a database are."""
    return path + ".watch"


def prepare(path: str) -> None:
    """Make the folder (only its owner may enter) and an empty file (only its owner may read) where there are none.

    Raises BackendError when something else is there or the file system cannot share memory between processes, and
    NotAuthorised when the folder or the file may not be written.
    """
    _refuse_network(path)
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        # Never open a file that is there already: closing it again would drop the locks of this process's other connections.
        if not os.path.exists(path):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        pass  # another process was faster, or a file stands where a folder should be: opening it tells
    except PermissionError as error:
        raise NotAuthorised(f"{SCHEME}{path}: {error.strerror}") from error
    except OSError as error:
        raise BackendError(f"{SCHEME}{path}: {error.strerror}") from error
    if not os.path.isfile(path):
        raise BackendError(f"{SCHEME}{path}: not a file")
    if not os.access(path, os.R_OK | os.W_OK) or not os.access(os.path.dirname(path), os.W_OK):
        raise NotAuthorised(f"{SCHEME}{path}: the file and its folder must be writable")


def _refuse_network(path: str) -> None:
    if kind := network_file_system(os.path.dirname(path)):
        raise BackendError(
            f"{SCHEME}{path}: the folder is on {kind}; SQLite's WAL does not work over a network file system. "
            "Use a local disk, or a server such as Redis to share a queue between hosts"
        )


def _parameter(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _path(location: str) -> str:
    if "\0" in location:
        raise InvalidField("url", "a path cannot hold NUL")
    if not location:
        data = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
        location = os.path.join(data, "jq", "jq.db")
    if location.startswith("/"):
        # Two slashes at the start are a place of its own to POSIX, and four in a URL a habit from elsewhere.
        location = "/" + location.lstrip("/")
    return os.path.abspath(location)


def _synchronous(value: object) -> str:
    if value not in ("full", "normal"):
        raise InvalidField("synchronous", f"expected full or normal, got {str(value)[:40]!r}")
    return str(value)


def _timeout(value: object) -> float:
    number = seconds(value, "timeout") if isinstance(value, str | int | float) else -1.0
    if not 0 < number <= MAX_TIMEOUT:
        raise InvalidField("timeout", f"expected more than 0 and at most {MAX_TIMEOUT:g} s, got {str(value)[:40]!r}")
    return number
