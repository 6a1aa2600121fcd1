"""Section 9, first half: one job for each deduplication key."""

from jq_cli import lifecycle
from jq_cli.testing.store import Store


class DedupTests:
    """Deduplication keys."""

    def test_a_second_enqueue_with_the_same_dedup_key_makes_no_job_and_names_the_first(self, store: Store) -> None:
        first = store.add(dedup_key="k")
        second = store.offer(dedup_key="k")
        assert (second.status, second.id) == ("duplicate", first)
        assert store.ids("ready") == [first]
        assert (store.total("enqueued"), store.total("duplicates")) == (1, 1)

    def test_a_dedup_key_lives_for_its_ttl(self, store: Store) -> None:
        store.add(dedup_key="k", dedup_ttl=2.5)
        store.clock.advance(2_499)
        assert store.offer(dedup_key="k").status == "duplicate"
        store.clock.advance(1)
        assert store.offer(dedup_key="k").status == "created"

    def test_a_dedup_key_lives_for_ten_minutes_by_default(self, store: Store) -> None:
        store.add(dedup_key="k")
        store.clock.advance(599_999)
        assert store.offer(dedup_key="k").status == "duplicate"
        store.clock.advance(1)
        assert store.offer(dedup_key="k").status == "created"

    def test_a_duplicate_does_not_prolong_the_window(self, store: Store) -> None:
        store.add(dedup_key="k", dedup_ttl=1.0)
        store.clock.advance(900)
        store.offer(dedup_key="k", dedup_ttl=100.0)
        store.clock.advance(100)
        assert store.offer(dedup_key="k").status == "created"

    def test_a_dedup_key_outlives_its_job(self, store: Store) -> None:
        first = store.finish(dedup_key="k", retention=0.0)
        assert store.gone(first)
        again = store.offer(dedup_key="k")
        assert (again.status, again.id) == ("duplicate", first)

    def test_a_dedup_key_may_end_before_its_job(self, store: Store) -> None:
        first = store.add(dedup_key="k", dedup_ttl=1.0)
        store.clock.advance(1_000)
        second = store.add(dedup_key="k", dedup_ttl=5.0)
        assert store.offer(dedup_key="k").id == second
        store.settle(store.take())
        assert store.state(first) == "succeeded"
        assert store.offer(dedup_key="k").id == second

    def test_a_tick_forgets_ended_keys_and_no_others(self, store: Store) -> None:
        store.add(dedup_key="short", dedup_ttl=1.0)
        store.add(dedup_key="long", dedup_ttl=1.001)
        store.clock.advance(1_000)
        store.tick()
        assert store.offer(dedup_key="long").status == "duplicate"
        assert store.offer(dedup_key="short").status == "created"

    def test_until_done_the_key_has_no_end_while_the_job_lives(self, store: Store) -> None:
        job = store.run(dedup_key="k", dedup_until="done", max_losses=100)
        store.clock.advance(366 * 86_400_000)
        store.tick()
        assert store.offer(dedup_key="k").id == job.id
        assert store.settle(store.take(), "failed", error="x") == "applied"
        assert store.offer(dedup_key="k").id == job.id

    def test_until_done_the_key_ends_with_the_job_in_every_final_state(self, store: Store) -> None:
        for kind in ("succeeded", "permanent"):
            job = store.run(dedup_key=kind, dedup_until="done")
            assert store.offer(dedup_key=kind).status == "duplicate"
            store.settle(job, kind, error="x")
            assert store.offer(dedup_key=kind, queue="q", delay=10).status == "created"

    def test_until_done_the_key_ends_with_cancellation_expiry_and_removal(self, store: Store) -> None:
        cancelled = store.add(dedup_key="c", dedup_until="done")
        store.write(lifecycle.cancel(store.job(cancelled), "m1"))
        removed = store.add(dedup_key="r", dedup_until="done")
        store.write(lifecycle.remove(store.job(removed), "m2"))
        store.add(dedup_key="e", dedup_until="done", expires_in=100)
        store.clock.advance(100)
        store.tick()
        assert [store.offer(dedup_key=key).status for key in "cre"] == ["created"] * 3

    def test_until_done_a_ttl_ends_the_key_earlier_if_given(self, store: Store) -> None:
        store.add(dedup_key="k", dedup_until="done", dedup_ttl=1.0)
        store.clock.advance(999)
        assert store.offer(dedup_key="k").status == "duplicate"
        store.clock.advance(1)
        assert store.offer(dedup_key="k").status == "created"

    def test_until_done_with_a_ttl_the_key_still_ends_with_the_job(self, store: Store) -> None:
        store.finish(dedup_key="k", dedup_until="done", dedup_ttl=1_000.0)
        assert store.offer(dedup_key="k").status == "created"

    def test_the_end_of_a_job_never_frees_a_key_that_has_another_owner_by_now(self, store: Store) -> None:
        first = store.run(dedup_key="k", dedup_until="done", dedup_ttl=1.0)
        store.clock.advance(1_000)
        second = store.add(dedup_key="k", dedup_until="done")
        assert store.settle(first) == "applied"
        assert store.offer(dedup_key="k").id == second

    def test_a_key_with_a_ttl_is_kept_when_an_operator_removes_or_cancels_its_job(self, store: Store) -> None:
        removed, cancelled = store.add(dedup_key="r"), store.add(dedup_key="c")
        store.write(lifecycle.remove(store.job(removed), "m1"))
        store.write(lifecycle.cancel(store.job(cancelled), "m2"))
        assert [store.offer(dedup_key=key).id for key in "rc"] == [removed, cancelled]

    def test_dedup_keys_belong_to_their_queue(self, store: Store) -> None:
        store.add(dedup_key="k", queue="a")
        assert store.offer(dedup_key="k", queue="b").status == "created"

    def test_dedup_and_idempotency_keys_do_not_meet(self, store: Store) -> None:
        store.add(dedup_key="k")
        assert store.offer(idempotency_key="k").status == "created"

    def test_a_refused_enqueue_takes_no_key(self, store: Store) -> None:
        first = store.add(dedup_key="a")
        assert store.offer(dedup_key="a", idempotency_key="b").status == "duplicate"
        assert store.offer(id=first, dedup_key="c").status == "duplicate"
        assert store.offer(idempotency_key="b").status == "created"
        assert store.offer(dedup_key="c").status == "created"

    def test_an_enqueue_sent_again_with_its_id_makes_no_second_job(self, store: Store) -> None:
        draft = store.draft(dedup_key="k", idempotency_key="i")
        assert [answer.status for answer in store.insert(draft)] == ["created"]
        (again,) = store.insert(draft)
        assert (again.status, again.id) == ("duplicate", draft.job.id)
        assert store.count("ready") == 1

    def test_in_a_batch_earlier_jobs_count_when_later_ones_are_judged(self, store: Store) -> None:
        drafts = [store.draft(dedup_key=key, queue=queue) for key, queue in ("aq", "bq", "aq", "ap", "bq")]
        answers = store.insert(*drafts)
        assert [answer.status for answer in answers] == ["created", "created", "duplicate", "created", "duplicate"]
        assert [answer.id for answer in answers] == [drafts[n].job.id for n in (0, 1, 0, 3, 1)]

    def test_a_requeued_job_takes_no_key_again(self, store: Store) -> None:
        id = store.finish("permanent", dedup_key="k", dedup_until="done")
        store.write(lifecycle.requeue(store.job(id), "m"))
        assert store.offer(dedup_key="k").status == "created"
