"""The Python API: what a program does with a queue, on each store."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

import jq_cli
from jq_cli.api.queue import Queue, Store, connect
from jq_cli.backends.base import Inserted
from jq_cli.backends.memory.backend import MemoryBackend
from jq_cli.consumer import Consumer
from jq_cli.draft import Draft
from jq_cli.errors import (
    BackendError,
    Conflict,
    IdempotencyMismatch,
    InvalidField,
    NotFound,
    PartlyDone,
    TimedOut,
    UnknownBackend,
    UsageError,
)
from jq_cli.lifecycle import Outcome


def end(queue: Queue, kind: str = "succeeded", result: Any = None) -> str:
    """End the next job as a worker would."""
    consumer = Consumer(queue.store.backend, keeping=queue.store.settings.keeping)
    [job] = consumer.claim([queue.name])
    raw = msgspec.Raw(msgspec.json.encode(result)) if result is not None else msgspec.Raw()
    consumer.write([consumer.settle(job, Outcome(kind, raw, error="it broke"))])
    return job.id


def test_a_job_comes_out_as_it_was_put_in(queue: Queue) -> None:
    payload = {"to": "ada@example.org", "n": [1, 2.5, None, True], "text": '{"not": "parsed"}'}
    receipt = queue.enqueue(
        payload, priority=5, max_retries=1, headers={"trace": "1"}, timeout="1m", retention=timedelta(hours=2)
    )
    assert (receipt.status, receipt.created, str(receipt)) == ("created", True, receipt.id)
    job = queue.get(receipt)
    assert job is not None
    assert job.data == payload
    assert (job.priority, job.max_retries, job.headers, job.timeout, job.retention) == (5, 1, {"trace": "1"}, 60, 7_200)
    assert [each.id for each in queue.jobs()] == [receipt.id]
    assert queue.store.find(receipt.id) == job
    assert queue.store.queues() == ["q"]


def test_many_jobs_keep_their_order_and_their_own_options(queue: Queue) -> None:
    numbers = queue.enqueue_many(range(2_500), priority=-1)
    urgent = queue.enqueue_many([queue.draft("first", priority=9), "later"])
    assert [job.id for job in queue.jobs()] == [str(urgent[0]), str(urgent[1]), *map(str, numbers)]
    assert (len(queue), queue.length("all"), queue.counts().totals["enqueued"]) == (2_502, 2_502, 2_502)
    assert queue.enqueue_many([]) == []
    with pytest.raises(InvalidField, match="dedup_key: is for one job"):
        queue.enqueue_many([1], dedup_key="k")
    with pytest.raises(InvalidField, match="is for other, not q"):
        queue.enqueue_many([queue.store.queue("other").draft(1)])


def test_a_payload_out_of_bounds_leaves_the_batches_before_it(queue: Queue) -> None:
    with pytest.raises(InvalidField, match="payload: JSON cannot hold it"):
        queue.enqueue_many([*range(1_500), object()])
    with pytest.raises(InvalidField, match="payload: nesting is deeper than the 128 levels"):
        queue.enqueue_many([msgspec.json.decode(b"[" * 129 + b"]" * 129)])
    with pytest.raises(InvalidField, match="priority: expected"):
        queue.enqueue_many([1], priority=1_001)
    assert [job.data for job in queue.jobs()] == list(range(1_000))


def test_a_batch_that_fails_is_the_last_one_sent() -> None:
    class Failing(MemoryBackend):
        sent = 0

        def insert(self, drafts: Sequence[Draft]) -> list[Inserted]:
            self.sent += 1
            if self.sent == 2:
                raise BackendError("it broke")
            return super().insert(drafts)

    backend = Failing()
    with Store(backend) as store:
        queue = store.queue("q")
        with pytest.raises(BackendError, match="it broke"):
            queue.enqueue_many(range(10_000))
        assert (backend.sent, len(queue)) == (2, 1_000)


def test_drafts_and_payloads_may_be_mixed(queue: Queue) -> None:
    items = [queue.draft(n, headers={"n": str(n)}, id=None) if n % 3 else n for n in range(20)]
    receipts = queue.enqueue_many(items, max_retries=7)
    jobs = [queue.get(receipt) for receipt in receipts]
    assert [(job.data, job.headers, job.max_retries) for job in jobs if job] == [
        (n, {"n": str(n)} if n % 3 else {}, 3 if n % 3 else 7) for n in range(20)
    ]


def test_options_that_come_again_are_taken_as_they_are_then(queue: Queue) -> None:
    headers = {"trace": "1"}
    first = queue.enqueue(1, headers=headers, priority=3)
    headers["trace"] = "2"
    second = queue.enqueue(2, headers=headers, priority=3)
    for n in range(100):
        queue.draft(n, priority=n)
    third = queue.enqueue(3, headers={"trace": "1"}, priority=3)
    with pytest.raises(InvalidField, match="priority: expected"):
        queue.enqueue(4, headers=headers, priority=1_001)
    jobs = [queue.get(each) for each in (first, second, third)]
    assert [(job.data, job.headers, job.priority) for job in jobs if job] == [
        (1, {"trace": "1"}, 3), (2, {"trace": "2"}, 3), (3, {"trace": "1"}, 3),
    ]  # fmt: skip


def test_many_jobs_for_a_moment_wait_for_it(queue: Queue) -> None:
    at = datetime.now(UTC) + timedelta(hours=1)
    assert queue.enqueue_many([], at=datetime(2020, 1, 1, tzinfo=UTC)) == []
    queue.enqueue_many(range(1_001), at=at)
    left = [job.ready_at - at.timestamp() * 1_000 for job in queue.jobs("scheduled")]
    assert len(left) == 1_001
    assert all(abs(ms) < 60_000 for ms in left)
    with pytest.raises(InvalidField, match="in the past"):
        queue.enqueue_many([1], at=datetime(2020, 1, 1, tzinfo=UTC))


def test_an_empty_queue_is_true_and_has_no_length(queue: Queue) -> None:
    assert queue
    assert len(queue) == 0
    assert list(queue.jobs()) == []
    assert queue.get("01ARZ3NDEKTSV4RRFFQ69G5FAV") is None
    assert queue.get("no id at all") is None


def test_keys_make_no_second_job_and_say_so(queue: Queue) -> None:
    first = queue.enqueue(1, dedup_key="k")
    again = queue.enqueue(1, dedup_key="k")
    assert (again.id, again.status) == (first.id, "duplicate")
    keyed = queue.enqueue({"a": 1}, idempotency_key="i", priority=9)
    with pytest.raises(IdempotencyMismatch):
        queue.enqueue({"a": 2}, idempotency_key="i")
    statuses = [receipt.status for receipt in queue.enqueue_many([queue.draft({"a": 2}, idempotency_key="i"), 3])]
    assert statuses == ["mismatch", "created"]
    assert end(queue, result=7) == keyed.id
    replayed = queue.enqueue({"a": 1}, idempotency_key="i")
    assert (replayed.status, replayed.outcome) == ("replayed", {"id": keyed.id, "state": "succeeded", "result": 7})


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"priority": 1_001}, "priority: expected -1000..1000"),
        ({"priority": "high"}, "priority: expected"),
        ({"delay": "5"}, "needs a unit"),
        ({"delay": -1}, "delay: expected"),
        ({"delay": float("nan")}, "delay: expected a finite number"),
        ({"timeout": timedelta(0)}, "timeout: expected"),
        ({"delivery": "exactly_once"}, "delivery: expected at_least_once or at_most_once"),
        ({"queue": "other"}, "queue: no such option; known: id, priority"),
        ({"retry": 3}, "retry: no such option"),
        ({"id": "x"}, "id: 'x' is not a ULID"),
        ({"at": datetime(2030, 1, 1)}, "at: expected a datetime with a time zone"),
        ({"at": datetime(2020, 1, 1, tzinfo=UTC)}, "in the past"),
        ({"at": datetime(2030, 1, 1, tzinfo=UTC), "delay": 1}, "exclude each other"),
        ({"headers": {"a": 1}}, "headers"),
        ({"headers": {"a": object()}}, "options"),
    ],
    ids=lambda part: part if isinstance(part, str) else None,
)
def test_an_option_out_of_bounds_is_named_and_nothing_is_stored(options: Any, says: str) -> None:
    with connect("memory") as store:
        queue = store.queue("q")
        with pytest.raises(InvalidField) as error:
            queue.enqueue(1, **options)
        assert says in str(error.value)
        assert queue.length("all") == 0


@pytest.mark.parametrize("payload", [b"{}", object(), float, "x" * 2**20, "\ud800"], ids=lambda p: str(type(p)))
def test_a_payload_that_cannot_be_stored_is_refused(payload: Any) -> None:
    with connect("memory") as store, pytest.raises(InvalidField, match=r"^payload: "):
        store.queue("q").enqueue(payload)


def test_a_job_for_a_moment_waits_for_it_and_can_be_promoted(queue: Queue) -> None:
    at = datetime.now(UTC) + timedelta(hours=1)
    receipt, other = queue.enqueue(1, at=at), queue.enqueue(2, delay="2h")
    job = queue.get(receipt)
    assert job is not None
    assert abs(job.ready_at - at.timestamp() * 1_000) < 2_000
    assert (len(queue), queue.length("scheduled")) == (0, 2)
    assert queue.promote(receipt) == 1
    assert (len(queue), queue.promote_all(), len(queue)) == (1, 1, 2)
    with pytest.raises(Conflict, match="only a scheduled job can be promoted"):
        queue.promote(other)


def test_dead_jobs_are_listed_and_requeued(queue: Queue) -> None:
    ids = [str(queue.enqueue(n)) for n in range(3)]
    for _ in ids:
        end(queue, "permanent")
    assert [job.id for job in queue.dlq()] == ids
    assert [job.last_error for job in queue.dlq(reverse=True)] == ["it broke"] * 3
    assert queue.requeue(ids[1]) == 1
    job = queue.get(ids[1])
    assert job is not None
    assert [(deed.what, deed.by) for deed in job.history] == [("requeued", queue.store.by)]
    assert queue.requeue_all() == 2
    assert (len(queue), queue.length("dead")) == (3, 0)


def test_of_several_jobs_those_that_can_are_changed(queue: Queue) -> None:
    first, second = queue.enqueue(1), queue.enqueue(2)
    missing = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    with pytest.raises(NotFound, match=missing):
        queue.cancel(missing)
    with pytest.raises(PartlyDone, match=f"1 of 3 jobs were not changed: no such job: {missing}"):
        queue.cancel(first, missing, second)
    assert queue.length("cancelled") == 2
    assert queue.remove(first, second, first) == 2
    assert queue.length("all") == 0
    assert queue.remove() == 0


def test_a_running_job_is_asked_to_stop_and_cannot_be_removed(queue: Queue) -> None:
    receipt = queue.enqueue(1)
    Consumer(queue.store.backend).claim(["q"])
    with pytest.raises(Conflict, match="cancel it first"):
        queue.remove(receipt)
    assert queue.cancel(receipt) == 1
    job = queue.get(receipt)
    assert job is not None
    assert job.stop


def test_a_paused_queue_hands_out_nothing_until_it_is_resumed(queue: Queue) -> None:
    queue.enqueue(1)
    controls = queue.pause("deploy", by="ada", duration="1h")
    assert (controls.paused, controls.paused_reason, controls.paused_by) == (True, "deploy", "ada")
    assert Consumer(queue.store.backend).claim(["q"]) == []
    assert queue.counts().controls == controls
    assert not queue.resume().paused
    assert len(Consumer(queue.store.backend).claim(["q"])) == 1
    with pytest.raises(InvalidField, match="duration"):
        queue.pause(duration=0)


def test_waiting_tells_how_a_job_ended(queue: Queue) -> None:
    good, bad = queue.enqueue(1), queue.enqueue(2)
    assert end(queue, result={"pages": 3}) == good.id
    end(queue, "permanent")
    ended = queue.wait(good)
    assert (ended.how, ended.ok, ended.result, ended.error) == ("succeeded", True, {"pages": 3}, None)
    ended = queue.wait(bad.id)
    assert (ended.how, ended.ok, ended.result, ended.error) == ("dead", False, None, "it broke")
    assert {end.id for end in queue.wait_each([good, bad])} == {good.id, bad.id}
    with pytest.raises(TimedOut):
        queue.wait(queue.enqueue(3), timeout=timedelta(milliseconds=1))
    assert queue.wait("01ARZ3NDEKTSV4RRFFQ69G5FAV").how == "removed"


def test_a_thread_that_waits_does_not_keep_others_from_the_store(queue: Queue) -> None:
    receipt = queue.enqueue(1)
    ended: list[str] = []
    waiter = threading.Thread(target=lambda: ended.append(queue.wait(receipt, timeout=60).how))
    waiter.start()
    end(queue)
    waiter.join(60)
    assert ended == ["succeeded"]


def test_the_configuration_counts_as_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jq.yaml").write_text("backend: memory\nmax_payload: 64\nqueues: {q: {max_retries: 9, priority: 2}}\n")
    with Queue("q") as queue:
        assert queue.store.url == "memory://"
        job = queue.get(queue.enqueue(1))
        assert job is not None
        assert (job.max_retries, job.priority) == (9, 2)
        with pytest.raises(InvalidField, match="more than the 64 allowed"):
            queue.enqueue("x" * 100)
    monkeypatch.setenv("BACKEND", "sqlite")
    with connect() as store:
        assert store.url == f"sqlite://{tmp_path}/.local/share/jq/jq.db"
    with pytest.raises(UnknownBackend, match="unknown backend 'nosuch'"):
        connect("nosuch")
    with connect(jq_cli.Settings(store=store.settings.store), namespace="n") as store:
        assert store.settings.namespace == "n"


def test_a_configuration_with_a_secret_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("backends: {r: {url: 'redis://:secret@localhost/0'}}\n")
    config.chmod(0o644)
    with pytest.warns(UserWarning, match="holds a password and others may read it"):
        connect("memory", config=str(config)).close()


def test_a_closed_store_says_so(store: Store) -> None:
    queue = store.queue("q")
    queue.close()  # not its own to close
    assert len(queue) == 0
    store.close()
    store.close()
    with pytest.raises(UsageError, match="closed"):
        queue.enqueue(1)
    with pytest.raises(InvalidField):
        store.queue("no name")


def test_every_public_name_is_there_and_documented() -> None:
    assert sorted(jq_cli.__all__) == dir(jq_cli)
    page = (Path(__file__).parents[2] / "docs" / "python.md").read_text()
    for name in jq_cli.__all__:
        value = getattr(jq_cli, name)
        assert name == "__version__" or value.__doc__, name
        assert name == "__version__" or name in page, name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = jq_cli.nothing
