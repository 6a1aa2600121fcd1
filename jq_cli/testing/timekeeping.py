"""Section 12: only the store's clock decides; callers pass durations, answers carry its time."""

from jq_cli import lifecycle
from jq_cli.backends.base import Claim
from jq_cli.job import lease_of
from jq_cli.testing.store import Store


class TimekeepingTests:
    """Whose clock counts."""

    def test_every_answer_with_a_time_carries_the_stores_time(self, store: Store) -> None:
        job = store.run()
        for _ in range(2):
            answers = [
                store.backend.now(),
                store.backend.claim(Claim(("q",), 1, "w", 1_000, "n")).now,
                store.backend.turn([], Claim(("q",), 1, "w", 1_000, "n")).now,
                store.backend.extend([lease_of(job)], lease=1_000_000).now,
                store.backend.due(1).now,
                store.counts().now,
            ]
            assert answers == [store.clock.now] * 6
            store.clock.advance(12_345)

    def test_stored_moments_are_whole_milliseconds_of_the_stores_clock(self, store: Store) -> None:
        enqueued = store.clock.now
        id = store.add(delay=1, expires_in=86_400_000)
        store.clock.advance(1)
        claimed = store.clock.now
        job = store.take(lease=1_001)
        store.clock.advance(7)
        store.settle(job)
        done = store.job(id)
        assert (done.created_at, done.ready_at, done.expires_at) == (enqueued, enqueued + 1, enqueued + 86_400_000)
        assert (done.started_at, job.lease_until, done.finished_at) == (claimed, claimed + 1_001, claimed + 7)

    def test_a_workers_idea_of_the_time_decides_nothing(self, store: Store) -> None:
        job = store.run()
        wrong = store.clock.now + 10**9
        change = lifecycle.fail(job, "x", now=wrong, rand=0.0)
        assert store.write(change) == "applied"
        assert store.job(job.id).ready_at == store.clock.now + 1_000
        store.clock.advance(1_000)
        store.write(lifecycle.succeed(store.take(), lifecycle.Outcome("succeeded").result))
        assert store.job(job.id).finished_at == store.clock.now

    def test_the_longest_delay_is_kept_to_the_millisecond(self, store: Store) -> None:
        year = 366 * 86_400_000
        id = store.add(delay=year)
        store.clock.advance(year - 1)
        assert (store.state(id), store.claim()) == ("scheduled", [])
        store.clock.advance(1)
        assert store.take().id == id

    def test_a_long_lease_ends_at_its_moment(self, store: Store) -> None:
        store.add()
        store.take(lease=86_400_000)
        store.clock.advance(86_399_999)
        assert store.tick() == 0
        store.clock.advance(1)
        assert store.tick() == 1

    def test_a_clock_that_steps_back_loses_no_job(self, store: Store) -> None:
        ids = [store.add(), store.add(delay=100)]
        store.clock.advance(-5_000)
        assert [job.id for job in store.claim(10)] == ids[:1]
        store.clock.advance(5_100)
        assert [job.id for job in store.claim(10)] == ids[1:]
