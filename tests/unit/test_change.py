"""A change, whatever policy made it, is something every store can carry out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from jq_cli import lifecycle
from jq_cli.change import Change
from jq_cli.errors import Conflict
from jq_cli.job import FINAL, STATES, WAITING, Job, State
from jq_cli.lifecycle import Keeping, Outcome

TOTALS = {"enqueued", "succeeded", "failed", "dead", "recovered", "duplicates"}


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    """A job as a store might give it."""
    state: State = draw(st.sampled_from(STATES))
    job = Job(
        id="x", queue="q", state=state, version="v", payload=b"1", priority=draw(st.integers(-1_000, 1_000)),
        delivery=draw(st.sampled_from(["at_least_once", "at_most_once"])), failures=draw(st.integers(0, 4)),
        losses=draw(st.integers(0, 4)), retention=draw(st.sampled_from([None, 0.0, 5.0])),
        dedup_key=draw(st.sampled_from([None, "d"])), dedup_until=draw(st.sampled_from(["ttl", "done"])),
        idempotency_key=draw(st.sampled_from([None, "i"])), expires_at=draw(st.sampled_from([None, 5, 50])),
    )  # fmt: skip
    if state == "running":
        return replace(job, token="1.n", owner="w", lease_until=9, generation=1, stop=draw(st.booleans()))
    return replace(job, finished_at=3) if state in FINAL else job


@st.composite
def changes(draw: st.DrawFn) -> tuple[Job, Change]:
    """A job, and what policy would write for it."""
    job = draw(jobs())
    keeping = draw(st.sampled_from([Keeping(), Keeping(0.0), Keeping(1.0, 0, 0.0)]))
    kinds = ["succeeded", "failed", "permanent", "snoozed", "interrupted", "undecodable"]
    outcome = Outcome(draw(st.sampled_from(kinds)), result=Raw(b"1"), error="e", delay=draw(st.sampled_from([0, 7])))
    made = [lifecycle.on_due(job, now=9, mark="m", keeping=keeping)]
    if job.state == "running":
        made += [
            lifecycle.settle(job, outcome, now=9, rand=0.5, keeping=keeping),
            lifecycle.lose(job, now=9, keeping=keeping),
            lifecycle.release(job, keeping),
        ]
        made += [refusal] if (refusal := lifecycle.refusal(job, now=9, keeping=keeping)) else []
    for deed in (lifecycle.promote, lifecycle.requeue, lifecycle.cancel, lifecycle.remove):
        try:
            made.append(deed(job, "m"))
        except Conflict:
            continue
    return job, draw(st.sampled_from(made))


@given(changes())
def test_a_change_keeps_the_identity_of_its_job(made: tuple[Job, Change]) -> None:
    job, change = made
    assert (change.queue, change.id) == (job.queue, job.id)
    if change.job is not None:
        kept = ("id", "queue", "priority", "created_at", "payload", "delivery", "dedup_key", "idempotency_key")
        assert all(getattr(change.job, name) == getattr(job, name) for name in kept)


@given(changes())
def test_a_change_expects_what_it_saw_and_leaves_another_mark(made: tuple[Job, Change]) -> None:
    job, change = made
    assert change.expect == (job.token if change.fenced else job.version)
    assert change.mark not in ("", job.version, job.token)
    assert not change.fenced or job.state == "running"


@given(changes())
def test_a_change_writes_a_whole_row(made: tuple[Job, Change]) -> None:
    new = made[1].job
    if new is None:
        return
    running = new.state == "running"
    assert all((mark is not None) == running for mark in (new.token, new.owner, new.lease_until))
    assert new.finished_at is None or new.state in FINAL
    assert new.state in WAITING or not running or made[0].state == "running"
    assert (new.reason is not None) == (new.state in ("dead", "cancelled"))


@given(changes())
def test_a_change_that_schedules_says_from_when(made: tuple[Job, Change]) -> None:
    job, change = made
    if change.job is not None and change.job.state == "scheduled":
        assert change.delay is not None
        assert change.delay > 0
    if change.job is not None and change.job.state == "ready" and change.delay is None:
        assert change.job.ready_at == job.ready_at


@given(changes())
def test_only_final_rows_are_kept_for_a_time_or_capped(made: tuple[Job, Change]) -> None:
    change = made[1]
    if change.keep is not None or change.cap is not None:
        assert change.job is None or change.job.state in FINAL
    if change.job is not None and change.keep is not None:
        assert change.keep > 0
    if change.cap is not None and change.job is not None:
        assert change.job.counted


@given(changes())
def test_only_known_totals_are_counted_each_once(made: tuple[Job, Change]) -> None:
    totals = made[1].totals
    assert set(totals) <= TOTALS
    assert len(totals) == len(set(totals))
    assert ("dead" in totals) == (made[1].job is not None and made[1].job.state == "dead")


@pytest.mark.parametrize("delay", [0, 1])
def test_a_snooze_of_no_time_is_ready_at_once(delay: int) -> None:
    job = Job(id="x", queue="q", state="running", token="1.n", owner="w", lease_until=9)
    new = lifecycle.snooze(job, delay).job
    assert new is not None
    assert new.state == ("scheduled" if delay else "ready")
