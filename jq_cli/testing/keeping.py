"""Section 10: how long finished jobs stay, what the DLQ keeps, and totals that survive everything."""

from msgspec.structs import replace

from jq_cli import lifecycle
from jq_cli.job import Backoff
from jq_cli.testing.store import Store


class KeepingTests:
    """What stays, and for how long."""

    def test_a_succeeded_job_stays_for_an_hour(self, store: Store) -> None:
        id = store.finish()
        store.clock.advance(3_599_999)
        assert (store.tick(), store.state(id)) == (0, "succeeded")
        store.clock.advance(1)
        assert (store.tick(), store.gone(id)) == (1, True)

    def test_a_cancelled_job_stays_for_an_hour(self, store: Store) -> None:
        id = store.add()
        store.write(lifecycle.cancel(store.job(id), "m"))
        store.clock.advance(3_599_999)
        assert (store.tick(), store.state(id)) == (0, "cancelled")
        store.clock.advance(1)
        assert (store.tick(), store.gone(id)) == (1, True)

    def test_a_queue_may_keep_its_finished_jobs_longer_or_shorter(self, store: Store) -> None:
        store.keep(retention=2.5)
        id = store.finish()
        store.clock.advance(2_499)
        assert store.tick() == 0
        store.clock.advance(1)
        assert (store.tick(), store.gone(id)) == (1, True)

    def test_the_last_so_many_finished_jobs_stay(self, store: Store) -> None:
        store.keep(count=3)
        ids = []
        for _ in range(5):
            ids.append(store.finish())
            store.clock.advance(1)
        assert store.ids("succeeded") == ids[2:]
        assert store.total("succeeded") == 5

    def test_of_jobs_finished_in_one_millisecond_those_with_greater_ids_stay(self, store: Store) -> None:
        store.keep(count=2)
        ids = [store.add() for _ in range(4)]
        jobs = store.claim(4)
        for n in (2, 0, 3, 1):
            store.settle(jobs[n])
        assert store.ids("succeeded") == ids[2:]

    def test_the_count_holds_within_one_batch(self, store: Store) -> None:
        store.keep(count=2)
        ids = [store.add() for _ in range(6)]
        verdicts = store.backend.replace([store.outcome(job) for job in store.claim(6)])
        assert verdicts == ["applied"] * 6
        assert store.ids("succeeded") == ids[4:]

    def test_of_different_counts_in_one_batch_the_least_holds(self, store: Store) -> None:
        ids = [store.add() for _ in range(6)]
        changes = []
        for job, count in zip(store.claim(6), (5, 5, 2, 4, 4, 3), strict=True):
            store.keep(count=count)
            changes.append(store.outcome(job))
        assert store.backend.replace(changes) == ["applied"] * 6
        assert store.ids("succeeded") == ids[4:]

    def test_succeeded_and_cancelled_jobs_are_counted_together(self, store: Store) -> None:
        store.keep(count=2)
        first = store.finish()
        store.clock.advance(1)
        second = store.add()
        store.write(lifecycle.cancel(store.job(second), "m", store.keeping))
        store.clock.advance(1)
        third = store.finish()
        assert store.gone(first)
        assert (store.ids("cancelled"), store.ids("succeeded")) == ([second], [third])

    def test_the_count_is_per_queue(self, store: Store) -> None:
        store.keep(count=1)
        ids = [store.finish(queue=queue) for queue in ("a", "b")]
        assert [store.state(id, queue) for id, queue in zip(ids, "ab", strict=True)] == ["succeeded", "succeeded"]

    def test_removed_jobs_no_longer_count(self, store: Store) -> None:
        store.keep(count=2)
        first, second = store.finish(), store.finish()
        store.write(lifecycle.remove(store.job(second), "m"))
        last = store.finish()
        assert store.ids("succeeded") == [first, last]

    def test_a_lower_count_takes_hold_with_the_next_finished_job(self, store: Store) -> None:
        for _ in range(5):
            store.finish()
            store.clock.advance(1)
        store.keep(count=2)
        last = store.finish()
        assert store.count("succeeded") == 2
        assert last in store.ids("succeeded")

    def test_retention_zero_removes_at_once(self, store: Store) -> None:
        store.keep(retention=0.0)
        id = store.finish()
        assert (store.gone(id), store.count("succeeded"), store.total("succeeded")) == (True, 0, 1)
        assert store.backend.outputs("q", [id]) == [None]

    def test_count_zero_removes_at_once(self, store: Store) -> None:
        store.keep(count=0)
        assert store.gone(store.finish())

    def test_a_job_with_its_own_retention_is_kept_for_that_long(self, store: Store) -> None:
        store.keep(retention=0.0)
        id = store.finish(retention=90.0)
        store.clock.advance(89_999)
        assert (store.tick(), store.state(id)) == (0, "succeeded")
        store.clock.advance(1)
        assert (store.tick(), store.gone(id)) == (1, True)

    def test_a_job_with_its_own_retention_is_outside_the_count(self, store: Store) -> None:
        store.keep(count=1)
        own = store.finish(retention=90.0)
        store.clock.advance(1)
        first = store.finish()
        store.clock.advance(1)
        last = store.finish()
        assert store.gone(first)
        assert store.ids("succeeded") == [own, last]

    def test_a_refused_outcome_removes_nothing(self, store: Store) -> None:
        ids = [store.finish() for _ in range(3)]
        job = store.run()
        store.expire_lease(job)
        store.keep(count=1)
        assert store.settle(job) == "lost"
        assert store.ids("succeeded") == ids

    def test_a_refused_outcome_removes_nothing_beside_one_of_another_queue(self, store: Store) -> None:
        ids = [store.finish() for _ in range(3)]
        late = store.run()
        store.expire_lease(late)
        other = store.run(queue="other")
        store.keep(count=1)
        assert store.backend.replace([store.outcome(late), store.outcome(other)]) == ["lost", "applied"]
        assert store.ids("succeeded") == ids

    def test_the_count_of_a_refused_outcome_does_not_hold_beside_another_outcome(self, store: Store) -> None:
        ids = [store.finish() for _ in range(3)]
        last = store.add()
        store.add()
        job, other = store.claim(2)
        store.keep(count=1)
        refused = replace(store.outcome(other), expect="1.other")
        store.keep(count=3)
        assert store.backend.replace([store.outcome(job), refused]) == ["applied", "lost"]
        assert store.ids("succeeded") == [*ids[1:], last]

    def test_dead_jobs_stay_for_ever(self, store: Store) -> None:
        id = store.finish("permanent", retention=1.0)
        store.clock.advance(10 * 366 * 86_400_000)
        assert (store.tick(), store.state(id)) == (0, "dead")

    def test_dead_jobs_are_outside_the_count(self, store: Store) -> None:
        store.keep(count=1)
        dead = [store.finish("permanent") for _ in range(3)]
        store.finish()
        assert store.ids("dead") == dead

    def test_dead_jobs_go_after_the_dlq_retention_an_operator_set(self, store: Store) -> None:
        store.keep(dlq_retention=5.0)
        id = store.finish("permanent")
        store.clock.advance(4_999)
        assert store.tick() == 0
        store.clock.advance(1)
        assert (store.tick(), store.gone(id)) == (1, True)

    def test_a_requeued_job_starts_over_in_its_priority_with_its_history(self, store: Store) -> None:
        job = store.run(priority=4, max_retries=0, expires_in=5_000)
        store.expire_lease(job)
        store.settle(store.take(), "failed", error="boom")
        store.clock.advance(100_000)
        assert store.write(lifecycle.requeue(store.job(job.id), "m")) == "applied"
        got = store.job(job.id)
        assert (got.state, got.priority, got.ready_at) == ("ready", 4, store.clock.now)
        assert (got.failures, got.losses, got.expires_at, got.reason, got.finished_at) == (0, 0, None, None, None)
        assert ([entry.kind for entry in got.errors], got.last_error) == (["lost", "failed"], "boom")
        assert store.tick() == 0

    def test_a_requeued_job_gets_all_its_retries_again(self, store: Store) -> None:
        store.add(max_retries=1, backoff=Backoff(base=0.0))
        for _ in range(2):
            job = store.take()
            store.settle(job, "failed", error="x")
        store.write(lifecycle.requeue(store.job(job.id), "m"))
        store.settle(store.take(), "failed", error="x")
        assert store.state(job.id) == "ready"

    def test_a_requeued_job_is_not_forgotten_when_its_old_retention_ends(self, store: Store) -> None:
        store.keep(dlq_retention=5.0)
        id = store.finish("permanent")
        store.write(lifecycle.requeue(store.job(id), "m"))
        store.clock.advance(5_000)
        assert (store.tick(), store.state(id)) == (0, "ready")

    def test_a_job_that_dies_again_stays_by_the_policy_of_its_second_death(self, store: Store) -> None:
        store.keep(dlq_retention=5.0)
        id = store.finish("permanent")
        store.write(lifecycle.requeue(store.job(id), "m"))
        store.keep()
        store.settle(store.take(), "permanent", error="x")
        store.clock.advance(10_000_000)
        assert (store.tick(), store.state(id)) == (0, "dead")

    def test_an_operator_may_purge_the_dlq(self, store: Store) -> None:
        ids = [store.finish("permanent") for _ in range(3)]
        changes = [lifecycle.remove(store.job(id), f"m{id}") for id in ids]
        assert store.backend.replace(changes) == ["applied"] * 3
        assert (store.ids("dead"), store.total("dead")) == ([], 3)

    def test_totals_count_every_step_once(self, store: Store) -> None:
        store.finish()
        store.finish("permanent")
        store.expire_lease(store.run(queue="q", priority=9))
        store.settle(store.take(), "failed", error="x")
        store.add(dedup_key="k")
        store.offer(dedup_key="k")
        wanted = {"enqueued": 4, "succeeded": 1, "failed": 2, "dead": 1, "recovered": 1, "duplicates": 1}
        assert store.counts().totals == wanted

    def test_totals_survive_all_removals(self, store: Store) -> None:
        store.keep(retention=0.0)
        for _ in range(3):
            store.finish()
        store.tick()
        assert (store.total("enqueued"), store.total("succeeded")) == (3, 3)
        assert set(store.counts().states.values()) == {0}

    def test_a_queue_exists_once_it_was_used_even_when_it_is_empty(self, store: Store) -> None:
        store.keep(retention=0.0)
        store.finish(queue="used")
        store.control("controlled", max_running=2)
        assert store.backend.queues() == ["controlled", "used"]
        assert [counts.queue for counts in store.backend.counts()] == ["controlled", "used"]

    def test_looking_makes_no_queue(self, store: Store) -> None:
        store.counts("a")
        store.ids("ready", "b")
        store.claim(queues=("c",))
        store.backend.get("d", ["0" * 26])
        job = store.run()
        store.write(replace(store.outcome(job), queue="e"))
        assert store.backend.queues() == ["q"]

    def test_the_output_goes_with_its_job(self, store: Store) -> None:
        job = store.run()
        store.settle(job, output=b'"text"')
        store.clock.advance(3_600_000)
        store.tick()
        assert store.backend.outputs("q", [job.id]) == [None]
