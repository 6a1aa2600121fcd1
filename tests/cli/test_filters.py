"""Filters of `ls` and `dlq ls`: which jobs are listed, on each store; what is refused."""

import json

import pytest

from jq_cli.lifecycle import Outcome
from tests.cli.program import Program
from tests.cli.stored import dead, end, put, running

TRACEBACK = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\nSMTPError: 550 no such user'


def listed(jq: Program, *args: str, **options: object) -> list[str]:
    return jq.ok(*args, "-q", **options).lines


def mails(jq: Program) -> list[str]:
    """Four dead jobs: two by one error."""
    ids = put(jq, "q", b'{"to": "ada", "n": [1, 2]}', b'{"to": "bob", "n": [3]}', headers={"tenant": "acme"})
    end(jq, "q", 2, Outcome("permanent", error=TRACEBACK))
    ids += put(jq, "q", b'{"to": "ada", "n": [5]}', b'"text"', priority=7)
    end(jq, "q", 2, Outcome("permanent", error="exit code 75: timeout"))
    return ids


def test_dead_jobs_are_listed_by_what_they_are_and_why_they_died(jq_on_each: Program) -> None:
    a, b, c, d = mails(jq_on_each)
    ls = ("dlq", "ls", "q")
    assert listed(jq_on_each, *ls, "--error", "SMTP*") == [a, b]
    assert listed(jq_on_each, *ls, "--error", "SMTP*", "--error", "*timeout") == [a, b, c, d]
    assert listed(jq_on_each, *ls, "--payload", "to=ada") == [a, c]
    assert listed(jq_on_each, *ls, "--payload", "to=ada", "--payload", "n.0~[2-9]") == [c]
    assert listed(jq_on_each, *ls, "--payload", "to!=ada") == [b, d]
    assert listed(jq_on_each, *ls, "--header", "tenant=acme", "--reverse") == [b, a]
    assert listed(jq_on_each, *ls, "--priority", "1..") == [c, d]
    assert listed(jq_on_each, *ls, "--attempts", "1", "--error", "exit*") == [c, d]
    assert listed(jq_on_each, *ls, "--newer-than", "1h", "--error", "exit*") == [c, d]
    assert listed(jq_on_each, *ls, "--older-than", "1h") == []
    assert listed(jq_on_each, *ls, "--id", d, "--id", a, "--error", "SMTP*") == [a]
    assert listed(jq_on_each, *ls, "--id", "-", input=f"{d}\n{a}\n") == [d, a]


def test_ls_filters_in_the_states_asked_for(jq_on_each: Program) -> None:
    a, _, c, _ = mails(jq_on_each)
    [ready] = put(jq_on_each, "q", b'{"to": "ada"}')
    busy, _ = running(jq_on_each, "other")
    assert listed(jq_on_each, "ls", "q", "--payload", "to=ada") == [ready, a, c]
    assert listed(jq_on_each, "ls", "q", "--state", "ready", "--payload", "to=ada") == [ready]
    assert listed(jq_on_each, "ls", "q", "other", "--state", "ready,running", "--newer-than", "1h") == [ready, busy]


def test_a_filtered_table_says_that_there_may_be_more(jq: Program) -> None:
    dead(jq, "q", 60)
    result = jq.ok("dlq", "ls", "q", "--error", "it*")
    assert len(result.lines) == 51
    assert "showing the first 50 that match; --limit 0 shows all" in result.err
    assert jq.ok("dlq", "ls", "q", "--error", "it*", "--limit", "0").err == ""
    assert len(jq.ok("dlq", "ls", "q", "--error", "it*", "-q").lines) == 60
    assert "showing 50 of 60 jobs" in jq.ok("ls", "q", "--state", "dead").err


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--payload", "to", "payload: expected NAME=VALUE"),
        ("--payload", "a..b=1", "payload: 'a..b' is not a path"),
        ("--header", "x", "header: expected NAME=VALUE"),
        ("--error", "", "error: expected a glob"),
        ("--older-than", "5", "older-than: '5' needs a unit, such as 5s"),
        ("--newer-than", "2026-01-01T00:00:00", "newer-than: '2026-01-01T00:00:00' has no time zone"),
        ("--priority", "high", "priority: expected a number or a range"),
        ("--attempts", "5..1", "attempts: expected a number or a range"),
        ("--state", "broken", "--state: no state 'broken'"),
    ],
)
def test_a_filter_that_cannot_be_understood_is_refused(jq: Program, option: str, value: str, message: str) -> None:
    dead(jq, "q")
    result = jq("ls", "q", option, value)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_dead_jobs_are_shown_in_full_by_a_filter(jq_on_each: Program) -> None:
    a, b, c, d = mails(jq_on_each)
    shown = json.loads(jq_on_each.ok("dlq", "show", "q", "--error", "SMTP*", "--json").out)
    assert [job["id"] for job in shown] == [a, b]
    assert [
        json.loads(line)["id"] for line in jq_on_each.ok("dlq", "show", "q", "--payload", "to!=ada", "--jsonl").lines
    ] == [b, d]
    assert json.loads(jq_on_each.ok("dlq", "show", "q", a, c, "--error", "exit*", "--json").out)[0]["id"] == c
    assert jq_on_each.ok("dlq", "show", "q", "--error", "no*", "--json").out == "[]\n"
    assert "no such user" in jq_on_each.ok("dlq", "show", "q", "--error", "SMTP*").out
    assert jq_on_each.ok("dlq", "show", "q", "-", "--json", "--error", "SMTP*", input="").out == "[]\n"
    assert jq_on_each("dlq", "show", "q").code == 2


# --- groups ---


def groups(jq: Program, *args: str) -> list[dict[str, object]]:
    return json.loads(jq.ok(*args, "--json").out)


def test_dead_jobs_are_counted_by_error(jq_on_each: Program) -> None:
    a, b, c, d = mails(jq_on_each)
    smtp, timeout = groups(jq_on_each, "dlq", "ls", "q", "--group-by", "error")
    assert (smtp["group"], smtp["count"], smtp["queue"], smtp["kind"]) == (
        "SMTPError: 550 no such user",
        2,
        "q",
        "value",
    ) or (timeout["group"] == "SMTPError: 550 no such user")
    assert {smtp["group"], timeout["group"]} == {"SMTPError: 550 no such user", "exit code 75: timeout"}
    assert smtp["first_at"] <= smtp["last_at"]
    assert {smtp["example"], timeout["example"]} <= {a, b, c, d}
    assert listed(jq_on_each, "dlq", "ls", "q", "--error", str(timeout["group"])) in ([a, b], [c, d])


def test_jobs_are_counted_by_a_value_of_the_payload(jq_on_each: Program) -> None:
    mails(jq_on_each)
    put(jq_on_each, "other", b'{"to": "ada"}')
    ada, *rest = groups(jq_on_each, "ls", "q", "other", "--group-by", "payload.to")
    assert (ada["queue"], ada["group"], ada["count"]) == ("q", "ada", 2)
    assert sorted((row["queue"], row["group"], row["kind"], row["count"]) for row in rest if row["group"]) == [
        ("other", "ada", "value", 1),
        ("q", "bob", "value", 1),
    ]
    assert [(row["queue"], row["kind"], row["count"]) for row in rest if not row["group"]] == [("q", "none", 1)]
    assert [row["count"] for row in groups(jq_on_each, "ls", "q", "--group-by", "state", "--error", "SMTP*")] == [2]


def test_groups_come_in_every_form(jq: Program) -> None:
    mails(jq)
    by = ("dlq", "ls", "q", "--group-by", "payload.to")
    assert jq.ok(*by, "--plain", "--columns", "count,group").lines[0] == "count\tgroup"
    assert sorted(jq.ok(*by, "--plain", "--columns", "count,group", "--no-headers").lines) == [
        "1\t(none)", "1\tbob", "2\tada",
    ]  # fmt: skip
    assert sorted(jq.ok(*by, "-q").lines) == ["(none)", "ada", "bob"]
    assert len(jq.ok(*by, "--jsonl").lines) == 3
    assert jq.ok(*by, "--columns", "group,example", "--limit", "1").lines[1].startswith("ada")
    assert jq.ok(*by, "--plain", "--columns", "group", "--no-headers", "--reverse").lines[-1] == "ada"
    assert "showing 1 of 3 groups" in jq.ok(*by, "--limit", "1").err
    assert groups(jq, "dlq", "ls", "q", "--group-by", "payload.to", "--error", "no*") == []


def test_a_group_cannot_harm_a_terminal(jq: Program) -> None:
    put(jq, "q", b'"\\u001b[31mred\\u202e[bold]"')
    result = jq.on_terminal("ls", "q", "--group-by", "payload")
    assert "\\x1b[31mred\\u202e[bold]" in result.out


def test_what_cannot_be_grouped_by_is_refused(jq: Program) -> None:
    dead(jq, "q")
    result = jq("dlq", "ls", "q", "--group-by", "colour")
    assert (result.code, result.out) == (2, "")
    assert "--group-by: expected error, reason, " in result.err
