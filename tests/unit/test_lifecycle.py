"""Policy: what every outcome, loss, expiry and operator's wish makes of a job. What a store does with it is the kit's matter."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from jq_cli import lifecycle
from jq_cli.change import DEDUP, IDEMPOTENCY, Change, KeyChange
from jq_cli.errors import Conflict
from jq_cli.job import FINAL, FORMAT, STATES, WAITING, Backoff, Job, State, decode
from jq_cli.lifecycle import MAX_ERROR_TEXT, Keeping, Outcome

NOW = 1_750_000_000_000
NONE = msgspec.Raw()


def running(**fields: Any) -> Job:
    defaults: dict[str, Any] = {"id": "x", "queue": "q", "state": "running", "token": "1.n", "version": "1.n", "owner": "w",
                                "lease_until": NOW + 9, "generation": 1, "ready_at": NOW - 5, "started_at": NOW - 1}  # fmt: skip
    return Job(**{**defaults, **fields})


def in_state(state: State, **fields: Any) -> Job:
    finished = {"finished_at": NOW} if state in FINAL else {}
    return (
        running(**fields)
        if state == "running"
        else Job(id="x", queue="q", state=state, version="v", **finished, **fields)
    )


def settle(job: Job, kind: str, **fields: Any) -> Change:
    return lifecycle.settle(job, Outcome(kind, **fields), now=NOW, rand=0.0)


def fate(change: Change) -> tuple[str, str | None, tuple[str, ...]]:
    """The new state, the reason, and the totals of a change."""
    assert change.job is not None
    return change.job.state, change.job.reason, change.totals


# Outcome: what it makes of an at_least_once job and of an at_most_once one.
TABLE: dict[str, tuple[tuple[str, str | None, tuple[str, ...]], tuple[str, str | None, tuple[str, ...]]]] = {
    "succeeded": (("succeeded", None, ("succeeded",)), ("succeeded", None, ("succeeded",))),
    "failed": (("scheduled", None, ("failed",)), ("dead", "at_most_once", ("failed", "dead"))),
    "permanent": (("dead", "permanent", ("failed", "dead")), ("dead", "permanent", ("failed", "dead"))),
    "undecodable": (("dead", "undecodable", ("failed", "dead")), ("dead", "undecodable", ("failed", "dead"))),
    "snoozed": (("scheduled", None, ()), ("dead", "snoozed", ("dead",))),
    "interrupted": (("ready", None, ()), ("dead", "interrupted", ("dead",))),
}


@pytest.mark.parametrize("kind", TABLE)
def test_every_outcome_has_its_fate(kind: str) -> None:
    least, most = TABLE[kind]
    assert fate(settle(running(), kind, error="e", delay=5)) == least
    assert fate(settle(running(delivery="at_most_once"), kind, error="e", delay=5)) == most


@pytest.mark.parametrize("kind", TABLE)
def test_an_outcome_is_fenced_by_the_lease_and_marked_by_it(kind: str) -> None:
    change = settle(running(), kind, delay=5)
    assert (change.fenced, change.expect) == (True, "1.n")
    assert change.mark.startswith("1.n:")
    assert settle(running(), kind, delay=5).mark == change.mark
    assert settle(running(token="2.n"), kind, delay=5).mark != change.mark


def test_an_unknown_outcome_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown outcome 'maybe'"):
        settle(running(), "maybe")


@pytest.mark.parametrize("kind", TABLE)
def test_whatever_an_outcome_leads_to_nobody_holds_the_job_afterwards(kind: str) -> None:
    new = settle(running(), kind, delay=5).job
    assert new is not None
    assert (new.owner, new.token, new.lease_until, new.stop) == (None, None, None, False)


@pytest.mark.parametrize("kind", TABLE)
def test_output_goes_with_any_outcome(kind: str) -> None:
    assert settle(running(), kind, output=b'"o"', delay=5).output == b'"o"'
    assert settle(running(), kind, delay=5).output is None


@pytest.mark.parametrize("kind", ["failed", "snoozed", "interrupted"])
def test_a_job_that_was_asked_to_stop_is_cancelled_where_it_would_wait_again(kind: str) -> None:
    state, reason, _ = fate(settle(running(stop=True), kind, error="e", delay=5))
    assert (state, reason) == ("cancelled", "cancelled")


@pytest.mark.parametrize(
    ("kind", "state"), [("succeeded", "succeeded"), ("permanent", "dead"), ("undecodable", "dead")]
)
def test_a_job_that_was_asked_to_stop_but_ended_has_ended(kind: str, state: str) -> None:
    assert fate(settle(running(stop=True), kind))[0] == state


def test_an_at_most_once_job_that_was_asked_to_stop_is_cancelled_when_it_was_interrupted() -> None:
    assert fate(settle(running(stop=True, delivery="at_most_once"), "interrupted"))[0] == "cancelled"


def test_a_cancelled_failure_still_counts_as_a_failure() -> None:
    change = settle(running(stop=True), "failed", error="e")
    assert change.totals == ("failed",)
    assert change.job is not None
    assert (change.job.failures, change.job.last_error) == (1, "e")


# --- retries ---


def test_a_failure_is_recorded() -> None:
    new = settle(running(failures=1), "failed", error="boom").job
    assert new is not None
    assert (new.failures, new.last_error) == (2, "boom")
    (entry,) = new.errors
    assert (entry.at, entry.generation, entry.worker, entry.error, entry.kind) == (NOW, 1, "w", "boom", "failed")


@pytest.mark.parametrize(("failures", "state"), [(0, "scheduled"), (2, "scheduled"), (3, "dead")])
def test_the_failure_after_the_last_retry_is_death(failures: int, state: str) -> None:
    assert fate(settle(running(failures=failures, max_retries=3), "failed"))[0] == state


def test_long_errors_keep_their_end_where_tracebacks_have_their_cause() -> None:
    error = "start" + "x" * 50_000 + "cause"
    new = settle(running(), "failed", error=error).job
    assert new is not None
    assert new.last_error is not None
    assert (len(new.last_error), len(new.errors[0].error)) == (4 * MAX_ERROR_TEXT, MAX_ERROR_TEXT)
    assert new.last_error.endswith("cause")
    assert new.errors[0].error.endswith("cause")


@pytest.mark.parametrize(
    ("failures", "ms"), [(1, 1_000), (2, 2_000), (3, 4_000), (12, 2_048_000), (13, 3_600_000), (1_001, 3_600_000)]
)
def test_backoff_doubles_from_a_second_to_an_hour(failures: int, ms: int) -> None:
    assert lifecycle.backoff_delay(running(), failures, 0.0) == ms


def test_jitter_adds_up_to_its_share() -> None:
    assert [lifecycle.backoff_delay(running(), 1, rand) for rand in (0.0, 0.5, 1.0)] == [1_000, 1_050, 1_100]


def test_base_zero_is_no_delay_however_large_the_factor_grows() -> None:
    assert lifecycle.backoff_delay(running(backoff=Backoff(0.0, 1_000.0)), 1_001, 1.0) == 0


@given(
    st.builds(Backoff, st.floats(0, 1e7), st.floats(1, 1_000), st.floats(0, 1e7), st.floats(0, 1)),
    st.integers(1, 1_001),
    st.floats(0, 1),
)
def test_backoff_never_leaves_its_bounds(backoff: Backoff, failures: int, rand: float) -> None:
    delay = lifecycle.backoff_delay(running(backoff=backoff), failures, rand)
    assert 0 <= delay <= round(backoff.cap * (1 + backoff.jitter) * 1_000) + 1
    assert delay <= lifecycle.backoff_delay(running(backoff=backoff), failures + 1, 1.0) + 1


def test_a_handler_can_lengthen_the_delay_and_not_shorten_it() -> None:
    assert settle(running(), "failed", delay=5_000).delay == 5_000
    assert settle(running(), "failed", delay=10).delay == 1_000


# --- losses ---


def lose(job: Job, mark: str = "") -> Change:
    return lifecycle.lose(job, now=NOW, mark=mark)


@pytest.mark.parametrize(("losses", "reason"), [(0, None), (2, None), (3, "poison")])
def test_a_loss_is_forgiven_until_losses_are_used_up(losses: int, reason: str | None) -> None:
    state, why, totals = fate(lose(running(losses=losses)))
    assert (state, why) == (("ready", None) if reason is None else ("dead", reason))
    assert totals == (("recovered",) if reason is None else ("recovered", "dead"))


def test_a_lost_job_keeps_its_place() -> None:
    change = lose(running(priority=4))
    assert change.delay is None
    assert change.job is not None
    assert (change.job.priority, change.job.ready_at, change.job.failures) == (4, NOW - 5, 0)


def test_a_loss_seen_from_outside_compares_the_version_and_one_seen_by_the_pool_the_lease() -> None:
    assert (lose(running(version="v"), "m").expect, lose(running(version="v"), "m").fenced) == ("v", False)
    assert (lose(running()).expect, lose(running()).fenced) == ("1.n", True)


def test_a_lost_job_of_a_newer_format_counts_nothing_because_nobody_here_can() -> None:
    job = running(format=FORMAT + 1, raw=b"{}")
    change = lose(job, "m")
    assert fate(change) == ("ready", None, ())


# --- refusals and wake-ups ---


def refusal(job: Job) -> Change | None:
    return lifecycle.refusal(job, now=NOW)


def test_a_job_in_order_is_not_refused() -> None:
    assert refusal(running(expires_at=NOW + 1)) is None


def test_an_expired_job_is_not_started() -> None:
    change = refusal(running(expires_at=NOW))
    assert change is not None
    assert fate(change) == ("dead", "expired", ("dead",))


def test_a_damaged_job_is_moved_aside_with_its_raw_bytes() -> None:
    job = decode(b"{", id="x", queue="q", state="running", token="1.n")
    change = refusal(job)
    assert change is not None
    assert fate(change) == ("dead", "undecodable", ("dead",))
    assert change.job is not None
    assert change.job.raw == b"{"


def test_a_job_of_a_newer_format_is_left_to_newer_workers() -> None:
    change = refusal(running(format=FORMAT + 1, raw=b"{}"))
    assert change is not None
    assert (fate(change), change.delay) == (("scheduled", None, ()), 30_000)


def test_a_job_whose_cancellation_came_too_late_for_its_last_worker_is_not_started_again() -> None:
    change = refusal(running(stop=True))
    assert change is not None
    assert fate(change)[0] == "cancelled"


@pytest.mark.parametrize("state", STATES)
def test_what_is_due_is_recovered_expired_or_forgotten(state: State) -> None:
    change = lifecycle.on_due(in_state(state), now=NOW, mark="m")
    assert (change.fenced, change.mark) == (False, "m")
    if state in FINAL:
        assert (change.job, change.keys) == (None, ())
    else:
        assert fate(change)[:2] == (("dead", "expired") if state in WAITING else ("ready", None))


# --- operators ---

ALLOWED: dict[Any, set[State]] = {
    lifecycle.promote: {"scheduled"},
    lifecycle.requeue: {"dead"},
    lifecycle.cancel: {"scheduled", "ready", "running"},
    lifecycle.remove: {"scheduled", "ready", "succeeded", "dead", "cancelled"},
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("deed", ALLOWED)
def test_an_operator_may_do_what_the_state_allows(deed: Any, state: State) -> None:
    job = in_state(state)
    if state in ALLOWED[deed]:
        change = deed(job, "m")
        assert (change.expect, change.fenced, change.mark) == (job.version, False, "m")
    else:
        with pytest.raises(Conflict, match=f"job x is {state}: "):
            deed(job, "m")


def test_cancelling_a_running_job_only_asks_for_it() -> None:
    change = lifecycle.cancel(running(), "m")
    assert change.job == running(stop=True)


def test_requeue_starts_over_and_keeps_the_history() -> None:
    dead = lose(running(losses=3, failures=1, expires_at=NOW - 1, last_error="e"), "m").job
    assert dead is not None
    change = lifecycle.requeue(replace(dead, finished_at=NOW), "m")
    new = change.job
    assert new is not None
    assert (new.state, new.failures, new.losses, new.expires_at, new.reason, new.finished_at) == (
        "ready",
        0,
        0,
        None,
        None,
        None,
    )
    assert (change.delay, change.keys, len(new.errors)) == (0, (), 1)


def test_a_damaged_job_is_requeued_without_the_bytes_that_would_have_it_refused_again() -> None:
    dead = replace(decode(b"{", id="x", queue="q"), state="dead", reason="undecodable", finished_at=NOW)
    new = lifecycle.requeue(dead, "m").job
    assert new is not None
    assert (new.raw, new.damaged) == (b"", False)


# --- keeping ---


def kept(job: Job, keeping: Keeping) -> tuple[bool, int | None, int | None]:
    """Whether a succeeded job stays, for how many ms, and among how many."""
    change = lifecycle.succeed(job, NONE, keeping)
    return change.job is not None, change.keep, change.cap


def test_finished_jobs_stay_for_the_retention_and_among_the_last_so_many() -> None:
    assert kept(running(), Keeping()) == (True, 3_600_000, 1_000)
    assert kept(running(), Keeping(1.5, 7)) == (True, 1_500, 7)


def test_nothing_stays_where_retention_or_count_is_zero() -> None:
    assert kept(running(), Keeping(retention=0.0))[0] is False
    assert kept(running(), Keeping(count=0))[0] is False


def test_a_retention_of_its_own_wins_and_is_outside_the_count() -> None:
    assert kept(running(retention=2.5), Keeping(0.0, 0)) == (True, 2_500, None)
    assert kept(running(retention=0.0), Keeping())[0] is False


def test_dead_jobs_stay_until_an_operator_says_otherwise() -> None:
    dead = lifecycle.settle(running(retention=1.0), Outcome("permanent"), now=NOW, rand=0.0, keeping=Keeping(0.0, 0))
    assert dead.job is not None
    assert (dead.keep, dead.cap) == (None, None)
    for seconds, ms in ((5.0, 5_000), (0.0, 1)):
        policy = Keeping(dlq_retention=seconds)
        assert lifecycle.settle(running(), Outcome("permanent"), now=NOW, rand=0.0, keeping=policy).keep == ms


# --- keys ---

KEYED = {"dedup_key": "d", "dedup_until": "done", "idempotency_key": "i", "idempotency_ttl": 2.0}
FREED = KeyChange(DEDUP + "d")


def outcome(change: Change) -> dict[str, Any]:
    (stored,) = [key for key in change.keys if key.name == IDEMPOTENCY + "i"]
    assert stored.outcome is not None
    assert stored.ttl == 2_000
    decoded: dict[str, Any] = msgspec.json.decode(stored.outcome)
    return decoded


def test_the_end_of_a_job_frees_its_dedup_key_and_stores_its_outcome() -> None:
    change = settle(running(**KEYED), "succeeded", result=msgspec.Raw(b"[3]"))
    assert FREED in change.keys
    assert outcome(change) == {"id": "x", "state": "succeeded", "result": [3]}


def test_death_frees_the_dedup_key_and_stores_the_reason() -> None:
    change = settle(running(**KEYED), "permanent", error="e")
    assert FREED in change.keys
    assert outcome(change) == {"id": "x", "state": "dead", "reason": "permanent", "error": "e"}


def test_a_dedup_key_with_a_ttl_stays_to_its_end() -> None:
    assert settle(running(dedup_key="d", dedup_ttl=5.0), "succeeded").keys == ()


@pytest.mark.parametrize("kind", ["failed", "snoozed", "interrupted"])
def test_a_job_that_will_run_again_keeps_its_keys(kind: str) -> None:
    assert settle(running(**KEYED), kind, delay=5).keys == ()


def test_cancellation_and_removal_free_both_keys() -> None:
    freed = (KeyChange(IDEMPOTENCY + "i"), FREED)
    assert lifecycle.cancel(in_state("ready", **KEYED), "m").keys == freed
    assert lifecycle.remove(in_state("ready", **KEYED), "m").keys == freed
    assert lifecycle.remove(in_state("dead", **KEYED), "m").keys == ()


@pytest.mark.parametrize("keeping", [Keeping(), Keeping(count=0)])
def test_a_job_that_ended_as_one_before_it_did_gets_the_change_that_it_would_get_alone(keeping: Keeping) -> None:
    before = lifecycle.succeed(running(id="a", payload=b"1"), NONE, keeping)
    job = running(id="b", payload=b"2")
    change = lifecycle.as_before(before, job)
    assert change is not None
    assert change.like is before
    assert replace(change, like=None) == lifecycle.succeed(job, NONE, keeping)


@pytest.mark.parametrize(
    "other", [{"token": "1.m"}, {"failures": 1}, {"headers": {"a": "b"}}, {"queue": "p"}, {"retention": 5.0}]
)
def test_a_job_that_differs_in_more_than_id_and_payload_is_judged_alone(other: dict[str, Any]) -> None:
    before = lifecycle.succeed(running(id="a"), NONE)
    assert lifecycle.as_before(before, running(id="b", **other)) is None


def test_a_job_whose_end_its_key_remembers_is_judged_alone() -> None:
    keyed = {"idempotency_key": "k"}
    before = lifecycle.succeed(running(id="a", **keyed), NONE)
    assert lifecycle.as_before(before, running(id="b", **keyed)) is None


@pytest.mark.parametrize(
    "fields", [{"stop": True}, {"format": FORMAT + 1, "raw": b"{}"}, {"raw": b"x"}, {"expires_at": NOW}]
)
def test_every_job_that_is_refused_is_doubtful(fields: dict[str, Any]) -> None:
    job = running(**fields)
    assert lifecycle.refusal(job, now=NOW) is not None
    assert lifecycle.doubtful([running(), job]) == [job]
