"""A DynamoDB started for the tests: moto's server as a process of its own.

It answers one request at a time: with threads its transactions are not atomic, for it undoes one by putting back a copy of the
whole table. That copy, made for each item of each transaction, is made once and cheap here: the items that a transaction writes as a whole are never
changed in place, so only the counters, which it adds to, need copies of their own. Its sorting for each query is made cheap, too.
"""

import os
import signal
import socket
import subprocess
import sys
import time

import botocore.session

from jq_cli.backends.dynamodb.schema import definition
from tests.servers import DEADLINE, die_with_parent, free_port

SERVER = """
import copy, logging, sys
from types import SimpleNamespace
from moto.dynamodb import models
from moto.dynamodb.models.table import Table
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

made = {}

def snapshot(value):
    if not isinstance(value, Table):
        return copy.deepcopy(value)
    if id(value) not in made:
        made[id(value)] = table = copy.copy(value)
        table.items = copy.copy(value.items)
        for pk, items in value.items.items():
            table.items[pk] = items.copy()
            counters = [(key, item) for key, item in items.items() if key.value.startswith("c/")]
            table.items[pk].update((key, copy.deepcopy(item)) for key, item in counters)
    return made[id(value)]

def transact(self, actions):
    made.clear()
    return write_all(self, actions)

write_all, models.DynamoDBBackend.transact_write_items = models.DynamoDBBackend.transact_write_items, transact

def sorted_items(self, hash_attrs, range_attrs, items):
    return sorted(items, key=lambda item: [item.attrs[name].value for name in range_attrs])

Table.sorted_items = sorted_items
models.copy = SimpleNamespace(deepcopy=snapshot)
logging.getLogger("werkzeug").setLevel(logging.ERROR)
run_simple("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=False)
"""
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-central-1"}


class DynamoServer:
    """A running server. Tables are small and many: moto copies a whole table for each transaction."""

    def __init__(self) -> None:
        os.environ.update(ENVIRONMENT)
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )
        deadline = time.monotonic() + DEADLINE
        while not self._answers():
            assert time.monotonic() < deadline, "moto's server does not answer"
            time.sleep(0.02)
        self._tables = 0
        session = botocore.session.get_session()
        self._client = session.create_client("dynamodb", region_name="eu-central-1", endpoint_url=self.endpoint)

    def table(self) -> str:
        """The URL of a new table."""
        self._tables += 1
        name = f"jobs{self._tables}"
        self._client.create_table(**definition(name))
        return f"dynamodb://{name}?region=eu-central-1&endpoint={self.endpoint}&timeout=60s"

    def stop(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def _answers(self) -> bool:
        assert self._process.poll() is None, "moto's server ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
