"""The table itself: what it must be, whether it is there, and making it."""

import json
import time
from typing import Any

from jq_cli.backends.dynamodb.client import Client
from jq_cli.backends.schema import SchemaState
from jq_cli.errors import BackendError

VERSION = 1
INDEXES = ("place", "wake", "kept")
PATIENCE = 60.0
"""Seconds within which a new table is ready for use."""


def definition(table: str) -> dict[str, Any]:
    """The arguments of CreateTable: on-demand billing and three local indexes. `place` holds whole items, so that a claim or a
    listing is one query; the others hold keys."""
    return {
        "TableName": table,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", *INDEXES)],
        "KeySchema": _keys("sk"),
        "LocalSecondaryIndexes": [
            {
                "IndexName": name,
                "KeySchema": _keys(name),
                "Projection": {"ProjectionType": "ALL" if name == "place" else "KEYS_ONLY"},
            }
            for name in INDEXES
        ],
    }


def _keys(by: str) -> list[dict[str, str]]:
    return [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": by, "KeyType": "RANGE"}]


class DynamoSchema:
    """The table behind a store, for those who make it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._table = client.address.table

    def status(self) -> SchemaState:
        """What there is."""
        found = self._describe()
        if found is None:
            return SchemaState(self._table, None, VERSION, usable=False)
        missing = sorted(set(INDEXES) - {index["IndexName"] for index in found.get("LocalSecondaryIndexes", [])})
        notes = [f"the table is {found['TableStatus']}"] if found["TableStatus"] != "ACTIVE" else []
        notes += [f"the index {name} is missing: this is not a table of ours" for name in missing]
        return SchemaState(self._table, VERSION, VERSION, not notes, tuple(notes))

    def init(self) -> list[str]:
        """Make the table where there is none, and wait until it can be used."""
        if self._describe() is not None:
            return []
        self._client.begin()
        self._client.call("create_table", **definition(self._table))
        deadline = time.monotonic() + PATIENCE
        while not self.status().usable:
            if time.monotonic() > deadline:
                raise BackendError(f"{self._client.address.url}: the new table is not ready after {PATIENCE:g} s")
            time.sleep(0.2)
        return [f"made the table {self._table}"]

    def upgrade(self) -> list[str]:
        """There has been one version so far."""
        if self._describe() is None:
            raise BackendError(f"{self._client.address.url}: there is no such table; `jq db init` makes it")
        return []

    def sql(self, since: int = 0) -> str:
        """The table as a CloudFormation template, for those who make it that way."""
        if since >= VERSION:
            return ""
        resource = {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain", "Properties": definition(self._table)}
        return json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"Jobs": resource}}, indent=2) + "\n"

    def _describe(self) -> dict[str, Any] | None:
        self._client.begin()
        found: dict[str, Any] | None = self._client.find_table()
        return found
