"""Edits: what they make of a job, what they are checked for, and when they are refused."""

from typing import Any

import pytest
from msgspec.structs import replace

from jq_cli.change import Change, Unchanged
from jq_cli.errors import Conflict, InvalidField
from jq_cli.history import noted
from jq_cli.job import FORMAT, STATES, Job, State
from jq_cli.lifecycle import KEEPING, Keeping
from jq_cli.triage.edits import Edits

NOW = 1_750_000_000_000
ID = "01K4ZZZZZZZZZZZZZZZZZZZZZZ"


def job(state: State = "dead", **fields: Any) -> Job:
    defaults: dict[str, Any] = {
        "payload": b'{"a":1}',
        "version": "v",
        "finished_at": NOW - 5 if state == "dead" else None,
    }
    return Job(id=ID, queue="q", state=state, **(defaults | fields))


def changed(old: Job, keeping: Keeping = KEEPING, **edits: Any) -> Change:
    return Edits(**edits).change(old, "m", keeping)


def edited(old: Job, **edits: Any) -> Job:
    new = noted(changed(old, **edits), old, what="edited", by="ada@host", now=NOW).job
    assert new is not None
    return new


def test_a_payload_is_replaced_and_the_former_one_remembered() -> None:
    change = changed(job(), payload=b'{"a":2}')
    assert (change.payload, change.expect, change.fenced, change.mark) == (True, "v", False, "m")
    assert change.job is not None
    assert (change.job.payload, change.job.state, change.job.finished_at) == (b'{"a":2}', "dead", NOW - 5)
    [deed] = edited(job(), payload=b'{"a":2}').history
    assert (deed.what, deed.by, deed.at, deed.payload, deed.before) == ("edited", "ada@host", NOW, b'{"a":1}', {})


def test_options_are_changed_without_touching_the_payload() -> None:
    old = job("ready", priority=3, headers={"a": "1", "b": "2"})
    change = changed(old, fields={"priority": 5, "timeout": 2.0}, headers={"a": None, "c": "3"})
    assert change.payload is False
    assert change.job is not None
    assert (change.job.priority, change.job.timeout, change.job.headers) == (5, 2.0, {"b": "2", "c": "3"})
    [deed] = edited(old, fields={"priority": 5, "timeout": 2.0}, headers={"a": None, "c": "3"}).history
    assert deed.payload is None
    assert deed.before == {"priority": 3, "timeout": None, "headers": {"a": "1", "b": "2"}}


def test_an_edit_and_a_requeue_are_one_change_and_one_deed() -> None:
    change = changed(job(failures=4, reason="retries"), payload=b"2", requeue=True)
    assert (change.expect, change.payload, change.delay) == ("v", True, 0)
    assert change.job is not None
    assert (change.job.state, change.job.failures, change.job.payload) == ("ready", 0, b"2")
    [deed] = edited(job(failures=4, reason="retries"), payload=b"2", requeue=True).history
    assert (deed.what, deed.payload, deed.before["state"], deed.before["reason"]) == (
        "edited",
        b'{"a":1}',
        "dead",
        "retries",
    )


@pytest.mark.parametrize("state", STATES)
def test_only_a_job_that_waits_or_is_dead_is_edited(state: State) -> None:
    if state in ("ready", "scheduled", "dead"):
        assert edited(job(state), payload=b"2").state == state
    else:
        with pytest.raises(Conflict, match=f"job {ID} is {state}: "):
            edited(job(state), payload=b"2")


def test_only_a_dead_job_is_requeued() -> None:
    with pytest.raises(Conflict, match="only a dead job can be requeued"):
        changed(job("ready"), payload=b"2", requeue=True)


def test_a_row_of_a_newer_version_is_not_edited() -> None:
    with pytest.raises(Conflict, match="written by a newer version"):
        edited(job(format=FORMAT + 1, raw=b"{}"), payload=b"2")


def test_a_dead_job_keeps_the_end_of_its_retention() -> None:
    assert changed(job(), payload=b"2", keeping=Keeping(dlq_retention=60.0)).keep == 60_000
    assert changed(job(), payload=b"2").keep is None


def test_an_edit_that_changes_nothing_is_no_change() -> None:
    for edits in (
        {"payload": b'{"a":1}'},
        {"sets": ((("a",), b"1"),)},
        {"fields": {"priority": 0}},
        {"headers": {"x": None}},
    ):
        with pytest.raises(Unchanged):
            edited(job(), **edits)


@pytest.mark.parametrize(
    ("edits", "field"),
    [
        ({"payload": b"[" * 200 + b"]" * 200}, "payload: nesting is deeper than the 128"),
        ({"payload": b"{"}, "payload: not valid JSON"),
        ({"payload": b'"' + b"x" * 1_048_576 + b'"'}, "payload: 1,048,578 bytes are more than the 1,048,576"),
        ({"payload": b'"\\ud800"'}, "payload: a lone surrogate"),
        ({"fields": {"priority": 1_001}}, "priority: expected -1000..1000"),
        ({"fields": {"max_retries": -1}}, "max_retries: expected 0..1000"),
        ({"fields": {"timeout": 0.0}}, "timeout: expected 0.001 s"),
        ({"headers": {"a": "x" * 20_000}}, "headers: 20,001 bytes"),
        ({"headers": {"a": "\0"}}, "headers: NUL"),
    ],
)
def test_values_have_the_bounds_of_a_producer(edits: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        edited(job(), **edits)
    assert str(caught.value).startswith(f"job {ID}: {field}")


def test_values_that_no_job_may_have_are_found_before_the_first_job_is_looked_at() -> None:
    for edits in ({"payload": b"{"}, {"fields": {"priority": 1_001}}, {"headers": {"a": "\0"}}):
        with pytest.raises(InvalidField):
            Edits(**edits).check()
    Edits(sets=((("to", "name"), b"1"),), unset=(("x",),)).check()


def test_a_payload_that_nobody_touched_is_not_judged() -> None:
    assert edited(job(payload=b"{ damaged"), fields={"priority": 1}).payload == b"{ damaged"


def test_a_damaged_record_stays_as_it_is_until_it_is_requeued() -> None:
    damaged = job(raw=b"{", reason="undecodable")
    assert edited(damaged, payload=b"2").raw == b"{"
    assert edited(damaged, payload=b"2", requeue=True).raw == b""


def test_the_idempotency_key_goes_on_standing_for_what_its_producer_sent() -> None:
    old = job(idempotency_key="k")
    change = changed(old, payload=b"2")
    assert change.keys == ()
    assert replace(change.job, payload=old.payload, history=()) == old  # type: ignore[type-var]
