"""Section 3: every accepted job is in exactly one state at every moment, in the eyes of every reader."""

import pytest

from jq_cli import lifecycle
from jq_cli.errors import Conflict
from jq_cli.job import STATES, State
from jq_cli.testing.store import Store, raw


def seen(store: Store, id: str) -> set[State]:
    """The states in which every reader sees the only job of the queue."""
    counted = [state for state, number in store.counts().states.items() if number]
    listed = [state for state in STATES if id in store.ids(state)]
    found = store.backend.find(id)
    assert len(counted) == len(listed) == 1
    return {*counted, *listed, store.state(id), found.state if found else "dead"}


class StatesTests:
    """The life-cycle picture, arrow by arrow."""

    def test_a_new_job_is_ready(self, store: Store) -> None:
        assert seen(store, store.add()) == {"ready"}

    def test_a_delayed_job_is_scheduled_until_its_delay_ends(self, store: Store) -> None:
        id = store.add(delay=1_000)
        store.clock.advance(999)
        assert seen(store, id) == {"scheduled"}
        assert store.claim() == []

    def test_a_delayed_job_is_ready_for_every_reader_from_the_moment_its_delay_ends(self, store: Store) -> None:
        id = store.add(delay=1_000)
        store.clock.advance(1_000)
        assert seen(store, id) == {"ready"}
        assert store.counts().oldest_ready_at == store.clock.now
        assert store.take().id == id

    def test_whoever_looks_first_sees_that_the_delay_has_ended(self, store: Store) -> None:
        ids = [store.add(delay=1_000, queue=queue) for queue in ("got", "found", "listed", "absent")]
        store.clock.advance(1_000)
        assert store.state(ids[0], "got") == "ready"
        assert (found := store.backend.find(ids[1])) is not None
        assert found.state == "ready"
        assert [job.state for job in store.backend.page("listed", "ready").jobs] == ["ready"]
        assert store.backend.page("absent", "scheduled").jobs == []

    def test_a_delayed_job_is_claimed_without_anybody_having_looked(self, store: Store) -> None:
        id = store.add(delay=1_000)
        store.clock.advance(1_000)
        assert store.take().id == id

    def test_a_claimed_job_is_running(self, store: Store) -> None:
        assert seen(store, store.run().id) == {"running"}

    def test_the_end_of_a_lease_alone_changes_nothing(self, store: Store) -> None:
        job = store.run()
        store.clock.advance(1_000_000)
        assert seen(store, job.id) == {"running"}
        assert store.job(job.id) == job
        assert store.claim() == []

    def test_a_job_that_succeeds_is_succeeded(self, store: Store) -> None:
        job = store.run()
        store.settle(job, result=raw({"sum": 3}))
        assert seen(store, job.id) == {"succeeded"}
        done = store.job(job.id)
        assert (bytes(done.result), done.finished_at) == (b'{"sum":3}', store.clock.now)
        assert (done.owner, done.lease_until, done.token) == (None, None, None)

    def test_a_job_that_fails_with_retries_left_is_scheduled(self, store: Store) -> None:
        job = store.run()
        store.settle(job, "failed", error="x")
        assert seen(store, job.id) == {"scheduled"}

    def test_a_job_that_fails_with_no_retries_left_is_dead(self, store: Store) -> None:
        job = store.run(max_retries=0)
        store.settle(job, "failed", error="x")
        assert seen(store, job.id) == {"dead"}

    def test_a_released_job_is_ready(self, store: Store) -> None:
        job = store.run()
        assert store.write(lifecycle.release(job)) == "applied"
        assert seen(store, job.id) == {"ready"}

    def test_a_job_whose_lease_was_recovered_is_ready(self, store: Store) -> None:
        job = store.run()
        store.expire_lease(job)
        assert seen(store, job.id) == {"ready"}

    def test_a_promoted_job_is_ready_now(self, store: Store) -> None:
        id = store.add(delay=60_000)
        store.clock.advance(5)
        assert store.write(lifecycle.promote(store.job(id), "m")) == "applied"
        assert seen(store, id) == {"ready"}
        assert store.job(id).ready_at == store.clock.now
        assert store.take().id == id

    def test_only_a_scheduled_job_can_be_promoted(self, store: Store) -> None:
        with pytest.raises(Conflict, match="only a scheduled job"):
            lifecycle.promote(store.job(store.add()), "m")

    def test_a_dead_job_that_is_requeued_is_ready(self, store: Store) -> None:
        id = store.finish("permanent")
        assert store.write(lifecycle.requeue(store.job(id), "m")) == "applied"
        assert seen(store, id) == {"ready"}

    def test_only_a_dead_job_can_be_requeued_from_the_dlq(self, store: Store) -> None:
        with pytest.raises(Conflict, match="only a dead job"):
            lifecycle.requeue(store.job(store.finish("succeeded")), "m")

    def test_a_waiting_job_is_cancelled_at_once(self, store: Store) -> None:
        for id in (store.add(), store.add(delay=1_000, queue="later")):
            queue = "q" if store.backend.get("q", [id]) != [None] else "later"
            assert store.write(lifecycle.cancel(store.job(id, queue), "m" + id)) == "applied"
            assert (store.state(id, queue), store.job(id, queue).reason) == ("cancelled", "cancelled")
            assert store.claim(queues=(queue,)) == []

    def test_a_running_job_is_cancelled_by_request_when_its_worker_has_stopped_it(self, store: Store) -> None:
        job = store.run()
        assert store.write(lifecycle.cancel(store.job(job.id), "m")) == "applied"
        assert seen(store, job.id) == {"running"}
        assert store.consumer().extend([job]).pop() == "stop"
        assert store.settle(store.job(job.id), "interrupted") == "applied"
        assert seen(store, job.id) == {"cancelled"}

    def test_a_request_to_cancel_holds_when_the_worker_is_lost(self, store: Store) -> None:
        job = store.run()
        store.write(lifecycle.cancel(store.job(job.id), "m"))
        store.expire_lease(job)
        assert seen(store, job.id) == {"cancelled"}
        assert (store.job(job.id).losses, store.total("recovered")) == (1, 1)

    def test_a_request_to_cancel_holds_when_the_worker_reports_before_it_hears_of_it(self, store: Store) -> None:
        job = store.run()
        store.write(lifecycle.cancel(store.job(job.id), "m"))
        assert store.settle(job, "failed", error="x") == "applied"
        store.clock.advance(1_000)
        assert store.consumer().claim(["q"]) == []
        assert seen(store, job.id) == {"cancelled"}

    def test_a_job_that_succeeds_before_its_worker_hears_of_the_cancellation_has_succeeded(self, store: Store) -> None:
        job = store.run()
        store.write(lifecycle.cancel(store.job(job.id), "m"))
        assert store.settle(job) == "applied"
        assert seen(store, job.id) == {"succeeded"}
        assert not store.job(job.id).stop

    def test_a_finished_job_cannot_be_cancelled(self, store: Store) -> None:
        with pytest.raises(Conflict, match="finished job"):
            lifecycle.cancel(store.job(store.finish()), "m")

    def test_a_removed_job_is_gone_for_every_reader(self, store: Store) -> None:
        ids = [store.add(delay=10), store.finish("succeeded"), store.finish("permanent"), store.add()]
        for id in ids:
            assert store.write(lifecycle.remove(store.job(id), "m" + id)) == "applied"
        assert all(store.gone(id) and store.backend.find(id) is None for id in ids)
        assert set(store.counts().states.values()) == {0}
        store.clock.advance(10)
        assert store.claim() == []

    def test_an_operators_change_of_a_job_that_moved_on_is_lost_and_changes_nothing(self, store: Store) -> None:
        old = store.job(store.add(delay=1_000))
        store.write(lifecycle.promote(old, "m1"))
        promoted = store.job(old.id)
        for change in (lifecycle.promote(old, "m2"), lifecycle.cancel(old, "m3"), lifecycle.remove(old, "m4")):
            assert store.write(change) == "lost"
        assert store.job(old.id) == promoted

    def test_an_operators_change_sent_again_is_answered_already(self, store: Store) -> None:
        change = lifecycle.promote(store.job(store.add(delay=1_000)), "m1")
        assert [store.write(change), store.write(change)] == ["applied", "already"]

    def test_an_operators_removal_sent_again_is_answered_already(self, store: Store) -> None:
        change = lifecycle.remove(store.job(store.add()), "m1")
        assert [store.write(change), store.write(change)] == ["applied", "already"]
