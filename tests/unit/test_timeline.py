"""A job's timeline: what its record tells of its life, in order."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from jq_cli import lifecycle
from jq_cli.history import noted
from jq_cli.job import MAX_ERRORS, Deed, ErrorEntry, Job
from jq_cli.lifecycle import Outcome
from jq_cli.timeline import Event, timeline

T = 1_750_000_000_000


def told(job: Job) -> list[tuple[int, str, str | None, int | None]]:
    return [(event.at - T, event.event, event.by, event.run) for event in timeline(job)]


def waiting(**fields: Any) -> Job:
    return Job(**{"id": "x", "queue": "q", "created_at": T, "ready_at": T, "version": "v", "payload": b"1", **fields})


def claimed(job: Job, at: int, owner: str = "w") -> Job:
    generation = job.generation + 1
    return replace(
        job,
        state="running",
        generation=generation,
        owner=owner,
        token=f"{generation}.n",
        started_at=T + at,
        lease_until=T + at + 9,
    )


def settled(job: Job, kind: str, at: int, **fields: Any) -> Job:
    change = lifecycle.settle(job, Outcome(kind, **fields), now=T + at, rand=0.0)
    assert change.job is not None
    new = change.job if change.delay is None else replace(change.job, ready_at=T + at + change.delay)
    return replace(new, finished_at=T + at) if new.state in ("dead", "succeeded", "cancelled") else new


def operated(job: Job, deed: Any, what: str, at: int) -> Job:
    change = noted(deed(job, "m"), job, what=what, by="ada@host", now=T + at)
    assert change.job is not None
    return change.job


def test_a_job_that_waits_was_enqueued() -> None:
    assert told(waiting()) == [(0, "enqueued", None, None)]
    assert timeline(waiting(schedule="nightly"))[0].detail == "by schedule nightly"


def test_a_job_that_waits_for_its_moment_says_when_it_is_due_and_when_it_expires() -> None:
    job = waiting(state="scheduled", ready_at=T + 50, expires_at=T + 80)
    assert told(job) == [(0, "enqueued", None, None), (50, "due", None, None), (80, "expires", None, None)]


def test_a_running_job_says_who_runs_it_and_how_long_the_lease_holds() -> None:
    assert told(claimed(waiting(expires_at=T + 80), 5))[1:] == [(5, "claimed", "w", 1), (14, "lease ends", "w", 1)]


def test_a_job_that_went_well_shows_start_and_end() -> None:
    assert told(settled(claimed(waiting(), 5), "succeeded", 9))[1:] == [
        (5, "claimed", None, 1),
        (9, "succeeded", None, None),
    ]


def test_a_long_night_is_told_in_order() -> None:
    job = settled(claimed(waiting(max_retries=1), 5, "w1"), "failed", 9, error="Traceback\n  x\nValueError: no")
    job = settled(claimed(job, 1_100, "w2"), "failed", 1_200, error="boom")
    dead = job
    job = operated(job, lifecycle.requeue, "requeued", 5_000)
    job = lifecycle.lose(claimed(job, 6_000, "w3"), now=T + 6_500).job or job
    job = settled(claimed(job, 7_000, "w4"), "succeeded", 7_100)
    assert told(dead)[-1] == (1_200, "died", None, None)
    assert told(job) == [
        (0, "enqueued", None, None),
        (5, "claimed", "w1", 1),
        (9, "failed", "w1", 1),
        (1_100, "claimed", "w2", 2),
        (1_200, "failed", "w2", 2),
        (1_200, "died", None, None),
        (5_000, "requeued", "ada@host", None),
        (6_000, "claimed", "w3", 3),
        (6_500, "lost", "w3", 3),
        (7_000, "claimed", None, 4),
        (7_100, "succeeded", None, None),
    ]
    details = [event.detail for event in timeline(job)]
    assert (details[2], details[4], details[5], details[8]) == (
        "ValueError: no; next try after 1s",
        "boom",
        "retries",
        "worker lost",
    )


def test_an_edit_tells_what_was_there_before() -> None:
    def edit(job: Job, mark: str) -> Any:
        return lifecycle.edit(job, replace(job, payload=b"2", priority=4, timeout=3.0), mark)

    event = timeline(operated(waiting(priority=1), edit, "edited", 7))[1]
    assert (event.event, event.by) == ("edited", "ada@host")
    assert event.detail == "the payload was 1, priority was 1, timeout was none"


def test_a_cancelled_job_says_so_once() -> None:
    job = operated(waiting(), lifecycle.cancel, "cancelled", 7)
    assert told(replace(job, finished_at=T + 8))[1:] == [
        (7, "cancelled", "ada@host", None),
        (8, "cancelled", None, None),
    ]


def test_a_worker_whose_clock_runs_ahead_does_not_fail_a_job_after_its_end() -> None:
    job = replace(settled(claimed(waiting(), 5), "permanent", 60, error="e"), finished_at=T + 50)
    assert [event for _, event, _, _ in told(job)] == ["enqueued", "claimed", "failed", "died"]


def test_what_the_record_has_forgotten_is_said() -> None:
    errors = tuple(ErrorEntry(T + n, n, "w", "e", started=T + n) for n in range(MAX_ERRORS))
    job = waiting(failures=12, losses=3, errors=errors)
    assert timeline(job)[1] == Event(T, "forgotten", detail="5 earlier failed or lost runs are no longer kept")
    assert "forgotten" not in [event.event for event in timeline(replace(job, failures=7))]


def test_a_payload_that_is_no_longer_kept_is_said_to_be_gone() -> None:
    job = waiting(history=(Deed(T + 1, "ada", "edited", dropped=70_000),))
    assert timeline(job)[1].detail == "the payload, 70,000 bytes, is no longer kept"


def test_records_of_before_this_version_are_told_as_far_as_they_go() -> None:
    job = waiting(state="dead", reason="retries", generation=2, started_at=T + 20, finished_at=T + 30, failures=2,
                  errors=(ErrorEntry(T + 10, 1, "w", "e"), ErrorEntry(T + 29, 2, "w", "e")))  # fmt: skip
    assert [(at, event, run) for at, event, _, run in told(job)] == [
        (0, "enqueued", None), (10, "failed", 1), (20, "claimed", 2), (29, "failed", 2), (30, "died", None),
    ]  # fmt: skip


STORED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)


@given(
    st.builds(Deed, st.integers(0, 2**53), st.text(max_size=5), st.text(max_size=5), st.none() | st.binary(max_size=9),
              st.dictionaries(st.sampled_from(["state", "finished_at", "reason", "priority", "headers", "x"]), STORED)),
    st.builds(ErrorEntry, st.integers(), st.integers(), st.text(max_size=5), st.text(max_size=9), st.text(max_size=5), st.none() | st.integers()),
)  # fmt: skip
def test_nothing_that_is_stored_makes_it_fail(deed: Deed, entry: ErrorEntry) -> None:
    for state in ("ready", "dead", "running"):
        events = timeline(waiting(state=state, finished_at=T, history=(deed,), errors=(entry,), lease_until=T))
        assert msgspec.json.encode(events)
