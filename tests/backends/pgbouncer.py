"""The real PgBouncer in transaction mode, where a run of the tests names its program in JQ_TEST_PGBOUNCER."""

import os
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from tests.postgres_server import PASSWORD, SUPERUSER, PostgresServer, give_away
from tests.servers import DEADLINE, NoServer, die_with_parent, free_port

PROGRAM = os.environ.get("JQ_TEST_PGBOUNCER")

_CONFIGURATION = """
[databases]
postgres = host=127.0.0.1 port={server} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
admin_users = {user}
pool_mode = transaction
default_pool_size = 2
"""


class PgBouncer:
    """Two connections to a server, for as many clients as come. Use as a context manager."""

    def __init__(self, server: PostgresServer) -> None:
        assert PROGRAM is not None
        self._folder = tempfile.TemporaryDirectory(prefix="jq-pgbouncer-")
        self._port = free_port()
        self.url = f"postgres://{SUPERUSER}@127.0.0.1:{self._port}/postgres"
        path = Path(self._folder.name, "pgbouncer.ini")
        path.write_text(_CONFIGURATION.format(server=server.port, user=SUPERUSER, password=PASSWORD, port=self._port))
        nobody = os.stat(server.folder).st_uid if os.geteuid() == 0 else None  # it refuses to run as root
        for each in (path.parent, path):
            give_away(each)
        self._process = subprocess.Popen(
            [PROGRAM, "-q", str(path)], user=nobody, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent
        )
        deadline = time.monotonic() + DEADLINE
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise NoServer("PgBouncer did not start")
            time.sleep(0.05)

    @property
    def transactions(self) -> int:
        """How many it has passed on."""
        with psycopg.connect(self.url.rpartition("/")[0] + "/pgbouncer", autocommit=True) as admin:
            cursor = psycopg.ClientCursor(admin)
            rows = cursor.execute("SHOW STATS_TOTALS").fetchall()
            names = [column.name for column in cursor.description or ()]
        return next(int(row[names.index("xact_count")]) for row in rows if row[0] == "postgres")

    def __enter__(self) -> "PgBouncer":
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True
