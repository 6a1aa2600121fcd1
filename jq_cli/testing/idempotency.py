"""Section 9, second half: one outcome for each idempotency key."""

import msgspec

from jq_cli import lifecycle
from jq_cli.backends.base import Inserted
from jq_cli.testing.store import Store, raw


def outcome_of(inserted: Inserted) -> dict[str, object]:
    """The stored outcome that an enqueue was answered with."""
    assert inserted.status == "replayed"
    assert inserted.outcome is not None
    outcome: dict[str, object] = msgspec.json.decode(inserted.outcome)
    return outcome


class IdempotencyTests:
    """Idempotency keys."""

    def test_a_key_whose_job_has_not_ended_answers_duplicate(self, store: Store) -> None:
        id = store.add(idempotency_key="k")
        for _ in range(2):
            again = store.offer(idempotency_key="k")
            assert (again.status, again.id, again.outcome) == ("duplicate", id, None)
            store.claim()
        assert store.total("duplicates") == 2

    def test_a_key_whose_job_has_not_ended_never_ends(self, store: Store) -> None:
        id = store.add(idempotency_key="k", idempotency_ttl=1.0)
        store.clock.advance(100_000_000)
        store.tick()
        assert store.offer(idempotency_key="k").id == id

    def test_a_key_whose_job_succeeded_replays_its_result(self, store: Store) -> None:
        job = store.run(idempotency_key="k")
        store.settle(job, result=raw({"sum": 3}))
        again = store.offer(idempotency_key="k")
        assert again.id == job.id
        assert outcome_of(again) == {"id": job.id, "state": "succeeded", "result": {"sum": 3}}
        assert (store.claim(), store.total("duplicates"), store.total("enqueued")) == ([], 1, 1)

    def test_a_key_whose_job_succeeded_without_a_result_replays_null(self, store: Store) -> None:
        store.finish(idempotency_key="k")
        assert outcome_of(store.offer(idempotency_key="k"))["result"] is None

    def test_a_key_whose_job_died_replays_its_reason_and_error(self, store: Store) -> None:
        job = store.run(idempotency_key="k")
        store.settle(job, "permanent", error="boom")
        outcome = outcome_of(store.offer(idempotency_key="k"))
        assert (outcome["state"], outcome["reason"], outcome["error"]) == ("dead", "permanent", "boom")

    def test_a_job_that_dies_by_itself_leaves_its_outcome_too(self, store: Store) -> None:
        store.add(idempotency_key="expired", expires_in=100)
        store.run(idempotency_key="poison", max_losses=0, queue="p")
        store.clock.advance(10_000)
        assert store.tick() == 2
        assert outcome_of(store.offer(idempotency_key="expired"))["reason"] == "expired"
        assert outcome_of(store.offer(idempotency_key="poison", queue="p"))["reason"] == "poison"

    def test_an_outcome_is_kept_for_its_ttl_after_the_end(self, store: Store) -> None:
        store.add(idempotency_key="k", idempotency_ttl=3.5)
        store.clock.advance(60_000)
        store.settle(store.take())
        store.clock.advance(3_499)
        assert store.offer(idempotency_key="k").status == "replayed"
        store.clock.advance(1)
        assert store.offer(idempotency_key="k").status == "created"

    def test_an_outcome_outlives_its_job(self, store: Store) -> None:
        id = store.finish(idempotency_key="k", retention=0.0)
        assert store.gone(id)
        assert store.offer(idempotency_key="k").status == "replayed"

    def test_a_removed_finished_job_leaves_its_outcome(self, store: Store) -> None:
        id = store.finish("permanent", idempotency_key="k")
        store.write(lifecycle.remove(store.job(id), "m"))
        assert store.offer(idempotency_key="k").status == "replayed"

    def test_a_retry_stores_no_outcome(self, store: Store) -> None:
        job = store.run(idempotency_key="k")
        store.settle(job, "failed", error="x")
        assert store.offer(idempotency_key="k").status == "duplicate"

    def test_the_same_key_with_another_payload_is_refused_while_the_job_lives(self, store: Store) -> None:
        id = store.add(b'{"n": 1}', idempotency_key="k")
        other = store.offer(b'{"n": 2}', idempotency_key="k")
        assert (other.status, other.id) == ("mismatch", id)
        assert (store.count("ready"), store.total("enqueued"), store.total("duplicates")) == (1, 1, 0)

    def test_the_same_key_with_another_payload_is_refused_when_the_outcome_is_stored(self, store: Store) -> None:
        store.finish(idempotency_key="k")
        assert store.offer(b"2", idempotency_key="k").status == "mismatch"

    def test_payloads_are_compared_by_their_canonical_json(self, store: Store) -> None:
        store.add(b'{"a": 1, "b": [1, 2]}', idempotency_key="k")
        assert store.offer(b'{"b":[1,2],"a":1}', idempotency_key="k").status == "duplicate"
        assert store.offer(b'{"b":[2,1],"a":1}', idempotency_key="k").status == "mismatch"

    def test_a_refused_payload_takes_no_other_key(self, store: Store) -> None:
        store.add(b"1", idempotency_key="k")
        store.offer(b"2", idempotency_key="k", dedup_key="d")
        assert store.offer(dedup_key="d").status == "created"

    def test_a_cancelled_job_frees_its_key(self, store: Store) -> None:
        store.write(lifecycle.cancel(store.job(store.add(idempotency_key="k")), "m"))
        assert store.offer(b"2", idempotency_key="k").status == "created"

    def test_a_running_job_that_was_cancelled_frees_its_key(self, store: Store) -> None:
        job = store.run(idempotency_key="k")
        store.write(lifecycle.cancel(store.job(job.id), "m"))
        store.settle(store.job(job.id), "interrupted")
        assert store.offer(b"2", idempotency_key="k").status == "created"

    def test_a_removed_unfinished_job_frees_its_key(self, store: Store) -> None:
        store.write(lifecycle.remove(store.job(store.add(idempotency_key="k")), "m"))
        assert store.offer(b"2", idempotency_key="k").status == "created"

    def test_a_requeued_job_leaves_a_new_outcome_when_it_ends_again(self, store: Store) -> None:
        id = store.finish("permanent", idempotency_key="k")
        store.write(lifecycle.requeue(store.job(id), "m"))
        assert outcome_of(store.offer(idempotency_key="k"))["state"] == "dead"
        store.settle(store.take())
        assert outcome_of(store.offer(idempotency_key="k"))["state"] == "succeeded"

    def test_a_key_that_ended_is_not_revived_by_the_end_of_its_old_job(self, store: Store) -> None:
        id = store.finish("permanent", idempotency_key="k", idempotency_ttl=1.0)
        store.write(lifecycle.requeue(store.job(id), "m"))
        store.clock.advance(1_000)
        store.settle(store.take())
        assert store.offer(b"2", idempotency_key="k").status == "created"

    def test_an_outcome_never_overwrites_the_key_of_another_job(self, store: Store) -> None:
        first = store.finish("permanent", idempotency_key="k", idempotency_ttl=1.0)
        store.write(lifecycle.requeue(store.job(first), "m"))
        store.clock.advance(1_000)
        job = store.take()
        second = store.add(b"2", idempotency_key="k")
        store.settle(job)
        again = store.offer(b"2", idempotency_key="k")
        assert (again.status, again.id) == ("duplicate", second)

    def test_idempotency_keys_belong_to_their_queue(self, store: Store) -> None:
        store.add(idempotency_key="k", queue="a")
        assert store.offer(b"2", idempotency_key="k", queue="b").status == "created"

    def test_in_a_batch_the_first_job_takes_the_key(self, store: Store) -> None:
        drafts = [store.draft(payload, idempotency_key="k") for payload in (b"1", b"1", b"2")]
        answers = store.insert(*drafts)
        assert [answer.status for answer in answers] == ["created", "duplicate", "mismatch"]
        assert {answer.id for answer in answers} == {drafts[0].job.id}

    def test_an_outcome_reported_twice_is_stored_once(self, store: Store) -> None:
        job = store.run(idempotency_key="k", idempotency_ttl=1.0)
        change = store.outcome(job, result=raw(1))
        store.write(change)
        store.clock.advance(900)
        assert store.write(change) == "already"
        store.clock.advance(100)
        assert store.offer(idempotency_key="k").status == "created"
