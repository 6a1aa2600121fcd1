"""What DynamoDB may do to a request: lose its answer, refuse it for a while, answer half of it, not know the table."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jq_cli.backends.base import Backend
from jq_cli.backends.registry import open_backend
from jq_cli.draft import make_draft
from jq_cli.errors import BackendError, BackendFull, BackendUnreachable, ConfigError, InvalidField, NotAuthorised
from jq_cli.ids import new_id
from jq_cli.job import Job
from jq_cli.testing.clock import ManualClock
from jq_cli.testing.store import Store
from tests.backends.dynamodb_proxy import DynamoProxy, error, once
from tests.dynamodb_server import DynamoServer


@pytest.fixture
def proxy(dynamodb_server: DynamoServer) -> Iterator[DynamoProxy]:
    proxy = DynamoProxy(dynamodb_server.endpoint)
    yield proxy
    proxy.close()


@pytest.fixture
def store(dynamodb_server: DynamoServer, proxy: DynamoProxy) -> Iterator[Store]:
    url = dynamodb_server.table(endpoint=proxy.endpoint, timeout="20s")

    def opened(clock: ManualClock, namespace: str) -> Backend:
        return open_backend(url, namespace=namespace, clock=clock)

    store = Store(opened)
    yield store
    proxy.fault = lambda operation, request: None
    store.check()
    store.close()


def test_an_enqueue_whose_answer_was_lost_makes_one_job(store: Store, proxy: DynamoProxy) -> None:
    proxy.fault = once("TransactWriteItems", "lose")
    store.add(dedup_key="k")
    assert store.count("ready") == 1
    assert (store.total("enqueued"), store.total("duplicates")) == (1, 0)


def test_a_claim_whose_answer_was_lost_hands_out_what_it_leased(store: Store, proxy: DynamoProxy) -> None:
    ids = [store.add() for _ in range(3)]
    proxy.fault = once("TransactWriteItems", "lose")
    assert [job.id for job in store.claim(3)] == ids
    assert store.count("running") == 3


def test_an_outcome_whose_answer_was_lost_counts_once(store: Store, proxy: DynamoProxy) -> None:
    job = store.run()
    proxy.fault = once("TransactWriteItems", "lose")
    assert store.settle(job) == "applied"
    assert store.total("succeeded") == 1


def test_a_removal_whose_answer_was_lost_is_already_made(store: Store, proxy: DynamoProxy) -> None:
    store.keep(retention=0)
    job = store.run()
    proxy.fault = once("TransactWriteItems", "lose")
    assert store.settle(job) in ("applied", "already")
    assert store.gone(job.id)


@pytest.mark.parametrize(
    "code", ["ProvisionedThroughputExceededException", "ThrottlingException", "InternalServerError"]
)
def test_a_call_that_is_refused_for_a_while_is_made_again(store: Store, proxy: DynamoProxy, code: str) -> None:
    for operation in ("TransactWriteItems", "BatchGetItem", "Query"):
        proxy.fault = once(operation, error(code), times=3)
        store.finish()
    assert store.total("succeeded") == 3


def test_a_transaction_that_met_another_is_made_again(store: Store, proxy: DynamoProxy) -> None:
    reasons = {"CancellationReasons": [{"Code": "TransactionConflict", "Message": "met another"}]}
    proxy.fault = once("TransactWriteItems", error("TransactionCanceledException") | reasons, times=2)
    store.add()
    assert store.count("ready") == 1


def test_a_batch_of_which_only_a_part_was_read_is_read_to_its_end(store: Store, proxy: DynamoProxy) -> None:
    ids = [store.add() for _ in range(5)]
    asked: list[int] = []

    def fault(operation: str, request: dict[str, object]) -> object:
        if operation != "BatchGetItem":
            return None
        [(table, wanted)] = request["RequestItems"].items()  # type: ignore[attr-defined]
        asked.append(len(wanted["Keys"]))
        return {"Responses": {table: []}, "UnprocessedKeys": {table: wanted}} if len(asked) < 3 else None

    proxy.fault = fault  # type: ignore[assignment]
    assert [job.id for job in store.backend.get("q", ids) if job] == ids
    assert asked == [5, 5, 5]


def test_a_table_that_is_not_there_is_named_with_the_command_that_makes_it(dynamodb_server: DynamoServer) -> None:
    with (
        open_backend(dynamodb_server.url("nowhere")) as backend,
        pytest.raises(BackendError, match="no such table; `jq db init` makes it"),
    ):
        backend.queues()


def test_credentials_that_are_refused_say_so(store: Store, proxy: DynamoProxy) -> None:
    proxy.fault = once("Query", error("AccessDeniedException", "not allowed"))
    with pytest.raises(NotAuthorised, match="not allowed"):
        store.backend.queues()


def test_a_store_that_is_busy_is_unreachable_at_the_deadline(proxy: DynamoProxy) -> None:
    proxy.fault = lambda operation, request: error("ThrottlingException", "slow down")
    url = f"dynamodb://jobs?region=eu-central-1&endpoint={proxy.endpoint}&timeout=0.3s"
    with open_backend(url) as backend, pytest.raises(BackendUnreachable, match=r"no answer within 0\.3 s: .*slow down"):
        backend.queues()


def test_nobody_listening_is_unreachable() -> None:
    url = "dynamodb://jobs?region=eu-central-1&endpoint=http://127.0.0.1:9&timeout=0.2s"
    with open_backend(url) as backend, pytest.raises(BackendUnreachable, match="no answer within"):
        backend.queues()


def test_a_payload_that_no_transaction_can_hold_is_refused_with_the_bound(store: Store) -> None:
    payload = b'"' + b"x" * 3_600_000 + b'"'
    draft = make_draft(Job(id=new_id(), queue="q", payload=payload))
    with pytest.raises(InvalidField, match="more than the 3,500,000 that DynamoDB can hold"):
        store.backend.insert([draft])
    assert store.backend.queues() == []


@pytest.mark.parametrize("size", [1024 * 1024, 3_500_000])
def test_a_payload_larger_than_an_item_comes_back_whole(store: Store, size: int) -> None:
    payload = b'"' + (b"0123456789" * size)[: size - 2] + b'"'
    assert store.run(payload).payload == payload


def test_a_note_larger_than_an_item_is_refused_with_the_bound(store: Store) -> None:
    with pytest.raises(InvalidField, match=r"^schedule/x: 400,001 bytes are more than the 400,000 .* in one item$"):
        store.backend.swap("schedule/x", None, b"x" * 400_001)
    assert store.backend.swap("schedule/x", None, b"x" * 400_000)
    assert store.backend.read("schedule/") == {"schedule/x": b"x" * 400_000}


def test_a_full_partition_is_named_and_nothing_is_stored(store: Store, proxy: DynamoProxy) -> None:
    reasons = {"CancellationReasons": [{"Code": "ItemCollectionSizeLimitExceeded", "Message": "too large"}]}
    proxy.fault = once("TransactWriteItems", error("TransactionCanceledException") | reasons)
    with pytest.raises(BackendFull, match="at most 10 GB for each of its shards"):
        store.add()
    assert store.count("ready") == 0


def test_a_region_that_nobody_names_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with open_backend("dynamodb://jobs") as backend, pytest.raises(ConfigError, match=r"add \?region="):
        backend.queues()


def test_credentials_that_are_nowhere_are_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    url = "dynamodb://jobs?region=eu-central-1&endpoint=http://127.0.0.1:9&timeout=7s"
    with open_backend(url) as backend, pytest.raises(NotAuthorised, match="credentials"):
        backend.queues()
