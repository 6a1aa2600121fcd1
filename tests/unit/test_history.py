"""What operators did to a job is remembered, and the memory stays small."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from jq_cli import lifecycle
from jq_cli.history import MAX_BEFORE, MAX_BY, MAX_DEEDS, noted, remembered
from jq_cli.job import FORMAT, Deed, Job, decode, encode_body

NOW = 1_750_000_000_000


def dead(**fields: object) -> Job:
    return Job(id="x", queue="q", state="dead", version="v", reason="retries", finished_at=NOW - 9, **fields)  # type: ignore[arg-type]


def requeued(job: Job, by: str = "ada@host") -> Job:
    new = noted(lifecycle.requeue(job, "m"), job, what="requeued", by=by, now=NOW).job
    assert new is not None
    return new


def test_a_deed_keeps_who_when_and_how_things_were() -> None:
    [deed] = requeued(dead(failures=4, ready_at=7)).history
    assert (deed.at, deed.by, deed.what, deed.payload) == (NOW, "ada@host", "requeued", None)
    assert deed.before == {"state": "dead", "reason": "retries", "failures": 4, "finished_at": NOW - 9, "ready_at": 7}


def test_a_deed_changes_nothing_else() -> None:
    plain = lifecycle.requeue(dead(), "m")
    assert plain.job is not None
    new = noted(plain, dead(), what="requeued", by="a", now=NOW)
    assert replace(new, job=replace(plain.job, history=new.job.history)) == new  # type: ignore[union-attr]


def test_a_removal_and_a_row_of_a_newer_version_stay_as_they_are() -> None:
    removal = lifecycle.remove(dead(), "m")
    assert noted(removal, dead(), what="removed", by="a", now=NOW) is removal
    newer = dead(format=FORMAT + 1, raw=b"{}")
    change = lifecycle.requeue(newer, "m")
    assert noted(change, newer, what="requeued", by="a", now=NOW) is change


def test_the_history_goes_through_a_store_and_costs_nothing_where_there_is_none() -> None:
    job = replace(dead(), history=(Deed(NOW, "a", "edited", payload=b"\xff{", before={"priority": 3}),))
    assert decode(encode_body(job)).history == job.history
    assert b"history" not in encode_body(dead())


def test_an_execution_keeps_the_history_it_was_handed() -> None:
    running = replace(requeued(dead()), state="running", token="1.n", owner="w", generation=1)
    for outcome in (lifecycle.Outcome("succeeded"), lifecycle.Outcome("failed", error="e")):
        new = lifecycle.settle(running, outcome, now=NOW, rand=0.0).job
        assert new is not None
        assert new.history == running.history


def test_the_newest_former_payload_is_kept_whole_however_large() -> None:
    big = Deed(NOW, "a", "edited", payload=b"x" * (MAX_BEFORE + 1))
    assert remembered((), big) == (big,)
    faded, newest = remembered((big,), Deed(NOW + 1, "a", "requeued"))
    assert (faded.payload, faded.dropped, newest.what) == (None, MAX_BEFORE + 1, "requeued")
    assert remembered((faded,), newest)[0].dropped == MAX_BEFORE + 1


def test_a_name_is_bounded() -> None:
    [deed] = requeued(dead(), by="x" * 5_000).history
    assert len(deed.by) == MAX_BY


@given(st.lists(st.integers(0, MAX_BEFORE), min_size=1, max_size=3 * MAX_DEEDS))
def test_a_history_stays_bounded_however_often_a_job_is_changed(sizes: list[int]) -> None:
    history: tuple[Deed, ...] = ()
    for at, size in enumerate(sizes):
        history = remembered(history, Deed(at, "a", "edited", payload=b"x" * size))
    assert [deed.at for deed in history] == [*range(len(sizes))][-MAX_DEEDS:]
    assert len(history[-1].payload or b"") == sizes[-1]
    assert sum(len(deed.payload or b"") for deed in history[:-1]) <= MAX_BEFORE
    assert all(
        deed.payload is not None or deed.dropped == size for deed, size in zip(history, sizes[-MAX_DEEDS:], strict=True)
    )
    assert len(msgspec.json.encode(history)) < 2 * MAX_BEFORE + 2 * sizes[-1] + 10_000
