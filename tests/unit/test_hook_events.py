"""Events follow from the transition alone, so that no transition is forgotten."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from jq_cli import lifecycle
from jq_cli.backends.base import Inserted
from jq_cli.backends.http.wire import ChangeRow, pack_change, unpack_change
from jq_cli.change import Change
from jq_cli.draft import make_draft
from jq_cli.hooks.event import EVENTS, Event, changed, enqueued, kinds, record
from jq_cli.job import FORMAT, Job
from jq_cli.lifecycle import Keeping, Outcome
from tests.unit.test_change import changes

WAITING = Job(id="x", queue="q", payload=b"1", version="v")
RUNNING = replace(WAITING, state="running", token="1.n", owner="w", generation=1)
ONCE = replace(RUNNING, delivery="at_most_once")
DEAD = replace(WAITING, state="dead", failures=4)


def settled(kind: str, job: Job = RUNNING, keeping: Keeping = lifecycle.KEEPING) -> Change:
    return lifecycle.settle(job, Outcome(kind, error="e", delay=5), now=9, rand=0.0, keeping=keeping)


TOLD: dict[str, tuple[Change, tuple[str, ...]]] = {
    "a success": (settled("succeeded"), ("succeeded",)),
    "a success that is not kept": (settled("succeeded", keeping=Keeping(0.0)), ("succeeded",)),
    "a failure with tries left": (settled("failed"), ("failed", "retried")),
    "the last failure": (settled("failed", replace(RUNNING, failures=3)), ("failed", "dead")),
    "a failure of a job that is to be cancelled": (settled("failed", replace(RUNNING, stop=True)), ("failed", "cancelled")),
    "a permanent failure": (settled("permanent"), ("failed", "dead")),
    "a failure that may not be repeated": (settled("failed", ONCE), ("failed", "dead")),
    "a snooze": (settled("snoozed"), ("snoozed",)),
    "a snooze without delay": (lifecycle.snooze(RUNNING, 0), ("snoozed",)),
    "a snooze that may not be": (settled("snoozed", ONCE), ("dead",)),
    "an interruption": (settled("interrupted"), ("interrupted",)),
    "an interruption that may not be repeated": (settled("interrupted", ONCE), ("interrupted", "dead")),
    "a stop that an operator asked for": (settled("interrupted", replace(RUNNING, stop=True)), ("cancelled",)),
    "a job given back": (lifecycle.release(RUNNING), ("released",)),
    "a lost worker": (lifecycle.lose(RUNNING, now=9, mark="m"), ("recovered",)),
    "a worker lost once too often": (lifecycle.lose(replace(RUNNING, losses=3), now=9), ("recovered", "dead")),
    "a lease that ended": (lifecycle.on_due(RUNNING, now=9, mark="m"), ("recovered",)),
    "an expiry": (lifecycle.on_due(WAITING, now=9, mark="m"), ("dead",)),
    "a promotion": (lifecycle.promote(replace(WAITING, state="scheduled"), "m"), ("promoted",)),
    "a requeued dead job": (lifecycle.requeue(DEAD, "m"), ("requeued",)),
    "a cancelled job": (lifecycle.cancel(WAITING, "m"), ("cancelled",)),
    "a removed job": (lifecycle.remove(DEAD, "m"), ("removed",)),
    "a request to stop": (lifecycle.cancel(RUNNING, "m"), ()),
}  # fmt: skip


@pytest.mark.parametrize("what", TOLD)
def test_each_transition_has_its_events(what: str) -> None:
    change, events = TOLD[what]
    assert [event.event for event in changed([change], ["applied"])] == list(events)


@pytest.mark.parametrize("what", TOLD)
def test_a_change_that_travelled_to_a_server_has_the_same_events_but_for_the_payload(what: str) -> None:
    change, _ = TOLD[what]
    sent = msgspec.msgpack.encode(pack_change(change))
    came = unpack_change(msgspec.msgpack.decode(sent, type=ChangeRow))
    here = [replace(event, payload=None) for event in changed([change], ["applied"])]
    assert list(changed([came], ["applied"])) == here
    assert list(changed([came], ["already"])) == ([] if what == "a removed job" else here)


def test_an_edit_is_told() -> None:
    step = lifecycle.cancel(RUNNING, "m").step
    assert step is not None
    assert kinds(replace(step, old=WAITING, new=replace(WAITING, priority=5))) == ("edited",)
    assert kinds(replace(step, old=DEAD, new=replace(DEAD, payload=b"2"))) == ("edited",)


def test_the_end_of_a_jobs_time_in_the_store_is_not_told() -> None:
    gone = lifecycle.on_due(replace(WAITING, state="succeeded"), now=9, mark="m")
    assert list(changed([gone], ["applied"])) == []


def test_a_job_left_to_newer_workers_was_neither_started_nor_given_back() -> None:
    change = lifecycle.refusal(replace(RUNNING, format=FORMAT + 1, raw=b"{}"), now=9)
    assert change is not None
    assert list(changed([change], ["applied"])) == []


@given(changes())
def test_whatever_policy_makes_has_events_that_are_known(made: tuple[Job, Change]) -> None:
    told = list(changed([made[1]], ["applied"]))
    assert {event.event for event in told} <= set(EVENTS)
    assert all((event.queue, event.job) == (made[0].queue, made[0].id) for event in told)


def test_only_what_took_effect_is_told_and_what_took_effect_before_is_told_too() -> None:
    win, rm = settled("succeeded"), lifecycle.remove(DEAD, "m")
    told = changed([win, win, win, rm, rm], ["applied", "already", "lost", "applied", "already"])
    assert [event.event for event in told] == ["succeeded", "succeeded", "removed"]


def test_an_event_says_who_ran_the_job_which_try_it_was_and_what_went_wrong() -> None:
    failed, dead = changed([settled("failed", replace(RUNNING, failures=3))], ["applied"])
    assert (failed.worker, failed.attempt, failed.error, failed.reason) == ("w", 4, "e", None)
    assert (dead.worker, dead.attempt, dead.error, dead.reason) == ("w", 4, "e", "retries")
    [cancelled] = changed([lifecycle.cancel(WAITING, "m")], ["applied"])
    assert (cancelled.worker, cancelled.error, cancelled.reason) == (None, None, "cancelled")


def test_the_end_of_a_long_error_is_kept() -> None:
    change = lifecycle.settle(RUNNING, Outcome("failed", error="x" * 9_000 + "cause"), now=9, rand=0.0)
    failed = next(iter(changed([change], ["applied"])))
    assert failed.error is not None
    assert (len(failed.error), failed.error[-5:]) == (4_096, "cause")


def test_only_drafts_that_made_a_job_are_told() -> None:
    drafts = [make_draft(replace(WAITING, id=f"01K400000000000000000000{n:02}")) for n in range(3)]
    answers = [Inserted("created", "a"), Inserted("duplicate", "b"), Inserted("replayed", "c")]
    assert [event.job for event in enqueued(drafts, answers)] == [drafts[0].job.id]


@pytest.mark.parametrize(
    ("payload", "shown"),
    [(b'{"a": [1, null]}', {"a": [1, None]}), (b"\xff", "\\xff"), (b"nonsense", "nonsense"), (None, None)],
)
def test_a_record_is_json_whatever_the_payload(payload: bytes | None, shown: Any) -> None:
    event = Event(event="enqueued", queue="q", job="x", attempt=1, payload=payload)
    assert msgspec.json.decode(msgspec.json.encode(record(event))).get("payload") == shown


@given(st.sampled_from(list(TOLD)))
def test_events_survive_the_way_to_the_courier(what: str) -> None:
    told = list(changed([TOLD[what][0]], ["applied"]))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(told), type=list[Event]) == told
