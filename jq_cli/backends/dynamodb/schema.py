"""The table itself: what it must be, whether it is there, and making it."""

from typing import Any

INDEXES = ("place", "wake", "kept")


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
