"""Section 8: failures, retries, snoozes and the errors that stay with a job; and expiry."""

from jq_cli.job import MAX_ERRORS, Backoff
from jq_cli.testing.store import Store, raw


def waits(store: Store, backoff: Backoff, times: int) -> list[int]:
    """The delays in ms before so many retries."""
    store.add(backoff=backoff, max_retries=times)
    delays = []
    for _ in range(times):
        job = store.take()
        store.settle(job, "failed", error="x")
        delays.append(store.job(job.id).ready_at - store.clock.now)
        store.clock.advance(delays[-1])
    store.settle(store.take())
    return delays


class FailingTests:
    """What a failure leads to."""

    def test_the_delay_before_a_retry_grows_by_the_factor_up_to_the_cap(self, store: Store) -> None:
        assert waits(store, Backoff(), 4) == [1_000, 2_000, 4_000, 8_000]
        assert waits(store, Backoff(0.5, 3.0, 4.0), 4) == [500, 1_500, 4_000, 4_000]

    def test_base_zero_retries_at_once(self, store: Store) -> None:
        job = store.run(backoff=Backoff(base=0.0))
        store.settle(job, "failed", error="x")
        assert store.state(job.id) == "ready"
        assert store.take().id == job.id

    def test_a_retry_is_not_handed_out_a_millisecond_before_its_moment(self, store: Store) -> None:
        job = store.run()
        store.settle(job, "failed", error="x")
        store.clock.advance(999)
        assert store.claim() == []
        store.clock.advance(1)
        assert store.take().id == job.id

    def test_a_handler_may_ask_for_a_longer_delay_than_the_backoff(self, store: Store) -> None:
        job = store.run()
        store.settle(job, "failed", error="x", delay=30_000)
        assert store.job(job.id).ready_at == store.clock.now + 30_000

    def test_more_failures_than_max_retries_are_death(self, store: Store) -> None:
        store.add(max_retries=2, backoff=Backoff(base=0.0))
        for _ in range(3):
            job = store.take()
            store.settle(job, "failed", error="x")
        dead = store.job(job.id)
        assert (dead.state, dead.reason, dead.failures, dead.finished_at) == ("dead", "retries", 3, store.clock.now)
        assert (store.total("failed"), store.total("dead")) == (3, 1)
        assert store.claim() == []

    def test_max_retries_zero_means_the_first_failure_is_the_last(self, store: Store) -> None:
        job = store.run(max_retries=0)
        store.settle(job, "failed", error="x")
        assert store.job(job.id).reason == "retries"

    def test_a_dead_job_is_in_the_dlq_once(self, store: Store) -> None:
        job = store.run(max_retries=0)
        change = store.outcome(job, "failed", error="x")
        store.write(change)
        store.write(change)
        assert (store.ids("dead"), store.count("dead"), store.total("dead")) == ([job.id], 1, 1)

    def test_a_permanent_failure_is_dead_at_once(self, store: Store) -> None:
        job = store.run(max_retries=9)
        store.settle(job, "permanent", error="bad address")
        dead = store.job(job.id)
        assert (dead.state, dead.reason, dead.failures, dead.last_error) == ("dead", "permanent", 1, "bad address")

    def test_a_payload_the_handler_cannot_read_is_dead_as_undecodable(self, store: Store) -> None:
        job = store.run()
        store.settle(job, "undecodable", error="no such field")
        assert store.job(job.id).reason == "undecodable"

    def test_a_snooze_runs_again_later_and_counts_no_failure(self, store: Store) -> None:
        job = store.run(max_retries=0)
        for _ in range(3):
            assert store.settle(job, "snoozed", delay=5_000) == "applied"
            assert (store.state(job.id), store.job(job.id).failures) == ("scheduled", 0)
            store.clock.advance(5_000)
            job = store.take()
        assert (store.total("failed"), job.generation, job.attempt) == (0, 4, 1)

    def test_a_retried_job_is_nobodys(self, store: Store) -> None:
        job = store.run()
        store.settle(job, "failed", error="x")
        got = store.job(job.id)
        assert (got.owner, got.token, got.lease_until, got.finished_at) == (None, None, None, None)
        assert store.backend.held("w1") == []

    def test_an_error_is_kept_with_its_time_execution_and_worker(self, store: Store) -> None:
        job = store.run()
        store.clock.advance(70)
        store.settle(job, "failed", error="Traceback\n\u00fc\x1b[31m")
        (entry,) = store.job(job.id).errors
        assert (entry.at, entry.generation, entry.worker, entry.kind) == (store.clock.now, 1, "w1", "failed")
        assert entry.error == store.job(job.id).last_error == "Traceback\n\u00fc\x1b[31m"

    def test_the_last_ten_errors_are_kept(self, store: Store) -> None:
        store.add(max_retries=20, backoff=Backoff(base=0.0))
        for n in range(MAX_ERRORS + 3):
            job = store.take()
            store.settle(job, "failed", error=f"e{n}")
        kept = store.job(job.id)
        assert [entry.error for entry in kept.errors] == [f"e{n}" for n in range(3, MAX_ERRORS + 3)]
        assert (kept.failures, kept.last_error) == (MAX_ERRORS + 3, f"e{MAX_ERRORS + 2}")

    def test_failures_and_losses_are_counted_apart(self, store: Store) -> None:
        job = store.run(backoff=Backoff(base=0.0))
        store.settle(job, "failed", error="x")
        store.expire_lease(store.take())
        got = store.job(job.id)
        assert (got.failures, got.losses, got.attempt, [entry.kind for entry in got.errors]) == (
            1,
            1,
            3,
            ["failed", "lost"],
        )

    def test_a_result_is_kept_as_it_was_reported(self, store: Store) -> None:
        values: tuple[object, ...] = (None, 0, [], {"a": [1, {"b": "\u00fc"}]}, "x" * 60_000)
        for value in values:
            job = store.run()
            store.settle(job, result=raw(value))
            assert store.job(job.id).result == raw(value)

    def test_a_success_after_failures_keeps_the_history(self, store: Store) -> None:
        job = store.run(backoff=Backoff(base=0.0))
        store.settle(job, "failed", error="x")
        store.settle(store.take())
        done = store.job(job.id)
        assert (done.state, done.failures, len(done.errors)) == ("succeeded", 1, 1)

    def test_a_job_that_was_not_started_in_time_is_dead_as_expired(self, store: Store) -> None:
        ids = [store.add(expires_in=1_000), store.add(expires_in=1_000, delay=5_000)]
        store.clock.advance(1_000)
        assert store.tick() == 2
        assert [store.job(id).reason for id in ids] == ["expired", "expired"]
        assert sorted(store.ids("dead")) == sorted(ids)
        assert (store.total("dead"), store.total("failed")) == (2, 0)

    def test_a_job_does_not_expire_a_millisecond_early(self, store: Store) -> None:
        id = store.add(expires_in=1_000)
        store.clock.advance(999)
        assert store.tick() == 0
        assert [job.id for job in store.consumer().claim(["q"])] == [id]

    def test_an_expired_job_is_not_started_even_if_no_tick_came(self, store: Store) -> None:
        expired, good = store.add(expires_in=1_000), store.add()
        store.clock.advance(1_000)
        assert [job.id for job in store.consumer().claim(["q"])] == [good]
        assert store.job(expired).reason == "expired"

    def test_a_job_that_was_started_in_time_does_not_expire_while_it_runs(self, store: Store) -> None:
        job = store.run(expires_in=1_000)
        store.clock.advance(5_000)
        assert store.tick() == 0
        assert store.settle(job) == "applied"

    def test_a_job_that_waits_again_expires_at_its_moment(self, store: Store) -> None:
        job = store.run(expires_in=1_500)
        store.settle(job, "failed", error="x")
        store.clock.advance(1_500)
        assert store.tick() == 1
        assert store.job(job.id).reason == "expired"

    def test_an_expired_job_at_the_head_does_not_hide_the_next(self, store: Store) -> None:
        for _ in range(5):
            store.add(expires_in=100, priority=9)
        good = store.add()
        store.clock.advance(100)
        assert [job.id for job in store.consumer().claim(["q"], 2)] == [good]
        assert store.count("dead") == 5
