"""Section 4: jobs leave by (priority descending, ready_at ascending, id ascending), and come back to their old places."""

from jq_cli import lifecycle
from jq_cli.ids import new_id
from jq_cli.job import Backoff
from jq_cli.testing.store import Store


def drained(store: Store, *queues: str) -> list[str]:
    """The ids of all jobs that can be claimed, in the order in which they are handed out one by one."""
    ids: list[str] = []
    while jobs := store.claim(1, queues=queues or ("q",)):
        ids += [job.id for job in jobs]
    return ids


class OrderTests:
    """Who goes first."""

    def test_higher_priority_leaves_first(self, store: Store) -> None:
        priorities = [0, 1_000, -1_000, 5, -1, 1]
        ids = {priority: store.add(priority=priority) for priority in priorities}
        assert drained(store) == [ids[priority] for priority in (1_000, 5, 1, 0, -1, -1_000)]

    def test_priority_wins_over_any_age(self, store: Store) -> None:
        old = store.add(priority=0)
        store.clock.advance(366 * 86_400_000)
        new = store.add(priority=1)
        assert drained(store) == [new, old]

    def test_of_equal_priority_the_one_ready_earlier_leaves_first(self, store: Store) -> None:
        late_id_first = [new_id() for _ in range(3)]
        for id in reversed(late_id_first):
            store.add(id=id)
            store.clock.advance(1)
        assert drained(store) == late_id_first[::-1]

    def test_one_millisecond_of_readiness_decides_at_every_priority(self, store: Store) -> None:
        for priority in (-1_000, -999, -1, 0, 1, 999, 1_000):
            second, first = new_id(), new_id()
            store.add(id=first, priority=priority, queue="p")
            store.clock.advance(1)
            store.add(id=second, priority=priority, queue="p")
            assert drained(store, "p") == [first, second]

    def test_of_jobs_ready_in_one_millisecond_the_smaller_id_leaves_first(self, store: Store) -> None:
        ids = [new_id() for _ in range(5)]
        for id in (ids[3], ids[0], ids[4], ids[2], ids[1]):
            store.add(id=id)
        assert drained(store) == ids

    def test_ten_thousand_jobs_of_one_millisecond_leave_in_the_order_in_which_they_were_enqueued(
        self, store: Store
    ) -> None:
        number, batch = store.many(10_000), store.many(1_000)
        drafts = [store.draft(b"%d" % n) for n in range(number)]
        for start in range(0, number, batch):
            store.insert(*drafts[start : start + batch])
        claimed: list[bytes] = []
        while jobs := store.claim(batch):
            claimed += [job.payload for job in jobs]
        assert claimed == [b"%d" % n for n in range(number)]

    def test_a_batch_is_handed_out_in_the_same_order_as_one_by_one(self, store: Store) -> None:
        ids = [store.add(priority=n % 3) for n in range(12)]
        assert [job.id for job in store.claim(12)] == ids[2::3] + ids[1::3] + ids[0::3]

    def test_a_delayed_job_competes_by_the_moment_its_delay_ended(self, store: Store) -> None:
        delayed = store.add(delay=100)
        store.clock.advance(101)
        later = store.add()
        store.clock.advance(500)
        assert drained(store) == [delayed, later]

    def test_a_delayed_job_does_not_pass_one_that_was_ready_before_its_delay_ended(self, store: Store) -> None:
        delayed = store.add(delay=100)
        store.clock.advance(99)
        earlier = store.add()
        store.clock.advance(500)
        assert drained(store) == [earlier, delayed]

    def test_it_makes_no_difference_when_somebody_looked(self, store: Store) -> None:
        first, second = store.add(delay=100), store.add(delay=50)
        store.clock.advance(60)
        assert store.ids("ready") == [second]
        store.clock.advance(60)
        assert store.count("ready") == 2
        third = store.add()
        assert drained(store) == [second, first, third]

    def test_a_due_job_of_high_priority_is_never_passed_by_ready_ones(self, store: Store) -> None:
        store.add(priority=1)
        urgent = store.add(priority=2, delay=100)
        store.clock.advance(100)
        assert store.take().id == urgent

    def test_a_due_job_of_high_priority_is_never_passed_by_thousands_of_due_ones(self, store: Store) -> None:
        store.insert(*[store.draft(delay=50) for _ in range(store.many(2_500))])
        urgent = store.add(priority=1, delay=60)
        store.clock.advance(60)
        assert store.take().id == urgent

    def test_a_claim_takes_from_several_queues_strictly_in_the_order_given(self, store: Store) -> None:
        second, first = store.add(queue="b", priority=1_000), store.add(queue="a", priority=-1_000)
        assert drained(store, "a", "b") == [first, second]

    def test_a_claim_fills_up_from_the_second_queue_when_the_first_is_empty(self, store: Store) -> None:
        a, b = [store.add(queue="a") for _ in range(2)], [store.add(queue="b") for _ in range(3)]
        assert [job.id for job in store.claim(4, queues=("a", "none", "b"))] == a + b[:2]

    def test_a_released_job_returns_to_its_old_place(self, store: Store) -> None:
        ids = [store.add(priority=1) for _ in range(3)]
        first = store.take()
        store.clock.advance(10)
        store.add(priority=1)
        store.write(lifecycle.release(first))
        assert (store.job(first.id).priority, store.job(first.id).ready_at) == (1, first.ready_at)
        assert drained(store)[:3] == ids

    def test_an_interrupted_job_returns_to_its_old_place(self, store: Store) -> None:
        ids = [store.add(priority=1) for _ in range(2)]
        first = store.take()
        store.clock.advance(10)
        store.settle(first, "interrupted")
        assert drained(store) == ids

    def test_a_job_whose_lease_ended_returns_to_its_old_place(self, store: Store) -> None:
        ids = [store.add(priority=priority) for priority in (1, 1, 0)]
        first = store.take()
        store.expire_lease(first)
        assert (store.job(first.id).priority, store.job(first.id).ready_at) == (1, first.ready_at)
        assert drained(store) == ids

    def test_a_job_whose_worker_was_lost_returns_to_its_old_place(self, store: Store) -> None:
        ids = [store.add(priority=1) for _ in range(2)]
        store.take(worker="gone")
        store.clock.advance(10)
        assert store.consumer().recover("gone") == 1
        assert drained(store) == ids

    def test_a_retried_job_takes_the_moment_of_its_retry(self, store: Store) -> None:
        job = store.run(backoff=Backoff(1.0, 2.0, 60.0, 0.0))
        store.settle(job, "failed", error="x")
        store.clock.advance(999)
        before = store.add()
        store.clock.advance(2)
        after = store.add()
        assert drained(store) == [before, job.id, after]

    def test_a_snoozed_job_takes_the_moment_its_snooze_ends(self, store: Store) -> None:
        job = store.run()
        store.settle(job, "snoozed", delay=500)
        assert store.job(job.id).ready_at == store.clock.now + 500
        before = store.add()
        store.clock.advance(501)
        after = store.add()
        assert drained(store) == [before, job.id, after]

    def test_a_retried_job_keeps_its_priority(self, store: Store) -> None:
        job = store.run(priority=7, backoff=Backoff(base=0.0))
        store.settle(job, "failed", error="x")
        assert store.job(job.id).priority == 7
        store.add(priority=6)
        assert store.take().id == job.id
