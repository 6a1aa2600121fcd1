"""Section 7: dead workers, and the maintenance tick."""

import msgspec

from jq_cli.consumer import HEARTBEAT_VALID, PRUNE_AFTER, TICK_BATCH, WORKER_NOTE, read_registration
from jq_cli.job import Job
from jq_cli.testing.store import Store


def losing(store: Store, job: Job, times: int) -> None:
    """Lose the worker of a job so often, claiming it again in between."""
    for n in range(times):
        store.expire_lease(job)
        if n < times - 1:
            job = store.take()


class RecoveryTests:
    """What happens when a worker vanishes."""

    def test_a_lease_is_recovered_at_its_end_and_not_a_millisecond_before(self, store: Store) -> None:
        job = store.run()
        store.clock.advance(9_999)
        assert (store.tick(), store.state(job.id)) == (0, "running")
        store.clock.advance(1)
        assert (store.tick(), store.state(job.id)) == (1, "ready")

    def test_a_recovery_happens_once(self, store: Store) -> None:
        job = store.run()
        store.expire_lease(job)
        assert store.tick() == 0
        assert (store.job(job.id).losses, store.total("recovered")) == (1, 1)

    def test_a_recovery_counts_a_loss_and_not_a_failure(self, store: Store) -> None:
        job = store.run(max_retries=0)
        store.expire_lease(job)
        got = store.job(job.id)
        assert (got.losses, got.failures, got.attempt) == (1, 0, 2)
        assert (got.owner, got.token, got.lease_until, got.stop) == (None, None, None, False)
        assert store.total("failed") == 0

    def test_a_recovery_leaves_its_trace_in_the_history(self, store: Store) -> None:
        job = store.run()
        store.expire_lease(job)
        (entry,) = store.job(job.id).errors
        assert (entry.kind, entry.worker, entry.generation, entry.at) == ("lost", "w1", 1, store.clock.now)

    def test_a_job_that_loses_every_worker_is_poison(self, store: Store) -> None:
        job = store.run(max_losses=2)
        losing(store, job, 3)
        dead = store.job(job.id)
        assert (dead.state, dead.reason, dead.losses) == ("dead", "poison", 3)
        assert (store.total("recovered"), store.total("dead")) == (3, 1)
        assert store.ids("dead") == [job.id]
        assert store.claim() == []

    def test_a_job_may_be_lost_as_often_as_max_losses_says(self, store: Store) -> None:
        job = store.run(max_losses=2)
        losing(store, job, 2)
        assert store.state(job.id) == "ready"

    def test_max_losses_zero_means_the_first_loss_is_the_last(self, store: Store) -> None:
        job = store.run(max_losses=0)
        store.expire_lease(job)
        assert store.job(job.id).reason == "poison"

    def test_three_losses_are_forgiven_by_default(self, store: Store) -> None:
        job = store.run()
        losing(store, job, 4)
        assert (store.job(job.id).losses, store.job(job.id).reason) == (4, "poison")

    def test_a_settled_job_is_never_recovered(self, store: Store) -> None:
        job = store.run()
        store.settle(job)
        store.clock.advance(10_000)
        assert store.tick() == 0

    def test_a_child_that_died_loses_its_job_at_once(self, store: Store) -> None:
        job = store.run()
        assert store.write(store.consumer().lose(job, "killed by SIGKILL")) == "applied"
        got = store.job(job.id)
        assert (got.state, got.losses, got.last_error) == ("ready", 1, "killed by SIGKILL")

    def test_a_loss_reported_again_counts_once(self, store: Store) -> None:
        change = store.consumer().lose(store.run(), "killed")
        assert [store.write(change), store.write(change)] == ["applied", "already"]
        assert store.total("recovered") == 1

    def test_the_jobs_of_a_worker_known_to_be_gone_are_taken_at_once(self, store: Store) -> None:
        gone = [store.run(queue=queue).id for queue in ("a", "b")]
        store.add(queue="a")
        stays = store.take(queues=("a",), worker="w2")
        assert store.consumer("operator").recover("w1") == 2
        assert [store.state(id, queue) for id, queue in zip(gone, "ab", strict=True)] == ["ready", "ready"]
        assert store.job(stays.id, "a") == stays

    def test_a_restarted_worker_with_another_id_does_not_hold_its_predecessors_jobs(self, store: Store) -> None:
        job = store.run()
        assert store.backend.held("w1:again") == []
        assert store.consumer("w1:again").recover("w1:again") == 0
        assert [held.id for held in store.backend.held("w1")] == [job.id]

    def test_due_gives_the_earliest_first_and_no_more_than_asked(self, store: Store) -> None:
        jobs = []
        for lease in (300, 100, 200, 400):
            store.add()
            jobs += store.claim(1, lease=lease)
        store.clock.advance(300)
        due = store.backend.due(2)
        assert (due.now, [job.id for job in due.jobs]) == (store.clock.now, [jobs[1].id, jobs[2].id])
        assert [job.id for job in store.backend.due(10).jobs] == [jobs[1].id, jobs[2].id, jobs[0].id]

    def test_due_gives_each_row_as_it_is(self, store: Store) -> None:
        store.run(priority=4, headers={"a": "b"})
        store.clock.advance(10_000)
        assert store.backend.due(10).jobs == store.backend.page("q", "running").jobs

    def test_due_gives_nothing_that_is_not_due(self, store: Store) -> None:
        store.run()
        store.add(delay=1_000, expires_in=90_000)
        store.finish(retention=500)
        store.finish("permanent")
        store.clock.advance(499)
        assert store.backend.due(10).jobs == []

    def test_due_looks_at_every_queue(self, store: Store) -> None:
        ids = {store.run(queue=queue).id for queue in ("a", "b", "c")}
        store.clock.advance(10_000)
        assert {job.id for job in store.backend.due(10).jobs} == ids

    def test_a_tick_settles_more_than_one_batch(self, store: Store) -> None:
        number = TICK_BATCH + store.many(TICK_BATCH) + 10
        store.insert(*[store.draft() for _ in range(number)])
        while store.claim(1_000):
            pass
        store.clock.advance(10_000)
        assert store.tick() == number
        assert (store.count("ready"), store.count("running")) == (number, 0)

    def test_a_worker_registers_itself_and_renews_its_registration(self, store: Store) -> None:
        consumer, start = store.consumer("host:1:ab"), store.clock.now
        consumer.register(queues=("q",), processes=2)
        store.clock.advance(3_000)
        consumer.extend([])
        consumer.register(queues=("q",), processes=2, running=1)
        (note,) = store.backend.read(WORKER_NOTE).values()
        registration = read_registration(note)
        assert registration is not None
        assert (registration.id, registration.processes, registration.running) == ("host:1:ab", 2, 1)
        assert start <= registration.started_at < registration.seen_at
        consumer.unregister()
        assert store.backend.read(WORKER_NOTE) == {}

    def test_a_worker_is_dead_when_its_heartbeat_ran_out(self, store: Store) -> None:
        store.consumer().register()
        (note,) = store.backend.read(WORKER_NOTE).values()
        registration = read_registration(note)
        assert registration is not None
        assert not registration.dead(registration.seen_at + HEARTBEAT_VALID)
        assert registration.dead(registration.seen_at + HEARTBEAT_VALID + 1)

    def test_a_dead_workers_registration_is_pruned_but_not_before_its_jobs_are_recovered(self, store: Store) -> None:
        store.consumer("w1").register()
        store.run()
        store.clock.advance(HEARTBEAT_VALID + PRUNE_AFTER + 1_000)
        store.consumer("other").prune()
        assert list(store.backend.read(WORKER_NOTE)) == [WORKER_NOTE + "w1"]
        store.tick()
        store.consumer("other").prune()
        assert store.backend.read(WORKER_NOTE) == {}

    def test_a_living_workers_registration_is_not_pruned(self, store: Store) -> None:
        store.consumer("w1").register()
        store.clock.advance(HEARTBEAT_VALID)
        store.consumer("other").prune()
        assert len(store.backend.read(WORKER_NOTE)) == 1

    def test_a_registration_nobody_can_read_is_pruned(self, store: Store) -> None:
        store.backend.swap(WORKER_NOTE + "odd", None, msgspec.json.encode([1]))
        store.consumer().prune()
        assert store.backend.read(WORKER_NOTE) == {}
