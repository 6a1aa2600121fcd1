"""Section 5: at least once, and at most once."""

from typing import Any

from jq_cli import lifecycle
from jq_cli.job import Backoff, Job
from jq_cli.testing.store import Store


def once(store: Store, **fields: Any) -> Job:
    """A running at_most_once job."""
    return store.run(delivery="at_most_once", **fields)


def dead_for(store: Store, job: Job, reason: str) -> bool:
    """Whether the job is in the DLQ with this reason and nobody gets it any more."""
    store.clock.advance(10_000_000)
    store.tick()
    return store.ids("dead") == [job.id] and store.job(job.id).reason == reason and store.claim() == []


class DeliveryTests:
    """How often a job may start."""

    def test_an_at_least_once_job_runs_until_it_succeeds(self, store: Store) -> None:
        job = store.run(backoff=Backoff(base=0.0))
        store.settle(job, "failed", error="x")
        store.expire_lease(store.take())
        assert store.settle(store.take()) == "applied"
        assert store.state(job.id) == "succeeded"
        assert store.claim() == []

    def test_an_at_most_once_job_that_succeeds_is_succeeded(self, store: Store) -> None:
        job = once(store)
        assert store.settle(job) == "applied"
        assert store.state(job.id) == "succeeded"

    def test_an_at_most_once_job_that_fails_is_dead_whatever_its_retries(self, store: Store) -> None:
        job = once(store, max_retries=5)
        store.settle(job, "failed", error="boom")
        assert (store.job(job.id).failures, store.job(job.id).last_error) == (1, "boom")
        assert dead_for(store, job, "at_most_once")

    def test_an_at_most_once_job_that_is_interrupted_is_dead(self, store: Store) -> None:
        job = once(store)
        store.settle(job, "interrupted")
        assert dead_for(store, job, "interrupted")

    def test_an_at_most_once_job_that_snoozes_is_dead(self, store: Store) -> None:
        job = once(store)
        store.settle(job, "snoozed", delay=10)
        assert dead_for(store, job, "snoozed")

    def test_an_at_most_once_job_whose_lease_ends_is_dead(self, store: Store) -> None:
        job = once(store, max_losses=5)
        store.expire_lease(job)
        assert store.job(job.id).losses == 1
        assert dead_for(store, job, "at_most_once")

    def test_an_at_most_once_job_whose_worker_is_lost_is_dead(self, store: Store) -> None:
        job = once(store)
        assert store.consumer().recover("w1") == 1
        assert dead_for(store, job, "at_most_once")

    def test_an_at_most_once_job_whose_child_died_is_dead(self, store: Store) -> None:
        job = once(store)
        assert store.write(store.consumer().lose(job, "child killed")) == "applied"
        assert dead_for(store, job, "at_most_once")

    def test_an_at_most_once_job_that_was_not_started_may_be_given_back(self, store: Store) -> None:
        job = once(store)
        assert store.write(lifecycle.release(job)) == "applied"
        assert store.take().id == job.id

    def test_only_an_operators_requeue_runs_an_at_most_once_job_again(self, store: Store) -> None:
        job = once(store)
        store.settle(job, "failed", error="x")
        assert dead_for(store, job, "at_most_once")
        store.write(lifecycle.requeue(store.job(job.id), "m"))
        again = store.take()
        assert (again.id, again.delivery) == (job.id, "at_most_once")

    def test_an_at_most_once_job_is_never_fetched_ahead(self, store: Store) -> None:
        plain, single = store.add(), store.add(delivery="at_most_once")
        assert [job.id for job in store.claim(2, idle=1)] == [plain]
        assert [job.id for job in store.claim(2, idle=0)] == []
        assert [job.id for job in store.claim(2, idle=1)] == [single]

    def test_a_claim_ends_before_an_at_most_once_job_that_cannot_start_at_once(self, store: Store) -> None:
        ids = [store.add(), store.add(delivery="at_most_once"), store.add()]
        other = store.add(queue="other", priority=9)
        assert [job.id for job in store.claim(10, queues=("q", "other"), idle=1)] == ids[:1]
        assert [job.id for job in store.claim(10, queues=("q", "other"), idle=1)] == [*ids[1:], other]

    def test_at_most_once_jobs_are_handed_out_to_as_many_as_are_idle(self, store: Store) -> None:
        ids = [store.add(delivery="at_most_once") for _ in range(4)]
        assert [job.id for job in store.claim(10, idle=3)] == ids[:3]
        assert store.count("ready") == 1

    def test_idle_counts_over_all_queues_of_a_claim(self, store: Store) -> None:
        first = store.add(queue="a")
        store.add(queue="b", delivery="at_most_once")
        assert [job.id for job in store.claim(10, queues=("a", "b"), idle=1)] == [first]

    def test_an_at_most_once_job_behind_a_delay_is_never_fetched_ahead(self, store: Store) -> None:
        store.add()
        store.add(delivery="at_most_once", delay=10, priority=-1)
        store.clock.advance(10)
        assert len(store.claim(10, idle=1)) == 1
