"""moto's server for DynamoDB as a process of its own, made fast enough for thousands of requests: `python moto_dynamodb.py PORT`.

It answers one request at a time: with threads its transactions are not atomic, for it undoes one by putting back a copy of the
whole table. What took most of its time is done with less of it here; what it answers stays the same.
"""

import copy
import logging
import sys
from functools import cache
from types import SimpleNamespace
from typing import Any

from moto import backends
from moto.core import responses
from moto.core.serialize import BaseJSONSerializer
from moto.dynamodb import models
from moto.dynamodb.models.table import Table
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug import serving

copies: dict[int, Table] = {}


def snapshot(value: Any) -> Any:
    """A copy to go back to, made once a transaction and not for each of its items. Items that are written as a whole are never
    changed in place, so only the counters, which transactions add to, need copies of their own."""
    if not isinstance(value, Table):
        return copy.deepcopy(value)
    if id(value) not in copies:
        copies[id(value)] = table = copy.copy(value)
        table.items = copy.copy(value.items)
        for pk, items in value.items.items():
            table.items[pk] = items.copy()
            counters = [(key, item) for key, item in items.items() if key.value.startswith("c/")]
            table.items[pk].update((key, copy.deepcopy(item)) for key, item in counters)
    return copies[id(value)]


def transact(self: Any, actions: Any) -> Any:
    copies.clear()
    return write_all(self, actions)


def sorted_items(self: Any, hash_attrs: Any, range_attrs: Any, items: Any) -> Any:
    """The order of a query, without a comparison that looks every attribute up anew."""
    return sorted(items, key=lambda item: [item.attrs[name].value for name in range_attrs])


def serialize(self: Any, serialized: Any, value: Any, shape: Any, key: str) -> None:
    """An attribute is written as it is, and not tried as each of the ten types that it might have."""
    if shape.name != "AttributeValue":
        by_members(self, serialized, value, shape, key)
        return
    [(kind, data)] = value.items()
    self._default_serialize(serialized, {kind: self._base64(data) if kind == "B" else data}, shape, key)


class Drained:
    """Says that nothing more comes: the server would wait for that before it ends a connection."""

    def register(self, *_: object) -> None: ...

    def select(self, timeout: float) -> list[object]:
        return []

    def close(self) -> None: ...


write_all, models.DynamoDBBackend.transact_write_items = models.DynamoDBBackend.transact_write_items, transact
by_members, BaseJSONSerializer._serialize_type_structure = BaseJSONSerializer._serialize_type_structure, serialize
modules = list(backends.list_of_moto_modules())
backends.list_of_moto_modules = lambda: modules
responses.method_names_from_class = cache(responses.method_names_from_class)
Table.sorted_items = sorted_items
models.copy = SimpleNamespace(deepcopy=snapshot)
serving.selectors = SimpleNamespace(DefaultSelector=Drained)

logging.getLogger("werkzeug").setLevel(logging.ERROR)
application = DomainDispatcherApplication(create_backend_app)
serving.run_simple("127.0.0.1", int(sys.argv[1]), application, threaded=False)
