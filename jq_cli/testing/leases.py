"""Section 6: leases, fencing, and outcomes that may be sent again."""

import pytest
from msgspec.structs import replace

from jq_cli import lifecycle
from jq_cli.backends.base import Claim
from jq_cli.errors import Conflict
from jq_cli.ids import nonce
from jq_cli.job import Job, Token, lease_of
from jq_cli.lifecycle import Outcome
from jq_cli.testing.store import Store, raw

ENDS = ("succeeded", "failed", "permanent", "snoozed", "interrupted")


def taken_over(store: Store) -> tuple[Job, Job]:
    """A job as a worker that was lost saw it, and as the next one got it."""
    old = store.run(max_losses=100)
    store.expire_lease(old)
    return old, store.take(worker="w2")


class LeasesTests:
    """What a lease is worth."""

    def test_a_claim_says_whose_the_job_is_and_until_when(self, store: Store) -> None:
        store.add()
        store.clock.advance(3)
        job = store.take(worker="host:1:ab", lease=7_000)
        assert (job.state, job.owner, job.generation) == ("running", "host:1:ab", 1)
        assert (job.started_at, job.lease_until) == (store.clock.now, store.clock.now + 7_000)
        assert store.job(job.id) == job

    def test_the_token_is_the_generation_and_the_nonce_of_the_claim(self, store: Store) -> None:
        store.add()
        (job,) = store.backend.claim(Claim(("q",), 1, "w1", 10_000, "fresh")).jobs
        assert (job.token, job.generation) == ("1.fresh", 1)
        store.expire_lease(job)
        (job,) = store.backend.claim(Claim(("q",), 1, "w1", 10_000, "other")).jobs
        assert (job.token, job.generation) == ("2.other", 2)

    def test_nobody_else_gets_a_leased_job(self, store: Store) -> None:
        store.run()
        store.clock.advance(9_999)
        assert store.tick() == 0
        assert store.claim(10, worker="w2") == []

    def test_extend_moves_the_end_of_the_lease(self, store: Store) -> None:
        job = store.run()
        store.clock.advance(9_000)
        extended = store.backend.extend([lease_of(job)], lease=4_000)
        assert (extended.now, extended.holds) == (store.clock.now, ["held"])
        assert store.job(job.id).lease_until == store.clock.now + 4_000
        store.clock.advance(3_999)
        assert store.tick() == 0
        store.clock.advance(1)
        assert store.tick() == 1

    def test_extend_may_shorten_a_lease(self, store: Store) -> None:
        job = store.run()
        store.backend.extend([lease_of(job)], lease=1_000)
        store.clock.advance(1_000)
        assert store.tick() == 1

    def test_extend_changes_nothing_but_the_end_of_the_lease(self, store: Store) -> None:
        job = store.run()
        store.clock.advance(50)
        store.consumer().extend([job])
        got = store.job(job.id)
        assert got == replace(job, lease_until=store.clock.now + 10_000, version=got.version)

    def test_a_stale_worker_can_change_nothing(self, store: Store) -> None:
        old, new = taken_over(store)
        for kind in ENDS:
            assert store.settle(old, kind, error="x") == "lost"
        for change in (lifecycle.release(old), store.consumer().lose(old, "x"), lifecycle.cancelled(old)):
            assert store.write(change) == "lost"
        assert store.backend.extend([lease_of(old)], lease=99_000).holds == ["lost"]
        assert store.job(new.id) == new
        assert (store.total("succeeded"), store.total("failed")) == (0, 0)

    def test_a_worker_whose_job_was_recovered_has_lost_it_even_if_nobody_claimed_it_yet(self, store: Store) -> None:
        old = store.run()
        store.expire_lease(old)
        ready = store.job(old.id)
        assert [store.settle(old, kind, error="x") for kind in ENDS] == ["lost"] * len(ENDS)
        assert store.consumer().extend([old]) == ["lost"]
        assert store.job(old.id) == ready

    def test_a_lease_is_lost_once_the_job_was_settled(self, store: Store) -> None:
        job = store.run()
        store.settle(job)
        done = store.job(job.id)
        assert store.settle(job, "failed", error="x") == "lost"
        assert store.consumer().extend([job]) == ["lost"]
        assert store.job(job.id) == done

    def test_a_lease_that_never_was_is_lost(self, store: Store) -> None:
        job = store.run()
        for token in (
            Token("q", job.id, "1.guess"),
            Token("q", "0" * 26, job.token or ""),
            Token("none", job.id, "1.x"),
        ):
            assert store.backend.extend([token], lease=1_000).holds == ["lost"]
        assert store.backend.queues() == ["q"]

    def test_a_lease_of_an_earlier_generation_with_the_same_nonce_is_lost(self, store: Store) -> None:
        store.add()
        claim = Claim(("q",), 1, "w1", 10_000, "same")
        (old,) = store.backend.claim(claim).jobs
        store.write(lifecycle.release(old))
        store.backend.claim(claim)
        assert store.settle(old) == "lost"

    def test_a_lease_that_ran_out_but_was_not_recovered_still_counts_for_a_settle(self, store: Store) -> None:
        job = store.run()
        store.clock.advance(1_000_000)
        assert store.settle(job) == "applied"
        assert store.state(job.id) == "succeeded"

    def test_a_lease_that_ran_out_but_was_not_recovered_can_be_extended(self, store: Store) -> None:
        job = store.run()
        store.clock.advance(1_000_000)
        assert store.consumer().extend([job]) == ["held"]
        assert store.tick() == 0
        assert store.settle(job) == "applied"

    def test_a_heartbeat_that_comes_just_before_the_recovery_defeats_it(self, store: Store) -> None:
        job = store.run()
        store.clock.advance(10_000)
        (seen,) = store.backend.due(10).jobs
        assert store.consumer().extend([job]) == ["held"]
        assert store.write(lifecycle.on_due(seen, now=store.clock.now, mark="m")) == "lost"
        assert store.settle(job) == "applied"

    def test_a_cancellation_never_shortens_a_lease_that_was_extended_meanwhile(self, store: Store) -> None:
        job = store.run()
        seen = store.job(job.id)
        store.clock.advance(9_000)
        store.consumer().extend([job])
        store.write(lifecycle.cancel(seen, "m"))
        assert store.job(job.id).lease_until == store.clock.now + 10_000

    def test_an_operators_request_never_fences_out_a_worker(self, store: Store) -> None:
        job = store.run()
        assert store.write(lifecycle.cancel(store.job(job.id), "m")) == "applied"
        assert store.consumer().extend([job]) == ["stop"]
        assert store.settle(job) == "applied"

    def test_extend_answers_for_each_lease_on_its_own(self, store: Store) -> None:
        stale, _ = taken_over(store)
        held, stopped = store.run(), store.run()
        store.write(lifecycle.cancel(store.job(stopped.id), "m"))
        assert store.consumer().extend([held, stale, stopped, held]) == ["held", "lost", "stop", "held"]

    def test_extend_carries_progress_and_output_to_where_others_see_it(self, store: Store) -> None:
        job, other = store.run(), store.run()
        store.consumer().extend([job, other], {job.id: b'{"progress": 40}'})
        assert store.backend.outputs("q", [other.id, job.id]) == [None, b'{"progress": 40}']
        store.consumer().extend([job], {job.id: b'{"progress": 80}'})
        store.consumer().extend([job])
        assert store.backend.outputs("q", [job.id]) == [b'{"progress": 80}']

    def test_a_stale_worker_cannot_touch_the_output(self, store: Store) -> None:
        old, new = taken_over(store)
        store.consumer().extend([new], {new.id: b'"new"'})
        store.consumer().extend([old], {old.id: b'"old"'})
        store.settle(old, output=b'"older"')
        assert store.backend.outputs("q", [new.id]) == [b'"new"']

    def test_a_settle_leaves_the_output_with_the_job(self, store: Store) -> None:
        job = store.run()
        store.settle(job, output=b'{"stdout": "hi"}')
        assert store.backend.outputs("q", [job.id]) == [b'{"stdout": "hi"}']
        other = store.run()
        store.consumer().extend([other], {other.id: b'"live"'})
        store.settle(other)
        assert store.backend.outputs("q", [other.id]) == [b'"live"']

    def test_a_running_job_cannot_be_removed(self, store: Store) -> None:
        with pytest.raises(Conflict, match="cancel it first"):
            lifecycle.remove(store.run(), "m")

    def test_an_outcome_sent_again_is_answered_already_and_counts_once(self, store: Store) -> None:
        totals = {"succeeded": (1, 0), "failed": (0, 1), "permanent": (0, 1), "snoozed": (0, 0), "interrupted": (0, 0)}
        for kind, wanted in totals.items():
            job = store.run(queue=kind)
            change = store.outcome(job, kind, error="x", delay=1_000)
            assert [store.write(change) for _ in range(3)] == ["applied", "already", "already"]
            assert (store.total("succeeded", kind), store.total("failed", kind)) == wanted
            assert len(store.job(job.id, kind).errors) == wanted[1]

    def test_an_outcome_sent_again_after_somebody_else_wrote_is_lost(self, store: Store) -> None:
        job = store.run()
        change = lifecycle.release(job)
        store.write(change)
        new = store.take(worker="w2")
        assert store.write(change) == "lost"
        assert store.job(job.id) == new

    def test_an_outcome_sent_again_within_one_batch_counts_once(self, store: Store) -> None:
        change = store.outcome(store.run())
        assert store.backend.replace([change, change]) == ["applied", "already"]
        assert store.total("succeeded") == 1

    def test_a_batch_of_outcomes_is_judged_one_by_one(self, store: Store) -> None:
        stale, fresh = taken_over(store)
        done = store.run()
        store.settle(done)
        last = store.run()
        changes = [store.outcome(job) for job in (stale, fresh, done, last)]
        assert store.backend.replace(changes) == ["lost", "applied", "already", "applied"]

    def test_leases_of_a_claim_whose_answer_was_lost_are_found_and_given_back(self, store: Store) -> None:
        ids = [store.add() for _ in range(3)]
        known = store.take()
        store.claim(2)
        store.add(queue="other")
        assert [job.id for job in store.claim(1, queues=("other",), worker="w2")]
        assert sorted(job.id for job in store.backend.held("w1")) == sorted(ids)
        assert store.consumer().release_unknown({known.id: known}) == 2
        assert store.ids("ready") == ids[1:]
        assert [job.losses for id in ids if (job := store.job(id))] == [0, 0, 0]
        assert [job.owner for job in store.backend.held("w2")] == ["w2"]

    def test_a_release_counts_nothing(self, store: Store) -> None:
        job = store.run()
        store.write(lifecycle.release(job))
        back = store.job(job.id)
        assert (back.failures, back.losses, back.errors, back.last_error) == (0, 0, (), None)
        assert (back.owner, back.token, back.lease_until) == (None, None, None)

    def test_an_interrupted_job_counts_nothing(self, store: Store) -> None:
        job = store.run()
        store.settle(job, "interrupted")
        back = store.job(job.id)
        assert (back.state, back.failures, back.losses, back.attempt) == ("ready", 0, 0, 1)

    def test_a_turn_settles_first_and_then_claims(self, store: Store) -> None:
        store.control(max_running=1)
        first, second = store.run(), store.add()
        turned = store.backend.turn([store.outcome(first)], Claim(("q",), 1, "w1", 10_000, nonce()))
        assert (turned.now, turned.verdicts, [job.id for job in turned.jobs]) == (
            store.clock.now,
            ["applied"],
            [second],
        )

    def test_a_turn_may_claim_the_job_it_gave_back(self, store: Store) -> None:
        job = store.run()
        turned = store.backend.turn([lifecycle.release(job)], Claim(("q",), 1, "w2", 10_000, nonce()))
        assert [(again.id, again.owner, again.generation) for again in turned.jobs] == [(job.id, "w2", 2)]

    def test_a_turn_without_changes_is_a_claim(self, store: Store) -> None:
        id = store.add()
        turned = store.backend.turn([], Claim(("q",), 5, "w1", 10_000, nonce()))
        assert (turned.verdicts, [job.id for job in turned.jobs]) == ([], [id])

    def test_a_turn_in_two_halves_is_a_turn(self, store: Store) -> None:
        first, second = store.run(), store.add()
        begun = store.backend.begin([store.outcome(first)], Claim(("q",), 1, "w1", 10_000, nonce()))
        turned = begun() if callable(begun) else begun
        assert (turned.verdicts, [job.id for job in turned.jobs]) == (["applied"], [second])
        assert [job and job.state for job in store.backend.get("q", [first.id, second])] == ["succeeded", "running"]

    def test_a_turn_begun_before_the_last_was_answered_comes_after_all_of_it(self, store: Store) -> None:
        queues = tuple(f"q{n}" for n in range(40))
        held = [store.add(queue="q0") for _ in range(2)]
        changes = [store.outcome(job) for job in store.claim(2, queues=("q0",))]
        delayed = [store.add(queue="q0", delay=5) for _ in range(2)]
        store.clock.advance(5)
        others = [store.add(queue=queue) for queue in queues[1:]]
        answers = [
            store.backend.begin(some, Claim(queues, 21, "w1", 10_000, nonce())) for some in (changes[:1], changes[1:])
        ]
        first, second = [answer() if callable(answer) else answer for answer in answers]
        assert (first.verdicts, second.verdicts) == (["applied"], ["applied"])
        assert [job.id for turned in (first, second) for job in turned.jobs] == delayed + others
        assert [store.state(id, queue="q0") for id in held] == ["succeeded", "succeeded"]

    def test_calls_without_items_do_nothing(self, store: Store) -> None:
        assert store.insert() == []
        assert store.backend.replace([]) == []
        assert store.backend.extend([], lease=1_000).holds == []
        assert store.backend.get("q", []) == []
        assert store.backend.outputs("q", []) == []
        assert store.backend.queues() == []

    def test_a_consumer_settles_and_claims_in_one_turn(self, store: Store) -> None:
        consumer, ids = store.consumer(), [store.add() for _ in range(3)]
        _, jobs = consumer.turn([], ["q"], 2)
        changes = [consumer.settle(job, Outcome("succeeded", result=raw(1))) for job in jobs]
        verdicts, jobs = consumer.turn(changes, ["q"], 2)
        assert (verdicts, [job.id for job in jobs]) == (["applied", "applied"], ids[2:])
