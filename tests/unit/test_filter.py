"""Which jobs a filter means, clause by clause, and what it refuses."""

from typing import Any

import pytest

from jq_cli.errors import InvalidField
from jq_cli.job import Job
from jq_cli.triage.filter import JobFilter
from jq_cli.triage.payload_path import parse_path

NOW = 1_000_000_000
HOUR = 3_600_000


def chosen(job: Job, **clauses: Any) -> bool:
    return JobFilter(**clauses).matches(job, NOW)


def paid(payload: bytes, *clauses: str) -> bool:
    return chosen(Job(payload=payload), payload=clauses)


def test_a_filter_without_clauses_means_all_jobs_and_is_false() -> None:
    assert not JobFilter()
    assert JobFilter(priority="0")
    assert chosen(Job())


# --- payload ---

PAYLOAD = b'{"to": "ada", "n": 5, "zip": "01234", "ok": true, "none": null, "items": [{"sku": "x1"}, {"sku": "y2"}], "a.b": 1, "l": [1, {"k": 2}]}'


@pytest.mark.parametrize(
    "clause",
    [
        "to=ada", 'to="ada"', "n=5", "n=5.0", "zip=01234", 'zip="01234"', "ok=true", "none=null", "items.0.sku=x1",
        "items.-1.sku=y2", "a\\.b=1", 'l=[1, {"k":2}]', 'l.1={"k": 2}', "to~a*", "to~?d?", "items.1.sku~[xy]2", "n~5", "ok~t*",
        "to!=bob", "to!~b*", "missing!=x", "missing!~*", "items.7.sku!=x1", "n!=true", "items~*x1*",
    ],
)  # fmt: skip
def test_a_payload_clause_holds(clause: str) -> None:
    assert paid(PAYLOAD, clause)


@pytest.mark.parametrize(
    "clause",
    [
        "to=Ada", "to=ad", "n=6", "n=true", 'n="5"', "ok=1", "ok=false", "none=", "none=0", "missing=null", "missing~*", "zip=1234",
        "items.2.sku=x1", "items.sku=x1", "items.0.0=x", "to.0=a", "to~A*", "to!=ada", "to!~a*", "l=[1]", "a.b=1", "to~da",
    ],
)  # fmt: skip
def test_a_payload_clause_does_not_hold(clause: str) -> None:
    assert not paid(PAYLOAD, clause)


def test_the_whole_payload_is_a_dot() -> None:
    assert paid(b'"hello"', ".=hello")
    assert paid(b"5", ".=5")
    assert paid(b'{"a": 1}', '.~*"a":1*')
    assert not paid(b'"hello"', ".=bye")


def test_a_number_typed_bare_finds_the_text_too() -> None:
    assert paid(b'{"n": "5"}', "n=5")
    assert paid(b'{"n": "5"}', 'n="5"')


def test_several_payload_clauses_must_all_hold() -> None:
    assert paid(PAYLOAD, "to=ada", "n=5")
    assert not paid(PAYLOAD, "to=ada", "n=6")


@pytest.mark.parametrize("payload", [b"", b"\xff", b"{", b"[" * 100_000])
def test_a_payload_that_is_no_json_has_no_values(payload: bytes) -> None:
    assert not paid(payload, "a=1")
    assert not paid(payload, ".~*")
    assert paid(payload, "a!=1")


@pytest.mark.parametrize(
    "clause",
    ["", "to", "=x", "!=x", "~x", "a..b=1", ".a=1", "a.=1", "a=~x", "a~=x", "to\\=x", '{"a": "b=c"}', '["a=b"]'],
)
def test_a_payload_clause_that_cannot_be_understood_is_refused(clause: str) -> None:
    with pytest.raises(InvalidField, match="payload"):
        JobFilter(payload=[clause])


def test_a_path_has_keys_with_dots_after_a_backslash() -> None:
    assert parse_path(r"a\.b.c\\d.0", "payload") == ("a.b", "c\\d", "0")
    assert parse_path(".", "payload") == ()


# --- errors ---

TRACEBACK = 'Traceback (most recent call last):\n  File "x.py", line 3, in f\nSMTPError: 550 no such user\n'


@pytest.mark.parametrize("glob", ["SMTP*", "*550*", "SMTPError: ??? no such user", "Traceback*x.py*"])
def test_an_error_glob_matches_the_line_that_is_shown_or_the_whole_text(glob: str) -> None:
    assert chosen(Job(last_error=TRACEBACK), errors=[glob])


@pytest.mark.parametrize("glob", ["smtp*", "550", "SMTP", "Timeout*"])
def test_an_error_glob_matches_nothing_less(glob: str) -> None:
    assert not chosen(Job(last_error=TRACEBACK), errors=[glob])


def test_of_several_errors_one_is_enough_and_no_error_matches_none() -> None:
    assert chosen(Job(last_error=TRACEBACK), errors=["Timeout*", "SMTP*"])
    assert not chosen(Job(), errors=["*"])
    with pytest.raises(InvalidField, match="error: expected a glob"):
        JobFilter(errors=[""])


# --- the rest ---


def test_headers_are_compared() -> None:
    job = Job(headers={"tenant": "acme", "a=b": "1"})
    assert chosen(job, headers=["tenant=acme"])
    assert chosen(job, headers=["tenant~ac*", "other!=x"])
    assert chosen(job, headers=[r"a\=b=1"])
    assert not chosen(job, headers=["tenant=acme", "other=x"])
    with pytest.raises(InvalidField, match="header"):
        JobFilter(headers=["tenant"])


@pytest.mark.parametrize(
    ("job", "made"),
    [
        (Job(state="dead", created_at=1, started_at=2, finished_at=NOW - HOUR), "end"),
        (Job(state="running", created_at=1, started_at=NOW - HOUR), "start"),
        (Job(state="ready", created_at=NOW - HOUR, ready_at=1), "creation"),
        (Job(state="scheduled", created_at=NOW - HOUR, ready_at=NOW + HOUR), "creation"),
    ],
)
def test_an_age_is_counted_from_the_moment_that_matters_in_its_state(job: Job, made: str) -> None:
    assert chosen(job, older_than="1h")
    assert chosen(job, older_than="59m", newer_than="61m")
    assert not chosen(job, newer_than="1h")
    assert not chosen(job, older_than="61m")


def test_an_age_may_be_a_moment() -> None:
    job = Job(state="dead", finished_at=1_790_000_000_000)
    assert chosen(job, newer_than="2026-09-21T14:13:19Z")
    assert chosen(job, older_than="2026-09-21T14:13:20Z")
    assert not chosen(job, newer_than="2026-09-21T14:13:20Z")


@pytest.mark.parametrize("age", ["", "5", "-1h", "soon", "2026-09-21T14:13:20", "2026-99-99"])
def test_an_age_that_cannot_be_understood_is_refused(age: str) -> None:
    with pytest.raises(InvalidField, match="than"):
        JobFilter(older_than=age)
    with pytest.raises(InvalidField, match="than"):
        JobFilter(newer_than=age)


@pytest.mark.parametrize(
    ("text", "held"),
    [("3", [3]), ("1..3", [1, 2, 3]), ("3..", [3, 4, 5]), ("..1", [-2, -1, 0, 1]), ("-2..-1", [-2, -1]), ("-2", [-2])],
)
def test_numbers_are_compared_with_a_number_or_a_range(text: str, held: list[int]) -> None:
    assert [n for n in range(-2, 6) if chosen(Job(priority=n), priority=text)] == held


def test_attempts_are_failures_and_losses() -> None:
    assert chosen(Job(failures=2, losses=1), attempts="3")
    assert not chosen(Job(failures=2, losses=1), attempts="..2")


@pytest.mark.parametrize("text", ["", "..", "x", "3..1", "1-3", "1.5", ">3", "9" * 5000])
def test_a_range_that_cannot_be_understood_is_refused(text: str) -> None:
    with pytest.raises(InvalidField, match="priority"):
        JobFilter(priority=text)
    with pytest.raises(InvalidField, match="attempts"):
        JobFilter(attempts=text)


def test_ids_and_states_are_sets() -> None:
    assert chosen(Job(id="b", state="dead"), ids=["a", "b"], states=["dead", "ready"])
    assert not chosen(Job(id="c", state="dead"), ids=["a", "b"])
    assert not chosen(Job(id="a", state="running"), states=["dead"])


def test_a_payload_is_not_decoded_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[bytes] = []
    monkeypatch.setattr("jq_cli.triage.filter.msgspec.json.decode", lambda text: decoded.append(text) or {})
    filter = JobFilter(payload=["a!=1"], priority="5")
    decoded.clear()
    assert not filter.matches(Job(priority=4, payload=b"{}"), NOW)
    assert decoded == []
    assert filter.matches(Job(priority=5, payload=b"{}"), NOW)
    assert decoded == [b"{}"]
