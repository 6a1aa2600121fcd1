"""DynamoDB for tests: moto's server as a process on a free port of 127.0.0.1, gone with the tests. `Ministack` is another one."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import botocore.session

from jq_cli.backends.dynamodb.schema import definition
from tests.moto_server import CREDENTIALS
from tests.servers import DEADLINE, die_with_parent, free_port


class DynamoServer:
    """A running server. Tables are small and many: moto copies a whole table for each transaction. Use as a context manager or
    call `stop`."""

    def __init__(self) -> None:
        os.environ.update(CREDENTIALS)
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._process = subprocess.Popen(
            self._command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self._environment(),
            preexec_fn=die_with_parent if sys.platform == "linux" else None,
        )
        try:
            self._await_answer()
        except BaseException:
            self.stop()
            raise
        self._tables = 0
        session = botocore.session.get_session()
        self._client = session.create_client("dynamodb", region_name="eu-central-1", endpoint_url=self.endpoint)

    def url(self, table: str, **options: str) -> str:
        """The URL of a table that there may be or not."""
        given = {"region": "eu-central-1", "endpoint": self.endpoint, "timeout": "60s"} | options
        return f"dynamodb://{table}?" + "&".join(f"{name}={value}" for name, value in given.items())

    def table(self, **options: str) -> str:
        """The URL of a new table."""
        self._tables += 1
        name = f"jobs{self._tables}"
        self._client.create_table(**definition(name))
        return self.url(name, **options)

    def stop(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> "DynamoServer":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _command(self) -> list[str]:
        return [sys.executable, str(Path(__file__).with_name("moto_dynamodb.py")), str(self.port)]

    def _environment(self) -> dict[str, str]:
        return dict(os.environ)

    def _await_answer(self) -> None:
        deadline = time.monotonic() + 3 * DEADLINE
        while not self._listens():
            assert self._process.poll() is None, "it ended by itself"
            assert time.monotonic() < deadline, "it does not answer"
            time.sleep(0.02)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
