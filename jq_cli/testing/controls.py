"""Section 14: pause and max_running, judged inside the claim."""

from jq_cli import lifecycle
from jq_cli.backends.base import Controls
from jq_cli.testing.store import Store


class ControlsTests:
    """What an operator sets on a queue."""

    def test_a_queue_without_settings_has_no_controls(self, store: Store) -> None:
        store.add()
        assert store.counts().controls == Controls()
        assert store.counts("never").controls == Controls()

    def test_a_paused_queue_hands_out_nothing(self, store: Store) -> None:
        store.add()
        store.control(paused=True)
        assert store.claim() == []
        assert store.count("ready") == 1

    def test_a_pause_says_who_and_why(self, store: Store) -> None:
        controls = store.control(paused=True, reason="deploy", by="ada")
        assert (controls.paused, controls.paused_reason, controls.paused_by) == (True, "deploy", "ada")
        assert store.counts().controls == controls

    def test_a_resumed_queue_hands_out_again(self, store: Store) -> None:
        id = store.add()
        store.control(paused=True, reason="x")
        assert store.control(paused=False) == Controls()
        assert store.take().id == id

    def test_a_paused_queue_still_takes_jobs_and_outcomes(self, store: Store) -> None:
        job = store.run()
        store.control(paused=True)
        assert store.consumer().extend([job]) == ["held"]
        assert store.settle(job) == "applied"
        store.add()
        assert (store.count("succeeded"), store.count("ready")) == (1, 1)

    def test_a_pause_ends_by_itself_at_its_moment(self, store: Store) -> None:
        id = store.add()
        controls = store.control(paused=True, pause_for=1_000)
        assert controls.paused_until == store.clock.now + 1_000
        store.clock.advance(999)
        assert store.claim() == []
        store.clock.advance(1)
        assert store.take().id == id

    def test_a_pause_may_be_prolonged_without_end(self, store: Store) -> None:
        store.add()
        store.control(paused=True, pause_for=1_000)
        store.control(paused=True)
        store.clock.advance(1_000_000)
        assert store.claim() == []

    def test_a_pause_holds_back_jobs_that_become_due(self, store: Store) -> None:
        store.add(delay=100)
        store.control(paused=True)
        store.clock.advance(100)
        assert store.claim() == []
        assert store.count("ready") == 1

    def test_a_pause_holds_back_jobs_that_come_back(self, store: Store) -> None:
        job = store.run()
        store.control(paused=True)
        store.write(lifecycle.release(job))
        assert store.claim() == []

    def test_a_pause_concerns_its_queue_only(self, store: Store) -> None:
        store.add(queue="a")
        id = store.add(queue="b")
        store.control("a", paused=True)
        assert [job.id for job in store.claim(10, queues=("a", "b"))] == [id]

    def test_a_pause_holds_for_every_handle(self, store: Store) -> None:
        store.add()
        other = store.another()
        store.control(paused=True)
        assert other.counts(["q"])[0].controls.paused
        store.control(paused=False)
        assert not other.counts(["q"])[0].controls.paused
        if other is not store.backend:
            other.close()

    def test_max_running_limits_how_many_run_at_once(self, store: Store) -> None:
        ids = [store.add() for _ in range(5)]
        assert store.control(max_running=2).max_running == 2
        assert [job.id for job in store.claim(10)] == ids[:2]
        assert store.claim(10, worker="w2") == []

    def test_max_running_counts_over_all_workers(self, store: Store) -> None:
        for _ in range(4):
            store.add()
        store.control(max_running=3)
        assert len(store.claim(2, worker="w1")) == 2
        assert len(store.claim(2, worker="w2")) == 1

    def test_a_settled_released_or_lost_job_makes_room(self, store: Store) -> None:
        for _ in range(9):
            store.add()
        store.control(max_running=1)
        store.settle(store.take())
        store.settle(store.take(), "failed", error="x")
        store.write(lifecycle.release(store.take()))
        store.expire_lease(store.take())
        assert len(store.claim(10)) == 1

    def test_a_lease_that_ran_out_still_counts_as_running(self, store: Store) -> None:
        store.add()
        store.add()
        store.control(max_running=1)
        store.take()
        store.clock.advance(1_000_000)
        assert store.claim() == []

    def test_max_running_below_what_runs_hands_out_nothing_and_stops_nothing(self, store: Store) -> None:
        for _ in range(4):
            store.add()
        jobs = store.claim(3)
        store.control(max_running=2)
        assert store.claim() == []
        store.settle(jobs[0])
        assert store.claim() == []
        store.settle(jobs[1])
        assert len(store.claim(10)) == 1

    def test_max_running_zero_is_no_limit(self, store: Store) -> None:
        for _ in range(4):
            store.add()
        store.control(max_running=1)
        store.control(max_running=0)
        assert len(store.claim(10)) == 4

    def test_max_running_concerns_its_queue_only_and_lets_the_next_queue_go_on(self, store: Store) -> None:
        for queue in ("a", "a", "b"):
            store.add(queue=queue)
        store.control("a", max_running=1)
        assert [job.queue for job in store.claim(10, queues=("a", "b"))] == ["a", "b"]

    def test_a_setting_leaves_the_other_fields_as_they_are(self, store: Store) -> None:
        store.control(max_running=3)
        store.control(paused=True, reason="x")
        assert store.control(max_running=4).paused_reason == "x"
        assert store.control(paused=False).max_running == 4

    def test_controls_survive_a_new_handle(self, store: Store) -> None:
        store.control(paused=True, by="ada", max_running=7)
        other = store.another()
        assert other.counts(["q"])[0].controls == store.counts().controls
        if other is not store.backend:
            other.close()
