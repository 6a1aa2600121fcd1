"""`jq dlq edit`: dead jobs by id, by a filter, or all."""

import json
from typing import Any

import pytest

from tests.cli.editors import editor, kept
from tests.cli.program import Program
from tests.cli.stored import dead, put


def shown(jq: Program, *ids: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in jq.ok("show", *ids, "--jsonl").lines]


def test_many_dead_jobs_are_edited_and_requeued_at_once(jq_on_each: Program) -> None:
    jq = jq_on_each
    bad = dead(jq, "q", 3, error="SMTP: no such host")
    other = dead(jq, "q", 2, error="boom")
    asked = jq("dlq", "edit", "q", "--error", "SMTP*", "--set", "host=mail", "--requeue")
    assert (asked.code, asked.out) == (2, "")
    assert "3 dead jobs" in asked.err
    result = jq.ok(
        "dlq", "edit", "q", "--error", "SMTP*", "--set", "host=mail", "--requeue", "--yes", env={"USER": "ada"}
    )
    assert result.out == "3\n"
    for n, record in enumerate(shown(jq, *bad)):
        assert (record["state"], record["payload"], record["failures"]) == ("ready", {"n": n, "host": "mail"}, 0)
        [deed] = record["history"]
        assert (deed["what"], deed["payload"], deed["before"]["reason"]) == ("edited", {"n": n}, "permanent")
        assert deed["by"].startswith("ada@")
    assert [record["state"] for record in shown(jq, *other)] == ["dead", "dead"]


def test_called_again_it_changes_only_what_is_left(jq: Program) -> None:
    ids = dead(jq, "q", 4)
    jq.ok("dlq", "edit", "q", ids[0], "--set", "a=1")
    result = jq.ok("dlq", "edit", "q", "--all", "--set", "a=1", "--yes")
    assert result.out == "3\n"
    assert "3 edited, 1 unchanged" in result.err
    assert {len(record["history"]) for record in shown(jq, *ids)} == {1}


def test_the_filter_and_the_new_values_have_names_of_their_own(jq: Program) -> None:
    dead(jq, "q", 3)
    args = [
        "--payload",
        "n=1",
        "--new-priority",
        "7",
        "--new-header",
        "by=night shift",
        "--new-payload",
        "[]",
        "--max-retries",
        "9",
    ]
    assert jq.ok("dlq", "edit", "q", *args, "--yes").out == "1\n"
    [record] = [json.loads(line) for line in jq.ok("dlq", "ls", "q", "--jsonl", "--priority", "7").lines]
    assert (record["payload"], record["headers"], record["max_retries"]) == ([], {"by": "night shift"}, 9)


def test_a_dry_run_counts_and_changes_nothing(jq: Program) -> None:
    ids = dead(jq, "q", 3)
    before = shown(jq, *ids)
    assert jq.ok("dlq", "edit", "q", "--all", "--set", "a=1", "--dry-run").out == "3\n"
    assert shown(jq, *ids) == before


def test_a_path_that_leads_nowhere_in_some_jobs_is_reported_for_each(jq: Program) -> None:
    ids = dead(jq, "q", 2)
    jq.ok("dlq", "edit", "q", ids[0], "--set", "to={}")
    result = jq("dlq", "edit", "q", "--all", "--set", "n.a=1", "--yes")
    assert result.code == 7
    for id in ids:
        assert f"job {id}: payload: n is neither an object nor a list" in result.err


def test_only_dead_jobs_are_edited(jq: Program) -> None:
    [ready] = put(jq, "q", b"{}")
    refused = jq("dlq", "edit", "q", ready, "--set", "a=1")
    assert (refused.code, refused.out) == (4, "0\n")
    assert "is ready, not dead" in refused.err
    result = jq("dlq", "edit", "q", ready, env=editor(jq, 'echo 2 > "$1"'))
    assert (result.code, result.out) == (4, "0\n")
    assert "is ready, not dead" in result.err
    assert shown(jq, ready)[0]["payload"] == {}


def test_the_editor_opens_dead_jobs_that_are_named(jq_on_each: Program) -> None:
    first, second = dead(jq_on_each, "q", 2)
    env = editor(jq_on_each, 'sed -i \'s/"n": /"m": /\' "$1"')
    assert jq_on_each.ok("dlq", "edit", "q", first, "--id", second, "--requeue", env=env).out == "2\n"
    assert [(r["state"], r["payload"]) for r in shown(jq_on_each, first, second)] == [
        ("ready", {"m": 0}),
        ("ready", {"m": 1}),
    ]
    assert kept(jq_on_each) == []


def test_the_editor_is_not_opened_for_a_crowd(jq: Program) -> None:
    dead(jq, "q", 2)
    env = editor(jq, "exit 1")
    for args in (["q", "--all"], ["q", "--error", "*"], ["q", "--all", "--dry-run"], []):
        assert jq("dlq", "edit", *args, env=env).code == 2
    assert "say what to change with --set or --new-payload" in jq("dlq", "edit", "q", "--all", env=env).err


@pytest.mark.parametrize("text", ['{"a": 1}', '{"url": "a=b"}', "[1]", "7", '"text"'])
def test_who_takes_the_filter_for_the_new_payload_is_told_its_name(jq: Program, text: str) -> None:
    [id] = dead(jq, "q")
    for which in ([id], ["q", "--all"], ["q"]):
        result = jq("dlq", "edit", *which, "--payload", text, "--yes")
        assert (result.code, result.out) == (2, "")
        assert "payload: expected NAME=VALUE" in result.err
        assert "--payload says which jobs are meant, --new-payload which payload they get" in result.err
    assert shown(jq, id)[0]["payload"] == {"n": 0}
    jq.ok("dlq", "edit", id, "--new-payload", text)
    assert shown(jq, id)[0]["payload"] == json.loads(text)
    jq.ok("edit", id, "--new-payload", "8")
    assert "--new-payload" not in jq("dlq", "ls", "q", "--payload", text).err
