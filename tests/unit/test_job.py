"""The job record and its row form: what goes in comes out, and nothing that is stored can make reading fail."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from jq_cli.errors import InvalidField
from jq_cli.ids import new_id
from jq_cli.job import FORMAT, HEAD, Backoff, ErrorEntry, Job, decode, encode_body, gist, lease_of

FULL = Job(
    id=new_id(), queue="q", state="dead", priority=-3, ready_at=5, created_at=4, expires_at=9, started_at=6, finished_at=7,
    generation=2, version="v", payload=b'{"a": 1}', delivery="at_most_once", max_retries=0, max_losses=7,
    backoff=Backoff(0.5, 3.0, 9.0, 0.2), timeout=1.5, retention=0.0, dedup_key="d", dedup_ttl=2.5, dedup_until="done",
    idempotency_key="i", idempotency_ttl=3.5, headers={"ü": "\n"}, schedule="s", failures=1, losses=2, reason="retries",
    last_error="boom\x1b", errors=(ErrorEntry(1, 1, "w", "e"), ErrorEntry(2, 2, "w", "f", "lost")), result=msgspec.Raw(b'{"b": 2}'),
)  # fmt: skip


def head_of(job: Job) -> dict[str, object]:
    return {name: getattr(job, name) for name in HEAD} | {"payload": job.payload}


def stored(job: Job) -> Job:
    """A job after its way through a store."""
    return decode(encode_body(job), **head_of(job))


def test_a_job_comes_back_from_its_row_as_it_was() -> None:
    assert stored(FULL) == FULL
    assert stored(Job(id="x", queue="q")) == Job(id="x", queue="q")


def test_the_head_and_the_payload_are_never_part_of_the_body() -> None:
    fields = msgspec.json.decode(encode_body(FULL))
    assert set(fields).isdisjoint({*HEAD, "payload"})


def test_a_job_without_options_has_an_empty_body() -> None:
    assert encode_body(Job(id="x", queue="q", payload=b"1", priority=5)) == b"{}"


def test_head_fields_in_a_body_are_overlaid_by_the_head() -> None:
    job = decode(b'{"state":"dead","id":"evil","priority":9}', id="good", queue="q", state="ready", priority=1)
    assert (job.id, job.state, job.priority) == ("good", "ready", 1)


@pytest.mark.parametrize("result", [b"null", b"0", b'""', b"[1, 2]"])
def test_a_result_keeps_its_bytes(result: bytes) -> None:
    assert bytes(stored(replace(FULL, result=msgspec.Raw(result))).result) == result


@pytest.mark.parametrize("empty", [msgspec.Raw(), msgspec.Raw(b"")])
def test_a_job_without_a_result_has_a_body_of_valid_json(empty: msgspec.Raw) -> None:
    assert msgspec.json.decode(encode_body(replace(FULL, result=empty)))["failures"] == 1


@given(st.binary(max_size=60))
def test_no_stored_bytes_make_reading_fail(body: bytes) -> None:
    job = decode(body, id="x", queue="q", payload=b"1")
    assert (job.id, job.payload) == ("x", b"1")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from([*msgspec.structs.fields(Job)]).map(lambda f: f.name) | st.text(), VALUES, max_size=4
    )
)
def test_no_stored_object_makes_reading_or_writing_again_fail(fields: dict[str, object]) -> None:
    try:
        body = msgspec.json.encode(fields)
    except (
        ValueError,
        UnicodeEncodeError,
    ):  # integers beyond 64 bits, lone surrogates: not JSON that anybody could store
        return
    job = decode(body, id="x", queue="q", payload=b"1")
    again = decode(encode_body(job), **head_of(job))
    assert again == job


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"max_retries":"x"}', b"\xff", b"[" * 100_000])
def test_a_body_that_cannot_be_decoded_is_kept_as_it_is(body: bytes) -> None:
    job = decode(body, id="x", queue="q")
    assert job.damaged
    assert job.raw == (body or b"null")
    assert stored(job).raw == job.raw


def test_a_damaged_job_whose_fate_was_written_is_no_longer_damaged() -> None:
    job = replace(decode(b"{", id="x", queue="q"), reason="undecodable")
    assert not stored(job).damaged
    assert stored(job).raw == b"{"


def test_unknown_fields_are_kept_and_written_back() -> None:
    job = decode(b'{"max_retries":7,"wonder":{"n":[1]}}', id="x", queue="q")
    assert (job.max_retries, job.extra, job.damaged) == (7, {"wonder": {"n": [1]}}, False)
    changed = stored(replace(job, failures=1))
    assert (changed.failures, changed.extra) == (1, {"wonder": {"n": [1]}})
    assert msgspec.json.decode(encode_body(changed)) == {"max_retries": 7, "failures": 1, "wonder": {"n": [1]}}


def test_a_row_of_a_newer_format_is_kept_byte_for_byte() -> None:
    body = b'{ "format": %d, "max_retries": {"new": "shape"} }' % (FORMAT + 1)
    job = decode(body, id="x", queue="q")
    assert (job.format, job.damaged) == (FORMAT + 1, False)
    assert encode_body(replace(job, failures=5)) == body


def test_attempts_count_failures_and_losses() -> None:
    assert Job().attempt == 1
    assert Job(failures=2, losses=3).attempt == 6


def test_order_is_priority_then_moment_then_id() -> None:
    jobs = [
        Job(id=id, priority=p, ready_at=at)
        for p, at, id in ((1, 5, "b"), (1, 5, "a"), (1, 4, "c"), (2, 9, "d"), (-1, 0, "e"))
    ]
    assert [job.id for job in sorted(jobs, key=lambda job: job.order)] == ["d", "c", "a", "b", "e"]


def test_a_running_job_wakes_at_the_end_of_its_lease_and_another_when_it_expires() -> None:
    job = Job(lease_until=5, expires_at=9)
    assert replace(job, state="running").wake_at == 5
    assert replace(job, state="ready").wake_at == 9
    assert Job().wake_at is None


def test_only_finished_jobs_without_a_retention_of_their_own_are_counted() -> None:
    assert Job(state="succeeded").counted
    assert not Job(state="dead").counted
    assert not Job(state="succeeded", retention=0.0).counted


def test_a_lease_names_queue_id_and_token() -> None:
    lease = lease_of(Job(id="x", queue="q", token="1.n"))
    assert (lease.queue, lease.id, lease.token) == ("q", "x", "1.n")


def test_nobody_holds_the_lease_of_a_job_that_does_not_run() -> None:
    with pytest.raises(InvalidField, match="nobody holds its lease"):
        lease_of(Job(id="x"))


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("", ""), ("boom", "boom"), ("Traceback (most recent call last):\n  File x\nKeyError: 'a'\n", "KeyError: 'a'"),
        ("exit code 3\n\nlast words\n", "exit code 3: last words"),
    ],
)  # fmt: skip
def test_the_gist_of_an_error_is_one_line(error: str, line: str) -> None:
    assert gist(error) == line
