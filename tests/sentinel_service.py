"""A Redis service that sentinels watch over: a primary, a replica and three sentinels of our own, all with passwords."""

import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import hiredis

from tests.servers import DEADLINE, NoServer, RedisServer, command, die_with_parent, free_port, redis_binary

PASSWORD, SENTINEL_PASSWORD = "of the servers", "of the sentinels"
NAME = "jobs"
LOGIN, SENTINEL_LOGIN = ("default", PASSWORD), ("default", SENTINEL_PASSWORD)


class SentinelService:
    """`url` names the sentinels. Use as a context manager."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="jq-sentinels-")
        login = {"requirepass": PASSWORD, "masterauth": PASSWORD, "repl_diskless_sync_delay": 0}
        self.servers = [RedisServer(**login) for _ in range(2)]
        self.sentinels: dict[int, subprocess.Popen[bytes]] = {}
        self.servers[1].command("REPLICAOF", "127.0.0.1", self.servers[0].port, auth=LOGIN)
        for n in range(3):
            self._start_sentinel(Path(self._folder.name) / f"{n}.conf")
        self.await_replica()

    @property
    def url(self) -> str:
        """Where the sentinels are. Calls wait long: what they do is tested, not how soon on a busy machine."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.sentinels)
        password, other = PASSWORD.replace(" ", "%20"), SENTINEL_PASSWORD.replace(" ", "%20")
        return f"redis+sentinel://:{password}@{hosts}/{NAME}?sentinel_password={other}&timeout=60"

    @property
    def primary(self) -> RedisServer:
        """The server that a running sentinel calls the primary."""
        port = int(self._ask("GET-MASTER-ADDR-BY-NAME", NAME)[1])
        return next(server for server in self.servers if server.port == port)

    def fail_over(self) -> None:
        """Make the replica the primary, as an operator does, and wait until it is."""
        old = self.primary
        self._ask("FAILOVER", NAME)
        until(lambda: self.primary is not old, "another primary")

    def kill_primary(self) -> RedisServer:
        """SIGKILL it; sentinels will notice. Gives what was killed."""
        primary = self.primary
        primary.kill()
        return primary

    def freeze_sentinel(self) -> None:
        """Let one of them accept connections and answer nothing, for good."""
        next(iter(self.sentinels.values())).send_signal(signal.SIGSTOP)

    def await_replica(self) -> None:
        """Wait until a failover could begin: the sentinels know each other and a replica that is up to date."""
        until(self._complete, "a whole service")

    def _complete(self) -> bool:
        answer = self._ask("MASTER", NAME)
        facts = dict(zip(answer[::2], answer[1::2], strict=True))
        replicas = self.primary.command("INFO", "replication", auth=LOGIN)
        return (facts[b"num-other-sentinels"], facts[b"flags"]) == (b"2", b"master") and b"state=online" in replicas

    def _ask(self, *words: object) -> Any:
        port = list(self.sentinels)[-1]
        return command(port, "SENTINEL", *words, auth=SENTINEL_LOGIN)

    def _start_sentinel(self, config: Path) -> None:
        port = free_port()
        config.write_text(
            f"""
            port {port}
            bind 127.0.0.1
            dir {self._folder.name}
            requirepass "{SENTINEL_PASSWORD}"
            sentinel sentinel-pass "{SENTINEL_PASSWORD}"
            sentinel monitor {NAME} 127.0.0.1 {self.servers[0].port} 2
            sentinel auth-pass {NAME} "{PASSWORD}"
            sentinel down-after-milliseconds {NAME} 1000
            sentinel failover-timeout {NAME} 3000
            """
        )
        self.sentinels[port] = subprocess.Popen(
            [redis_binary(), str(config), "--sentinel"], stdout=subprocess.DEVNULL, preexec_fn=die_with_parent
        )
        until(lambda: command(port, "PING", auth=SENTINEL_LOGIN) == b"PONG", "a sentinel")

    def __enter__(self) -> "SentinelService":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in self.sentinels.values():
            process.kill()
            process.wait()
        for server in self.servers:
            server.stop()
        self._folder.cleanup()


def until(what: Callable[[], object], wanted: str) -> None:
    """Wait until something is true of servers that come up; errors mean not yet."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        try:
            if what():
                return
        except (OSError, EOFError, hiredis.ReplyError, StopIteration):  # not yet
            pass
        time.sleep(0.02)
    raise NoServer(f"{wanted} did not come up")
