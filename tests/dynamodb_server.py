"""DynamoDB for tests: moto's server as a process on a free port of 127.0.0.1, gone with the tests. `Ministack` is another one."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import botocore.session

from jq_cli.backends.dynamodb.schema import definition
from tests.child_server import ChildServer
from tests.moto_server import CREDENTIALS


class DynamoServer(ChildServer):
    """A running server. Tables are small and many: moto copies a whole table for each transaction."""

    deadline = 60.0

    def __init__(self) -> None:
        os.environ.update(CREDENTIALS)
        super().__init__()
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

    def command(self) -> Sequence[str | Path]:
        """Its script beside this file."""
        return [sys.executable, Path(__file__).with_name("moto_dynamodb.py"), str(self.port)]
