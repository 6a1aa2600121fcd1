"""Which errors are one class, and how jobs are counted by what they have in common."""

from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jq_cli.errors import UsageError
from jq_cli.job import Job, gist
from jq_cli.triage.grouping import MAX_TEXT, Group, Tally, masked

PIECES = [
    "exit code 65", "HTTP 404", "[Errno 2]", "ada@example.org", "01M86AJAP90VVY71368TVPC4NN", "2026-10-04T02:13:14Z", "0xff",
    "10.0.0.1:25", "*", "?", "[", "]", "[!a]", "\\", "x" * 150, "7", "12.5s", ": ", " ", "\n", "ß", "550e8400-e29b-41d4-a716-446655440000",
]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "group"),
    [
        ("exit code 65: no address", "exit code 65: no address"),
        ("exit code 75: timeout after 37 s", "exit code 75: timeout after * s"),
        ("SMTPError: 550 no such user ada@example.org", "SMTPError: 550 no such user *"),
        ("HTTPError: 404 Client Error for url: https://x.example/u/1234/7", "HTTPError: 404 Client Error for url: https://x.example/u/*"),
        ("[Errno 2] No such file or directory: '/tmp/x/12.csv'", "?Errno 2] No such file or directory: '/tmp/x/*.csv'"),
        ("KeyError: 'name'", "KeyError: 'name'"),
        ("connection to 10.0.0.17:5432 refused", "connection to * refused"),
        ("TimeoutError: took 12.5s at 2026-10-04T02:13:14.123Z", "TimeoutError: took *s at *"),
        ("job 01M86AJAP90VVY71368TVPC4NN lost", "job * lost"),
        ("upstream said 503 Service Unavailable", "upstream said 503 Service Unavailable"),
        ("DatabaseError: ORA-00942: no table t7 at line 12", "DatabaseError: ORA-00942: no table t7 at line *"),
        ("order ORD-12345 is missing", "order ORD-* is missing"),
        ("SQLSTATE 23505", "SQLSTATE 23505"),
        ("HTTP/1.1 503", "HTTP/1.1 503"),
        ("status=500 id=deadbeef99", "status=500 id=*"),
        ("killed by signal 9 after 3 s", "killed by signal 9 after * s"),
        ("ids 1, 2, 3 and 17 missing", "ids * and * missing"),
        ("sha256 mismatch in utf8", "sha256 mismatch in utf8"),
        ("550e8400-e29b-41d4-a716-446655440000 gone at 0xFF", "* gone at *"),
        ("Traceback (most recent call last):\n  File x\nValueError: no 7\n", "ValueError: no *"),
    ],
)  # fmt: skip
def test_what_differs_from_job_to_job_is_masked(error: str, group: str) -> None:
    assert masked(error) == group


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), max_size=12).map("".join))
def test_a_group_is_a_glob_that_matches_its_errors(error: str) -> None:
    assert fnmatchcase(gist(error), masked(error))
    assert len(masked(error)) <= MAX_TEXT + 1


def tallied(by: str, *jobs: Job, **options: Any) -> list[Group]:
    tally = Tally(by, **options)
    for job in jobs:
        tally.add(job)
    return tally.groups()


def dead(at: int, **fields: Any) -> Job:
    return Job(id=f"id{at}", queue="q", state="dead", finished_at=at, **fields)


def test_groups_tell_how_often_and_since_when_the_largest_first() -> None:
    rare, often = dead(5, last_error="a"), [dead(at, last_error=f"no {at}") for at in (30, 10, 20)]
    assert tallied("error", rare, *often) == [
        Group("q", "value", "no *", 3, 10, 30, "id30"),
        Group("q", "value", "a", 1, 5, 5, "id5"),
    ]


def test_values_are_told_apart_by_their_kind() -> None:
    payloads = [
        b'{"a": 1}',
        b'{"a": "1"}',
        b'{"a": true}',
        b'{"a": null}',
        b'{"a": [1, 2]}',
        b'{"a":[1,2]}',
        b"{}",
        b"no json",
    ]
    groups = tallied("payload.a", *(dead(at, payload=payload) for at, payload in enumerate(payloads)))
    counted = {(group.kind, repr(group.value)): group.count for group in groups}
    assert counted == {
        ("value", "1"): 1, ("value", "'1'"): 1, ("value", "True"): 1, ("value", "None"): 1, ("value", "'[1,2]'"): 2, ("none", "None"): 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("by", "value"),
    [
        ("reason", "retries"), ("state", "dead"), ("priority", 7), ("attempts", 5), ("header.tenant", "acme"),
        ("delivery", "at_least_once"), ("schedule", "nightly"), ("payload", '{"a":1}'), ("payload.a", 1),
    ],
)  # fmt: skip
def test_jobs_are_grouped_by_fields(by: str, value: object) -> None:
    job = dead(
        1, reason="retries", priority=7, failures=4, losses=1, headers={"tenant": "acme"}, schedule="nightly", payload=b'{"a": 1}'
    )  # fmt: skip
    assert [group.value for group in tallied(by, job)] == [value]


def test_beyond_the_bound_groups_are_counted_together_and_nothing_is_left_out() -> None:
    jobs = [dead(at, last_error="abcdefgh"[at % 8]) for at in range(80)]
    groups = tallied("error", *jobs, most=3)
    assert [(group.kind, group.count) for group in groups] == [("value", 10)] * 3 + [("other", 50)]
    assert (groups[-1].first_at, groups[-1].last_at, groups[-1].example) == (3, 79, "id79")


def test_a_long_value_is_cut_and_one_queue_is_not_another() -> None:
    long = b'"%s"' % (b"x" * 100_000)
    one, other = Job(queue="a", payload=long), Job(queue="b", payload=long)
    groups = tallied("payload", one, other, one)
    assert [(group.queue, group.count, len(group.value)) for group in groups] == [
        ("a", 2, MAX_TEXT),
        ("b", 1, MAX_TEXT),
    ]


@pytest.mark.parametrize("by", ["", "foo", "payload.a..b", "header", "header.", "errors", "version"])
def test_an_unknown_word_is_refused(by: str) -> None:
    with pytest.raises(UsageError, match="group-by"):
        Tally(by)
