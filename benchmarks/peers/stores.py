"""The private stores: one Redis, one Postgres, a beanstalkd where installed, files for SQLite. Each row has places of its own."""

import shutil
import subprocess
import time
from contextlib import ExitStack
from ctypes.util import find_library
from functools import cached_property
from pathlib import Path

from benchmarks.peers.catalogue import BEANSTALKD, POSTGRES, REDIS
from benchmarks.peers.environments import Unavailable
from benchmarks.processes import pss
from tests.postgres_server import PASSWORD, SUPERUSER, PostgresServer
from tests.servers import RedisServer, die_with_parent, free_port

REDIS_OPTIONS = {"appendonly": "no", "databases": 256}
POSTGRES_OPTIONS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "15min",
    "max_connections": 300,
}


class Stores:
    """Servers are started when first asked for and end with the context."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> "Stores":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @cached_property
    def redis(self) -> RedisServer:
        """As it comes, no log, no snapshots, and with the allocator that distributions build it with, where there is one: the
        server of the wheel is built without, which costs scripts half of their time."""
        return self._stack.enter_context(RedisServer(preload=find_library("jemalloc") or "", **REDIS_OPTIONS))

    @cached_property
    def postgres(self) -> PostgresServer:
        """Writes through to its disk."""
        return self._stack.enter_context(PostgresServer(**POSTGRES_OPTIONS))

    def fresh(self, store: str, place: int) -> str:
        """The URL of an emptied place."""
        if store == REDIS:
            url = f"redis://127.0.0.1:{self.redis.port}/{place}"
            self._redis(place, "FLUSHDB", "SYNC")  # what is freed later would count as the next one's
            return url
        if store == POSTGRES:
            name = f"bench{place}"
            self.postgres.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            self.postgres.sql(f"CREATE DATABASE {name}")
            return f"postgresql://{SUPERUSER}:{PASSWORD}@127.0.0.1:{self.postgres.port}/{name}"
        if store == BEANSTALKD:
            return f"beanstalkd://127.0.0.1:{self._beanstalkd(place)}"
        home = self._folder / f"sqlite-{place}"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        return f"sqlite://{home / 'jq.db'}"

    def size(self, store: str, place: int) -> int:
        """Bytes that the store uses: of memory for Redis and beanstalkd, of tables and indexes, or of the file."""
        if store == REDIS:
            info = self.redis.command("INFO", "memory").decode()
            return int(next(line for line in info.splitlines() if line.startswith("used_memory:")).partition(":")[2])
        if store == POSTGRES:
            return int(self.postgres.sql(f"SELECT pg_database_size('bench{place}')")[0][0])
        if store == BEANSTALKD:
            return int(pss(self._servers[place].pid) * 1024 * 1024)
        return sum(path.stat().st_size for path in (self._folder / f"sqlite-{place}").iterdir() if path.suffix == ".db")

    def versions(self) -> dict[str, str]:
        """Of the servers."""
        redis = self.redis.command("INFO").decode().split("\r\n")
        facts = dict(line.split(":", 1) for line in redis if ":" in line)
        name = "valkey" if "valkey_version" in facts else "redis"
        allocator = "jemalloc" if find_library("jemalloc") else facts["mem_allocator"]
        return {
            "Redis": f"{name} {facts[name + '_version']}, {allocator}, no log, no snapshots",
            "Postgres": self.postgres.sql("SHOW server_version")[0][0] + ", fsync and synchronous_commit on",
        }

    def _redis(self, place: int, *command: str) -> None:
        import redis

        with redis.Redis(port=self.redis.port, db=place) as client:
            client.execute_command(*command)

    @cached_property
    def _servers(self) -> dict[int, subprocess.Popen[bytes]]:
        return {}

    def _beanstalkd(self, place: int) -> int:
        program = shutil.which("beanstalkd")
        if program is None:
            raise Unavailable("no beanstalkd on this machine")
        if (old := self._servers.get(place)) is not None:
            old.kill()
            old.wait()
        port = free_port()
        server = subprocess.Popen([program, "-l", "127.0.0.1", "-p", str(port)], preexec_fn=die_with_parent)
        self._servers[place] = server
        self._stack.callback(server.kill)
        time.sleep(0.3)
        return port
