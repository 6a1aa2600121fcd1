"""One atomic step: reads items, decides, and writes all or nothing, provided that what it read is still so (optimistic
concurrency control). Every item that may change carries a mark `v`, the name of the step that wrote it; a write names the mark
that was read. So a step is as good as a transaction of a database, whatever others do meanwhile, and needs no lock."""

import random
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from jq_cli.backends.dynamodb.client import Client, Moved, wire, wire_key
from jq_cli.backends.dynamodb.keys import COUNTERS, Key, Keys
from jq_cli.backends.dynamodb.rows import Item
from jq_cli.ids import nonce

ACTIONS = 100
BYTES = 4_000_000
"""What DynamoDB takes in one transaction."""

T = TypeVar("T")


class Step:
    """A step under construction. `now`: the store's time in it."""

    def __init__(self, client: Client, keys: Keys, now: int) -> None:
        self.now = now
        self.mark = nonce()
        self.keys = keys
        self._client = client
        self._read: dict[Key, Item | None] = {}
        self._written: dict[Key, Item | None] = {}
        self._checked: set[Key] = set()
        self._counts: dict[str, dict[str, int]] = {}
        self._bytes = 0

    # --- reading ---

    def read(self, keys: Iterable[Key]) -> None:
        """Fetch items that this step has not seen yet."""
        wanted = [key for key in dict.fromkeys(keys) if key not in self._read]
        found = self._client.get(wanted) if wanted else {}
        self._read.update({key: found.get(key) for key in wanted})

    def saw(self, items: Iterable[Item]) -> list[Item]:
        """Items that a query gave; those that this step knows already stay as it knows them."""
        items = list(items)
        for item in items:
            self._read.setdefault((item["pk"], item["sk"]), item)
        return items

    def get(self, key: Key) -> Item | None:
        """An item as it will be after this step. It must have been read."""
        return self._written[key] if key in self._written else self._read[key]

    # --- writing ---

    def put(self, key: Key, item: Item) -> None:
        """Write an item as a whole. One that was not read is written whatever is there."""
        self._written[key] = {**item, "pk": key[0], "sk": key[1], "v": self.mark}
        self._bytes += sum(len(name) + _size(value) for name, value in item.items())

    def delete(self, key: Key) -> None:
        """Remove an item."""
        self._written[key] = None

    def check(self, key: Key) -> None:
        """The step holds only if this item, which was read, stays as it is."""
        self._checked.add(key)

    def count(self, queue: str, name: str, by: int = 1) -> None:
        """Add to a counter of a queue."""
        counts = self._counts.setdefault(queue, {})
        counts[name] = counts.get(name, 0) + by

    def room(self, actions: int, size: int) -> bool:
        """Whether so many more writes and bytes fit, those of a further queue's counters and controls included."""
        used = len(self._written) + len(self._checked) + len(self._counts)
        return used + actions + 2 <= ACTIONS and self._bytes + size <= BYTES - 100_000

    # --- the end ---

    def commit(self) -> bool:
        """Write. False: something that was read has changed, and nothing was written."""
        actions = [*self._writes(), *map(self._condition, self._checked - self._written.keys()), *self._adds()]
        if not actions:
            return True
        try:
            self._client.transact(actions, self.mark)
        except Moved:
            return self._ours()
        return True

    def _writes(self) -> Iterable[dict[str, Any]]:
        for key, item in self._written.items():
            target = {"Item": wire(item)} if item is not None else {"Key": wire_key(key)}
            yield {"Put" if item is not None else "Delete": self._action(target, key)}

    def _condition(self, key: Key) -> dict[str, Any]:
        return {"ConditionCheck": self._action({"Key": wire_key(key)}, key)}

    def _action(self, target: dict[str, Any], key: Key) -> dict[str, Any]:
        action = {"TableName": self._client.address.table, **target}
        if key not in self._read:
            return action
        read = self._read[key]
        if read is None:
            return {**action, "ConditionExpression": "attribute_not_exists(pk)"}
        return {**action, "ConditionExpression": "v = :v", "ExpressionAttributeValues": {":v": {"S": read["v"]}}}

    def _adds(self) -> Iterable[dict[str, Any]]:
        for queue, counts in self._counts.items():
            names = [name for name, by in counts.items() if by]
            if names:
                yield {
                    "Update": {
                        "TableName": self._client.address.table,
                        "Key": wire_key(self.keys.counter(queue, random.randrange(COUNTERS))),
                        "UpdateExpression": "ADD " + ", ".join(f"#{i} :{i}" for i in range(len(names))),
                        "ExpressionAttributeNames": {f"#{i}": name for i, name in enumerate(names)},
                        "ExpressionAttributeValues": {
                            f":{i}": {"N": str(counts[name])} for i, name in enumerate(names)
                        },
                    }
                }

    def _ours(self) -> bool:
        """Whether the step was written after all: its answer was lost, and it was sent again to a server that did not know it."""
        if not self._client.resent:
            return False
        written = [key for key, item in self._written.items() if item is not None][:1]
        return any(item["v"] == self.mark for item in self._client.get(written).values())


class Steps:
    """Makes steps until one holds."""

    def __init__(self, client: Client, keys: Keys, clock: Callable[[], int]) -> None:
        self._client, self._keys, self._clock = client, keys, clock

    def run(self, plan: Callable[[Step], T]) -> T:
        """What a plan gives, once the step it filled has been written. A plan may be called several times."""
        attempt = 0
        while True:
            step = Step(self._client, self._keys, self._clock())
            answer = plan(step)
            if step.commit():
                return answer
            self._client.pause(attempt)
            attempt += 1


def _size(value: object) -> int:
    return len(value) if isinstance(value, str | bytes) else 8
