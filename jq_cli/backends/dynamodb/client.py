"""Requests to DynamoDB: plain values to and from its typed ones, deadlines, retries, and its errors as ours."""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)

from jq_cli.backends.dynamodb.address import Address
from jq_cli.backends.dynamodb.clock import ServiceClock, sent_at
from jq_cli.backends.dynamodb.keys import Key
from jq_cli.backends.dynamodb.rows import Item
from jq_cli.errors import BackendError, BackendFull, BackendUnreachable, ConfigError, JqError, NotAuthorised

BUSY = frozenset(
    {
        "ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded", "LimitExceededException",
        "InternalServerError", "ServiceUnavailable", "TransactionInProgressException", "TransactionConflictException",
        "ThrottlingError", "TransactionConflict", "ProvisionedThroughputExceeded", "ServiceUnavailableException",
    }
)  # fmt: skip
"""What DynamoDB answers when the same request may succeed a moment later."""

UNAUTHORISED = frozenset(
    {
        "AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException",
        "IncompleteSignatureException", "MissingAuthenticationTokenException", "InvalidClientTokenId",
    }
)  # fmt: skip
BATCH = 100
"""Items in one BatchGetItem."""


class Moved(Exception):
    """A condition of a transaction did not hold: an item is not as it was read."""


class Client:
    """One table. Used by one thread at a time; the connections are the process's own and not used after a fork."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.clock = ServiceClock()
        self.requests: dict[str, int] = {}
        self.resent = False
        """Whether the last request was sent more than once."""
        self._deadline = 0.0

    # --- calls ---

    def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """The answer to one request about the table. Sent again while DynamoDB is busy or unreachable, until the deadline."""
        arguments.setdefault("TableName", self.address.table)
        return self._persist(operation, arguments)

    def transact(self, actions: list[dict[str, Any]], mark: str) -> None:
        """Write all or nothing. `mark` names the transaction, so that DynamoDB knows one that is sent again. Raises Moved."""
        try:
            self._persist("transact_write_items", {"TransactItems": actions, "ClientRequestToken": mark})
        except _Cancelled as error:
            self._cancelled(error.reasons)

    def begin(self) -> None:
        """A call of the seam starts: it has `timeout` from now."""
        self._deadline = time.monotonic() + self.address.timeout

    def pause(self, attempt: int) -> None:
        """Wait before another attempt, longer each time and never the same. Raises BackendUnreachable at the deadline."""
        wait = random.uniform(0.2, 1.0) * min(0.4, 0.005 * 2**attempt)
        if time.monotonic() + wait > self._deadline:
            raise BackendUnreachable(f"{self.address.url} gave no answer within {self.address.timeout:g} s")
        time.sleep(wait)

    def _persist(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        for attempt in range(1_000):
            self.resent = attempt > 0
            try:
                return self._once(operation, arguments)
            except ClientError as error:
                self._refused(error)
                last: Exception = error
            except (ConnectionError, HTTPClientError) as error:
                last = error
            try:
                self.pause(attempt)
            except BackendUnreachable as end:
                raise BackendUnreachable(f"{end}: {_words(last)}") from last
        raise AssertionError("the deadline ends the attempts")

    def _once(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.requests[operation] = self.requests.get(operation, 0) + 1
        sent = sent_at()
        try:
            answer: dict[str, Any] = getattr(_connect(self.address), operation)(**arguments)
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise NotAuthorised(f"{self.address.url}: {_words(error)}") from error
        except NoRegionError as error:
            raise ConfigError(f"{self.address.url}: no region; add ?region= or set AWS_DEFAULT_REGION") from error
        except (ConnectionError, HTTPClientError):
            raise
        except BotoCoreError as error:
            raise BackendError(f"{self.address.url}: {_words(error)}") from error
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        if date := headers.get("date"):
            self.clock.heard(date, sent)
        return answer

    def _refused(self, error: ClientError) -> None:
        """Raise what an answer means, or return when the request may be sent again."""
        code = error.response.get("Error", {}).get("Code", "")
        if code == "TransactionCanceledException":
            raise _Cancelled(error.response.get("CancellationReasons", [])) from error
        if code in BUSY:
            return
        raise self._error(code, _words(error)) from error

    def _error(self, code: str, words: str) -> JqError:
        if code in UNAUTHORISED:
            return NotAuthorised(f"{self.address.url}: {words}")
        if code == "ResourceNotFoundException":
            return _NoTable(f"{self.address.url}: there is no such table; `jq db init` makes it")
        if code == "ItemCollectionSizeLimitExceeded":
            return BackendFull(f"{self.address.url}: a queue holds at most 10 GB for each of its shards")
        if "Item size" in words:
            return BackendError(f"{self.address.url}: DynamoDB keeps items up to 400 KB: {words}")
        return BackendError(f"{self.address.url}: {words}")

    def _cancelled(self, reasons: list[dict[str, Any]]) -> None:
        codes = {reason.get("Code", "None"): reason.get("Message", "") for reason in reasons}
        codes.pop("None", None)
        for code, words in codes.items():
            if code not in BUSY and code != "ConditionalCheckFailed":
                raise self._error(code, f"{code}: {words}")
        raise Moved

    def find_table(self) -> dict[str, Any] | None:
        """What DynamoDB says of the table, None where there is none."""
        try:
            table: dict[str, Any] = self.call("describe_table")["Table"]
            return table
        except _NoTable:
            return None

    # --- items ---

    def get(self, keys: Sequence[Key]) -> dict[Key, Item]:
        """Those of the items that are there."""
        found: dict[Key, Item] = {}
        for at in range(0, len(keys), BATCH):
            self._get(keys[at : at + BATCH], found)
        return found

    def _get(self, keys: Sequence[Key], found: dict[Key, Item]) -> None:
        table = self.address.table
        wanted: Any = {table: {"Keys": [wire_key(key) for key in keys], "ConsistentRead": True}}
        for attempt in range(1_000):
            answer = self._persist("batch_get_item", {"RequestItems": wanted})
            for item in map(plain, answer.get("Responses", {}).get(table, [])):
                found[item["pk"], item["sk"]] = item
            wanted = answer.get("UnprocessedKeys")
            if not wanted:
                return
            if not answer["Responses"].get(table):
                self.pause(attempt)

    def query(self, pk: str, by: str, low: str, high: str, *, limit: int = 0, reverse: bool = False) -> Iterator[Item]:
        """The items of a partition from one text to another, both included, at most `limit` (0: all), in the order of the sort
        key (`by` sk) or of a local index; of the indexes only `place` gives whole items."""
        left = limit
        order = {"ScanIndexForward": not reverse, **({"Limit": limit} if limit else {})}
        for page in self._pages(pk, by, low, high, **order):
            for item in page["Items"]:
                yield plain(item)
                left -= 1
                if left == 0:
                    return

    def count(self, pk: str, by: str, low: str, high: str) -> int:
        """How many items a query would give."""
        return sum(page["Count"] for page in self._pages(pk, by, low, high, Select="COUNT"))

    def _pages(self, pk: str, by: str, low: str, high: str, **more: Any) -> Iterator[dict[str, Any]]:
        arguments: dict[str, Any] = {
            "ConsistentRead": True,
            "KeyConditionExpression": "pk = :pk AND #by BETWEEN :low AND :high",
            "ExpressionAttributeNames": {"#by": by},
            "ExpressionAttributeValues": {":pk": {"S": pk}, ":low": {"S": low}, ":high": {"S": high}},
            **({} if by == "sk" else {"IndexName": by}),
            **more,
        }
        while True:
            page = self.call("query", **arguments)
            yield page
            if "LastEvaluatedKey" not in page:
                return
            arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]


class _NoTable(BackendError):
    pass


class _Cancelled(Exception):
    def __init__(self, reasons: list[dict[str, Any]]) -> None:
        super().__init__()
        self.reasons = reasons


_lock = threading.Lock()
_connected: dict[tuple[object, ...], Any] = {}


def _connect(address: Address) -> Any:
    """The process's client for an endpoint. Making one takes long, and threads may share it."""
    key = (os.getpid(), address.region, address.endpoint, address.timeout)
    with _lock:
        if key not in _connected:
            part = max(0.1, address.timeout / 2)
            config = Config(
                connect_timeout=part, read_timeout=part, retries={"total_max_attempts": 1}, max_pool_connections=64
            )
            session = botocore.session.get_session()
            _connected[key] = session.create_client(
                "dynamodb", region_name=address.region, endpoint_url=address.endpoint, config=config
            )
        return _connected[key]


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


_WIRE: dict[type, Callable[[Any], dict[str, Any]]] = {
    str: lambda value: {"S": value},
    int: lambda value: {"N": str(value)},
    bytes: lambda value: {"B": value},
}


def wire(item: Item) -> dict[str, Any]:
    """An item as DynamoDB wants it."""
    return {name: _WIRE[type(value)](value) for name, value in item.items()}


def wire_key(key: Key) -> dict[str, Any]:
    """A key as DynamoDB wants it."""
    return {"pk": {"S": key[0]}, "sk": {"S": key[1]}}


def plain(item: dict[str, Any]) -> Item:
    """An item with plain values."""
    return {name: _plain(*next(iter(value.items()))) for name, value in item.items()}


def _plain(kind: str, value: Any) -> Any:
    if kind == "N":
        return int(value)
    return bytes(value) if kind == "B" else value
