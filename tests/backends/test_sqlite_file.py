"""Where the database is, who may read it, and what is refused."""

import os
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jq_cli.backends.registry import open_backend
from jq_cli.backends.sqlite.backend import open_sqlite
from jq_cli.errors import BackendError, InvalidField, NotAuthorised, UsageError
from jq_cli.process import mounts
from tests.backends.sqlite_jobs import child, code_of, draft

NOBODY = 65_534


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def pragma(name: str, url: str, **options: object) -> int:
    with open_sqlite(url, **options) as store:
        (value,) = store._space.cursor.execute(f"PRAGMA {name}").fetchone()  # type: ignore[attr-defined]
    return int(value)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_default_database_is_in_the_data_folder_of_the_user(home: Path) -> None:
    with open_backend("sqlite") as store:
        assert store.url == f"sqlite://{home}/.local/share/jq/jq.db"
    assert (home / ".local/share/jq/jq.db").exists()


def test_xdg_data_home_moves_the_default_database(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    with open_sqlite("sqlite://"):
        assert (home / "data/jq/jq.db").exists()


def test_only_the_owner_may_enter_the_folder_and_read_the_files(home: Path) -> None:
    before = os.umask(0)
    try:
        with open_sqlite("sqlite://") as store:
            store.insert([draft()])
            watch = store.watch(["ready:q"])
            assert watch is not None
            folder = home / ".local/share/jq"
            assert mode(folder) == 0o700
            assert mode(folder / "jq.db.watch") == 0o700
            files = [path for path in folder.rglob("*") if not path.is_dir()]
            assert {path.name.split(".watch")[0] for path in files} >= {"jq.db", "jq.db-wal", "jq.db-shm", "jq.db.turn"}
            assert {mode(path) for path in files} == {0o600}
            watch.close()
    finally:
        os.umask(before)


@pytest.mark.parametrize("start", ["sqlite://", "sqlite:///", "sqlite:////", "SQLite://"])
def test_an_absolute_path_may_have_any_number_of_slashes(start: str, tmp_path: Path) -> None:
    with open_sqlite(f"{start}{tmp_path}/x.db") as store:
        assert store.url == f"sqlite://{tmp_path}/x.db"


def test_a_path_without_a_slash_at_its_start_is_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_sqlite("sqlite://sub/x.db") as store:
        assert store.url == f"sqlite://{tmp_path}/sub/x.db"


def test_a_name_that_sqlite_has_a_meaning_for_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_sqlite("sqlite://:memory:") as store:
        store.insert([draft()])
    assert (tmp_path / ":memory:").stat().st_size > 0


def test_a_store_still_works_when_the_process_goes_to_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with open_sqlite("sqlite://x.db") as store:
        monkeypatch.chdir("/")
        store.insert([draft()])
        assert store.counts()[0].states["ready"] == 1


def test_what_is_acknowledged_is_synced_unless_normal_is_asked_for(sqlite_url: str) -> None:
    for name, full, normal in (("synchronous", 2, 1), ("fullfsync", 1, 0)):
        assert pragma(name, sqlite_url) == pragma(name, sqlite_url, synchronous="full") == full
        assert pragma(name, sqlite_url, synchronous="normal") == normal
        assert pragma(name, sqlite_url + "?synchronous=normal") == normal
        assert pragma(name, sqlite_url + "?synchronous=full&timeout=3s", synchronous="normal") == full


@pytest.mark.parametrize(
    ("end", "message"),
    [
        ("?synchronous=off", "synchronous: expected full or normal, got 'off'"),
        ("?cache=5", "unknown option 'cache'; known: synchronous, timeout"),
        ("?timeout=0", "timeout: expected more than 0"),
        ("?timeout=soon", "timeout: 'soon' is not a duration"),
        ("?timeout=2h", "timeout: expected more than 0 and at most 3600 s"),
        ("\0", "url: a path cannot hold NUL"),
    ],
)
def test_wrong_options_are_refused_by_name(end: str, message: str, sqlite_url: str) -> None:
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        open_sqlite(sqlite_url + end)


def test_a_url_without_slashes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"url: expected sqlite:///path, got 'sqlite:x\.db'"):
        open_sqlite("sqlite:x.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["off", None, [1], -1, float("nan"), float("inf")])
def test_wrong_values_from_a_configuration_are_refused(value: object, sqlite_url: str) -> None:
    with pytest.raises(InvalidField):
        open_sqlite(sqlite_url, timeout=value)
    with pytest.raises(InvalidField):
        open_sqlite(sqlite_url, synchronous=value)


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="not a file"):
        open_sqlite(f"sqlite://{tmp_path}")


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BackendError, match=r"not a file|Not a directory"):
        open_sqlite(f"sqlite://{tmp_path}/file/jq.db")


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("dear diary " * 500)
    with pytest.raises(BackendError, match="not a database"):
        open_sqlite(f"sqlite://{path}")
    assert path.read_text() == "dear diary " * 500


def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE recipes (name TEXT)")
    other.execute("PRAGMA user_version = 1")
    other.close()
    before = path.read_bytes()
    with pytest.raises(BackendError, match="another program"):
        open_sqlite(f"sqlite://{path}")
    assert path.read_bytes() == before


# --- permissions ---


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


def refused_to_others(path: Path) -> bool:
    """Whether somebody without rights is told that he has none."""

    def attempt() -> None:
        if os.getuid() == 0:
            os.setuid(NOBODY)
        with pytest.raises(NotAuthorised):
            open_sqlite(f"sqlite://{path}")

    return code_of(child(attempt)) == 0


def test_a_folder_that_may_not_be_written_is_refused(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    assert refused_to_others(open_folder / "jq.db")
    assert refused_to_others(open_folder / "sub/jq.db")


def test_a_file_that_may_not_be_written_is_refused(open_folder: Path) -> None:
    open_sqlite(f"sqlite://{open_folder}/jq.db").close()
    open_folder.chmod(0o777)
    (open_folder / "jq.db").chmod(0o444)
    assert refused_to_others(open_folder / "jq.db")


def test_a_file_in_a_folder_that_may_not_be_written_is_refused(open_folder: Path) -> None:
    open_sqlite(f"sqlite://{open_folder}/jq.db").close()
    (open_folder / "jq.db").chmod(0o666)
    open_folder.chmod(0o555)
    assert refused_to_others(open_folder / "jq.db")


# --- network file systems ---

MOUNTS = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
30 22 0:40 / /home rw - nfs4 server:/home rw
31 30 0:41 / /home/me/local rw - ext4 /dev/vdb rw
32 22 0:42 / /mnt/my\040share rw - cifs //server/share rw
33 22 0:43 / /cloud rw master:1 - fuse.sshfs host: rw
34 22 0:44 / /again rw - ext4 /dev/vdc rw
35 22 0:45 / /again rw - 9p share rw
""".strip()


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/lib", "ext4"),
        ("/home", "nfs4"),
        ("/home/you", "nfs4"),
        ("/home/me/local/x", "ext4"),
        ("/homework", "ext4"),
        ("/mnt/my share/x", "cifs"),
        ("/cloud", "fuse.sshfs"),
        ("/again/x", "9p"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(folder: str, kind: str, tmp_path: Path) -> None:
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(MOUNTS + "\n")
    assert mounts.file_system(folder, str(mountinfo)) == kind


def test_a_system_that_tells_no_mounts_is_no_obstacle(tmp_path: Path) -> None:
    assert mounts.file_system("/", str(tmp_path / "none")) == ""


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"])
def test_a_network_file_system_is_refused_before_anything_is_made(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "file_system", lambda path: kind)
    with pytest.raises(BackendError, match=f"is on {kind}; SQLite's WAL does not work over a network file system"):
        open_sqlite(f"sqlite://{tmp_path}/sub/jq.db")
    assert list(tmp_path.iterdir()) == []
