"""Objects as files of a folder on a local disk. A file appears whole, under its final name, by a hard link that fails when the
name is taken; file and folder are synced before anybody is told. Everything is reached through descriptors of the four
folders, which are no symbolic links, and names have no slash in them: nothing can lead outside."""

import errno
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TypeVar

from jq_cli.backends.objects.store import FOLDERS, Listed, Span
from jq_cli.backends.objects.turnstile import Turnstile
from jq_cli.errors import BackendError, BackendFull, NotAuthorised
from jq_cli.ids import nonce
from jq_cli.process.mounts import network_file_system
from jq_cli.process.pipes import PipeWatch, ring

T = TypeVar("T")
R = TypeVar("R")

_NAME = re.compile(r"(log|snap|data|check)/([0-9a-zA-Z]{1,64})")
_FULL = {errno.ENOSPC, errno.EDQUOT}
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_LINKLESS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EXDEV}


class FileStore:
    """A namespace in a folder. `timeout`: seconds to wait for the turn to write."""

    far = False

    def __init__(self, path: str, namespace: str, timeout: float) -> None:
        self.url = f"file://{path}"
        self._folders: dict[str, int] = {}
        self._watches = os.path.join(path, namespace, "watch")
        if kind := network_file_system(path):
            raise BackendError(
                f"{self.url}: the folder is on {kind}; a network file system does not keep what this store needs "
                "(locks, hard links, syncs). Use a local disk, or an object store to share a queue between hosts"
            )
        with self._telling():
            self._open(path, namespace)
            self._turnstile = Turnstile(self._folders[""], self.url, timeout)

    def _open(self, path: str, namespace: str) -> None:
        _make_folders(path)
        # The folder itself may be reached through a link that its owner made; what is in it may not.
        root = os.open(path, _DIRECTORY)
        try:
            self._folders[""] = _folder(namespace, root)
        finally:
            os.close(root)
        for name in FOLDERS:
            self._folders[name] = _folder(name, self._folders[""])

    @property
    def requests(self) -> dict[str, int]:
        return {}

    def create(self, name: str, data: bytes) -> bool:
        folder, base = self._place(name)
        with self._telling():
            if _exists(base, folder):
                return False
            temporary = f".{nonce()}{nonce()}"
            try:
                _write(temporary, folder, data)
                made = _link(temporary, base, folder)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=folder)
            os.fsync(folder)
            if made and not os.fstat(folder).st_nlink:
                raise BackendError(f"{self.url}: the folder was removed while it was in use")
            return made

    def get(self, name: str) -> bytes | None:
        folder, base = self._place(name)
        with self._telling():
            try:
                file = os.open(base, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            except FileNotFoundError:
                return None
            with os.fdopen(file, "rb") as opened:
                return opened.read()

    def spans(self, name: str, spans: Sequence[Span]) -> list[bytes] | None:
        folder, base = self._place(name)
        with self._telling():
            try:
                file = os.open(base, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            except FileNotFoundError:
                return None
            try:
                return [os.pread(file, length, start) for start, length in spans]
            finally:
                os.close(file)

    def listing(self, folder: str, after: str = "", limit: int = 1_000_000) -> list[Listed]:
        place, behind = self._folders[folder], after.rpartition("/")[2]
        with self._telling():
            names = sorted(name for name in os.listdir(place) if name > behind and not name.startswith("."))[:limit]
            return [Listed(f"{folder}/{name}", age) for name in names if (age := _modified(name, place)) is not None]

    def delete(self, names: Sequence[str]) -> None:
        with self._telling():
            for name in names:
                folder, base = self._place(name)
                with suppress(FileNotFoundError):
                    os.unlink(base, dir_fd=folder)

    def tidy(self, age: float) -> None:
        with self._telling():
            for folder in map(self._folders.__getitem__, FOLDERS):
                for name in os.listdir(folder):
                    modified = _modified(name, folder) if name.startswith(".") else None
                    if modified is not None and modified < time.time() - age:
                        with suppress(FileNotFoundError):
                            os.unlink(name, dir_fd=folder)

    def turn(self) -> AbstractContextManager[None]:
        return self._turnstile.turn()

    def ring(self, topics: set[str]) -> None:
        ring(self._watches, topics)

    def watch(self, topics: Sequence[str]) -> PipeWatch | None:
        try:
            return PipeWatch(self._watches, topics)
        except OSError:
            return None  # a file system without named pipes: polling must do

    def each(self, work: Callable[[T], R], items: Iterable[T]) -> list[R]:
        return [work(item) for item in items]

    def erase(self) -> None:
        with self._telling():
            shutil.rmtree(os.path.dirname(self._watches))

    def close(self) -> None:
        self._turnstile.close()
        for folder in self._folders.values():
            os.close(folder)
        self._folders = {}

    def _place(self, name: str) -> tuple[int, str]:
        match = _NAME.fullmatch(name)
        if match is None:
            raise BackendError(f"{self.url}: {name[:80]!r} cannot be the name of an object")
        return self._folders[match[1]], match[2]

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Errors of the system as errors of the store."""
        try:
            yield
        except OSError as error:
            message = f"{self.url}: {error.strerror}"
            if isinstance(error, PermissionError):
                raise NotAuthorised(message) from error
            raise (BackendFull if error.errno in _FULL else BackendError)(message) from error


def _make_folders(path: str) -> None:
    """Make a folder and those above it, each known to the disk."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    _make_folders(parent)
    with suppress(FileExistsError):
        os.mkdir(path, 0o700)
    _sync_folder(parent)


def _sync_folder(path: str) -> None:
    folder = os.open(path, _DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _folder(name: str, parent: int) -> int:
    """The descriptor of a folder in a folder, made if there is none."""
    try:
        return os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    except FileNotFoundError:
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=parent)
        os.fsync(parent)
        return os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)


def _write(name: str, folder: int, data: bytes) -> None:
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(file, left) :]
        os.fsync(file)
    finally:
        os.close(file)


def _link(temporary: str, name: str, folder: int) -> bool:
    try:
        os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno in _LINKLESS:
            raise BackendError(f"the file system has no hard links ({error.strerror}); use another disk") from error
        raise
    return True


def _exists(name: str, folder: int) -> bool:
    return _modified(name, folder) is not None


def _modified(name: str, folder: int) -> float | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return None
