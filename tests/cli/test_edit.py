"""`jq edit`: values on the command line, the operator's editor, and everything that may happen meanwhile."""

import json
from typing import Any

import pytest

from jq_cli.consumer import Consumer
from jq_cli.draft import MAX_PAYLOAD
from tests.cli.editors import editor, kept
from tests.cli.program import Program
from tests.cli.stored import dead, put, running, store_of, succeeded


def shown(jq: Program, id: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(jq.ok("show", id, "--json").out)
    record.pop("lease_left", None)
    return record


# --- values ---


def test_values_are_set_in_the_payload_and_the_former_one_is_kept(jq_on_each: Program) -> None:
    [id] = put(jq_on_each, "q", b'{"to": "nobody", "items": [{"n": 1.10}]}')
    result = jq_on_each.ok("edit", id, "--set", "to=ada@example.org", "--set", "items.0.sku=7", env={"USER": "ada"})
    assert result.out == "1\n"
    assert "1 edited (store: " in result.err
    record = shown(jq_on_each, id)
    assert record["payload"] == {"to": "ada@example.org", "items": [{"n": 1.1, "sku": 7}]}
    [deed] = record["history"]
    assert (deed["what"], deed["payload"]) == ("edited", {"to": "nobody", "items": [{"n": 1.1}]})
    assert deed["by"].startswith("ada@")
    assert record["created_at"] <= deed["at"]


def test_a_worker_gets_the_new_payload(jq_on_each: Program) -> None:
    [id] = put(jq_on_each, "q", b'{"n": 1}')
    jq_on_each.ok("edit", "q", id, "--payload", '{"n": 2}', "--timeout", "90s")
    with store_of(jq_on_each) as backend:
        [job] = Consumer(backend).claim(["q"])
    assert (job.id, job.payload, job.timeout, len(job.history)) == (id, b'{"n": 2}', 90.0, 1)


def test_an_edited_priority_changes_a_ready_jobs_place(jq_on_each: Program) -> None:
    first, second, third = put(jq_on_each, "q", b"1", b"2", b"3")
    jq_on_each.ok("edit", third, "--priority", "5")
    jq_on_each.ok("edit", first, "--new-priority", "-1")
    with store_of(jq_on_each) as backend:
        jobs = Consumer(backend).claim(["q"], 3)
    assert [(job.id, job.priority) for job in jobs] == [(third, 5), (second, 0), (first, -1)]


def test_a_scheduled_job_stays_scheduled_for_its_moment(jq_on_each: Program) -> None:
    id = jq_on_each.ok("enqueue", "q", "1", "--delay", "1h").out.strip()
    before = shown(jq_on_each, id)
    jq_on_each.ok("edit", id, "--payload", "2", "--priority", "3")
    after = shown(jq_on_each, id)
    assert (after["state"], after["ready_at"], after["payload"]) == ("scheduled", before["ready_at"], 2)


def test_an_edited_dead_job_stays_dead_where_it_was_unless_it_is_requeued(jq_on_each: Program) -> None:
    first, second = dead(jq_on_each, "q", 2)
    jq_on_each.ok("edit", second, "--set", "n=7")
    assert jq_on_each.ok("dlq", "ls", "q", "-q").lines == [first, second]
    jq_on_each.ok("edit", first, "--set", "n=8", "--requeue")
    record = shown(jq_on_each, first)
    assert (record["state"], record["payload"], record["failures"], len(record["errors"])) == ("ready", {"n": 8}, 0, 1)
    assert record["history"][0]["before"]["reason"] == "permanent"
    assert jq_on_each.ok("len", "q", "--state", "dead").out == "1\n"


def test_options_and_headers_are_changed(jq_on_each: Program) -> None:
    id = jq_on_each.ok("enqueue", "q", "1", "--header", "a=1", "--header", "b=2", "--timeout", "1m").out.strip()
    jq_on_each.ok("edit", id, "--header", "c=3", "--unset-header", "a", "--max-retries", "9", "--timeout", "none")
    record = shown(jq_on_each, id)
    assert (record["headers"], record["max_retries"], record["timeout"]) == ({"b": "2", "c": "3"}, 9, None)
    assert record["history"][0]["before"] == {"headers": {"a": "1", "b": "2"}, "max_retries": 3, "timeout": 60.0}


def test_several_jobs_are_edited_at_once_and_ids_come_from_stdin(jq: Program) -> None:
    ids = put(jq, "q", b"{}", b"{}", b"{}")
    assert jq.ok("edit", ids[0], ids[1], "--set", "a=1", "-v").lines == ids[:2]
    assert jq.ok("edit", "q", "-", "--set", "a=2", input="\n".join(ids)).out == "3\n"
    assert {shown(jq, id)["payload"]["a"] for id in ids} == {2}


def test_a_payload_comes_from_stdin_or_is_stored_as_text(jq: Program) -> None:
    [id] = put(jq, "q", b"1")
    jq.ok("edit", id, "--payload", "-", input='{"a": 1}\n')
    assert shown(jq, id)["payload"] == {"a": 1}
    jq.ok("edit", id, "--payload", "5", "--text")
    assert shown(jq, id)["payload"] == "5"
    jq.ok("edit", id, "--payload", "plain words")
    assert shown(jq, id)["payload"] == "plain words"
    jq.ok("edit", id, "--set", '.={"whole": true}')
    assert shown(jq, id)["payload"] == {"whole": True}


def test_what_is_as_it_should_be_is_left_alone(jq: Program) -> None:
    [id] = put(jq, "q", b'{"a":1}')
    version = shown(jq, id)["version"]
    result = jq.ok("edit", id, "--set", "a=1")
    assert (result.out, shown(jq, id)["version"], shown(jq, id)["history"]) == ("0\n", version, [])
    assert "0 edited, 1 unchanged (store: " in result.err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--priority", "1001"], "priority: expected -1000..1000, got 1001"),
        (["--max-retries", "-1"], "max_retries: expected 0..1000, got -1"),
        (["--timeout", "5"], "timeout: '5' needs a unit"),
        (["--timeout", "0"], "timeout: expected 0.001 s to"),
        (["--payload", "{"], "payload: not valid JSON"),
        (["--payload", "[" * 200 + "]" * 200], "payload: nesting is deeper than the 128 levels"),
        (["--payload", b"\xff"], "payload: invalid UTF-8"),
        (["--set", "a"], "set: expected PATH=VALUE, got 'a'"),
        (["--set", "=1"], "set: expected PATH=VALUE"),
        (["--set", "a..b=1"], "set: 'a..b' is not a path"),
        (["--unset", ""], "unset: '' is not a path"),
        (["--header", "a"], "header: expected KEY=VALUE"),
        (["--header", "a=" + "x" * 20_000], "headers: 20,001 bytes are more than the 16,384"),
        (["--set", "a.b.c=1"], "payload: a is neither an object nor a list, so a.b.c leads nowhere"),
        (["--unset", "b"], "payload: there is no b"),
        (["--text", "--set", "a=2"], "--text needs a new payload"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_bad_values_exit_with_2_and_change_nothing(jq: Program, args: list[str | bytes], words: str) -> None:
    [id] = put(jq, "q", b'{"a":1}')
    before = shown(jq, id)
    result = jq("edit", id, *args)
    assert result.code == 2
    assert words in result.err
    assert shown(jq, id) == before


def test_a_payload_beyond_the_bound_is_refused(jq: Program) -> None:
    [id] = put(jq, "q", b"1")
    result = jq("edit", id, "--payload", "-", input=b'"' + b"x" * MAX_PAYLOAD + b'"')
    assert result.code == 2
    assert "are more than the 1,048,576 allowed (max_payload)" in result.err
    half = b'["' + b"x" * (MAX_PAYLOAD - 20) + b'"]'
    jq.ok("edit", id, "--payload", "-", input=half)
    refused = jq("edit", id, "--set", "1=too much now, by a few bytes")
    assert (refused.code, shown(jq, id)["payload"]) == (2, json.loads(half))


@pytest.mark.parametrize("state", ["running", "succeeded"])
def test_a_job_that_runs_or_has_ended_is_refused(jq_on_each: Program, state: str) -> None:
    id = running(jq_on_each, "q")[0] if state == "running" else succeeded(jq_on_each, "q", 1)
    before = shown(jq_on_each, id)
    for args in (["--payload", "2"], ["--priority", "2"]):
        result = jq_on_each("edit", id, *args)
        assert (result.code, result.out) == (4, "0\n")
        assert f"job {id} is {state}: " in result.err
    assert jq_on_each("edit", id, env=editor(jq_on_each, "exit 99")).code == 4
    assert shown(jq_on_each, id) == before


def test_only_a_dead_job_is_requeued_by_an_edit(jq: Program) -> None:
    [id] = put(jq, "q", b"1")
    for env in ({}, editor(jq, "echo 2 > $1")):
        result = jq("edit", id, "--requeue", *([] if env else ["--payload", "2"]), env=env)
        assert result.code == 4
        assert "only a dead job can be requeued" in result.err
    assert kept(jq) == []


def test_an_id_that_fails_does_not_stop_the_rest(jq: Program) -> None:
    [id] = put(jq, "q", b"{}")
    missing = "01" + "0" * 24
    result = jq("edit", missing, id, "nonsense", "--set", "a=1")
    assert (result.code, result.out) == (7, "1\n")
    assert f"no such job: {missing}" in result.err
    assert jq("edit", missing, "--set", "a=1").code == 3
    assert jq("edit", "nope", id, "--set", "a=1").code == 3
    assert jq("edit", "q", "--set", "a=1").code == 2


# --- the editor ---


def test_the_editor_gets_indented_json_and_what_it_leaves_is_stored(jq_on_each: Program) -> None:
    [id] = put(jq_on_each, "q", b'{"to":"nobody","n":1.10}')
    env = editor(jq_on_each, 'cp "$1" seen.json', 'sed -i s/nobody/ada/ "$1"')
    assert jq_on_each.ok("edit", id, env=env).out == "1\n"
    assert (jq_on_each.home / "seen.json").read_text() == '{\n  "to": "nobody",\n  "n": 1.10\n}\n'
    record = shown(jq_on_each, id)
    assert record["payload"] == {"to": "ada", "n": 1.1}
    assert record["history"][0]["payload"] == {"to": "nobody", "n": 1.1}
    assert kept(jq_on_each) == []


def test_a_text_is_edited_as_text(jq: Program) -> None:
    [id] = put(jq, "q", b'"first line\\nsecond \\u20ac"')
    env = editor(jq, 'cp "$1" seen.txt', 'printf "{not json\\nbut text\\n" > "$1"')
    jq.ok("edit", id, env=env)
    assert (jq.home / "seen.txt").read_text() == "first line\nsecond €"
    assert shown(jq, id)["payload"] == "{not json\nbut text"


def test_visual_wins_over_editor(jq: Program) -> None:
    [id] = put(jq, "q", b"1")
    env = editor(jq, 'echo 2 > "$1"')
    jq.ok("edit", id, env={"VISUAL": env["EDITOR"], "EDITOR": "false"})
    assert shown(jq, id)["payload"] == 2


def test_several_jobs_are_edited_one_after_the_other(jq: Program) -> None:
    ids = put(jq, "q", b"1", b"2", b"3")
    env = editor(jq, 'grep -q 2 "$1" && exit 3', 'echo "[$(cat "$1")]" > "$1"')
    result = jq("edit", *ids, env=env)
    assert (result.code, result.out) == (7, "2\n")
    assert [shown(jq, id)["payload"] for id in ids] == [[1], 2, [3]]


@pytest.mark.parametrize("left", ['{\n"a":1\n}', '{ "a" : 1 }'])
def test_a_file_that_says_the_same_changes_nothing(jq: Program, left: str) -> None:
    [id] = dead(jq, "q")
    jq.ok("edit", id, "--payload", '{"a":1}')
    before = shown(jq, id)
    result = jq.ok("edit", id, "--requeue", env=editor(jq, f"printf '{left}' > \"$1\""))
    assert result.out == "0\n"
    assert "is unchanged, so it was not requeued" in result.err
    assert shown(jq, id) == before
    assert kept(jq) == []


@pytest.mark.parametrize("line", ['echo \'{"typed": 1}\' > "$1"; exit 1', 'echo \'{"typed": 1}\' > "$1"; kill -9 $$'])
def test_an_editor_that_fails_changes_nothing_and_loses_nothing(jq: Program, line: str) -> None:
    [id] = put(jq, "q", b"1")
    result = jq("edit", id, env=editor(jq, line))
    assert (result.code, result.out) == (1, "0\n")
    [file] = kept(jq)
    assert "ended with code" in result.err
    assert f"what you typed is kept in {file}" in result.err
    assert json.loads(file.read_text()) == {"typed": 1}
    assert file.stat().st_mode & 0o777 == 0o600
    assert shown(jq, id)["payload"] == 1


@pytest.mark.parametrize(
    ("line", "words"), [("exit 1", "ended with code 1"), (': > "$1"', "is empty"), ('rm "$1"', "is empty")]
)
def test_an_editor_that_leaves_nothing_changes_nothing(jq: Program, line: str, words: str) -> None:
    [id] = put(jq, "q", b"1")
    result = jq("edit", id, env=editor(jq, line))
    assert (result.code, shown(jq, id)["payload"]) == (1, 1)
    assert words in result.err
    assert kept(jq) == []


def test_broken_json_is_refused_where_nobody_can_be_asked_and_is_kept(jq: Program) -> None:
    [id] = put(jq, "q", b"{}")
    result = jq("edit", id, env=editor(jq, 'echo \'{"a": \' > "$1"'))
    assert result.code == 2
    assert "payload: not valid JSON" in result.err
    [file] = kept(jq)
    assert str(file) in result.err
    assert file.read_text() == '{"a": \n'
    assert shown(jq, id)["payload"] == {}


def test_broken_json_is_offered_again_on_a_terminal(jq: Program) -> None:
    [id] = put(jq, "q", b"{}")
    # The first time it breaks the file, the second time it finds what was typed and mends it.
    env = editor(jq, 'if grep -q a "$1"; then echo \'{"a": 1}\' > "$1"; else echo \'{"a": \' > "$1"; fi')
    result = jq.on_terminal("edit", id, env=env, answer="")
    assert result.code == 0
    assert "payload: not valid JSON" in result.out
    assert "edit it again? [Y/n]" in result.out
    assert shown(jq, id)["payload"] == {"a": 1}
    assert kept(jq) == []


def test_who_gives_up_on_broken_json_finds_it_again(jq: Program) -> None:
    [id] = put(jq, "q", b"{}")
    result = jq.on_terminal("edit", id, env=editor(jq, 'echo \'{"a": \' > "$1"'), answer="n")
    assert result.code == 2
    [file] = kept(jq)
    assert file.name in result.out.replace("\r\n", "")
    assert shown(jq, id)["payload"] == {}


MEANWHILE = {
    "another edit": ("JQ edit ID --payload 7", "somebody else edited it"),
    "a purge": ("JQ dlq purge q ID", "was removed meanwhile"),
    "a requeue": ("JQ dlq requeue q ID", "it is ready now"),
}


@pytest.mark.parametrize("name", MEANWHILE)
def test_a_job_that_changed_meanwhile_is_refused_and_the_text_is_kept(jq_on_each: Program, name: str) -> None:
    jq = jq_on_each
    [id] = dead(jq, "q")
    line, words = MEANWHILE[name]
    result = jq("edit", id, "--requeue", env=editor(jq, line.replace("ID", id), 'echo \'{"mine": 1}\' > "$1"'))
    assert (result.code, result.out.splitlines()[-1]) == (4, "0"), result
    assert words in result.err
    [file] = kept(jq)
    assert f"what you typed is kept in {file}" in result.err
    assert json.loads(file.read_text()) == {"mine": 1}
    listed = jq.ok("ls", "q", "--jsonl").lines
    assert [json.loads(line)["payload"] for line in listed] == {
        "another edit": [7],
        "a purge": [],
        "a requeue": [{"n": 0}],
    }[name]


def test_a_job_claimed_meanwhile_is_refused(jq_on_each: Program) -> None:
    [id] = put(jq_on_each, "q", b"1")
    line = "JQ work q --until-empty -q -- true"
    result = jq_on_each("edit", id, env=editor(jq_on_each, line, 'echo 2 > "$1"'))
    assert result.code == 4
    assert "changed meanwhile: it is succeeded now" in result.err
    assert len(kept(jq_on_each)) == 1


def test_an_editor_that_is_not_there_is_named(jq: Program) -> None:
    [id] = put(jq, "q", b"1")
    for env, words in (
        ({"EDITOR": "no-such-editor --wait"}, "no such editor: 'no-such-editor'"),
        ({"EDITOR": "'unclosed"}, "$EDITOR: No closing quotation"),
        ({}, "there is no terminal to edit on; say what to change with --set or --new-payload, or set $EDITOR"),
    ):
        result = jq("edit", id, env=env)
        assert (result.code, result.out) == (2, "")
        assert words in result.err


def test_ctrl_c_belongs_to_the_editor_while_it_runs(jq: Program) -> None:
    [id] = put(jq, "q", b"1")
    env = editor(
        jq, "trap 'echo 2 > \"$1\"; exit 0' INT", "echo in the editor", "kill -INT 0; while :; do sleep 1; done"
    )
    result = jq.on_terminal("edit", id, env=env)
    assert (result.code, shown(jq, id)["payload"]) == (0, 2)


def test_what_is_stored_for_a_terminal_to_choke_on_is_shown_safely(jq: Program) -> None:
    [id] = put(jq, "q", b'{"a": "\x1b[31m"}'.replace(b"\x1b", b"\\u001b"))
    result = jq("edit", id, "--set", "a.b\x1b[2J=1")
    assert result.code == 2
    assert "\x1b" not in result.err


def test_production_is_asked_about_before_the_editor_opens(jq: Program) -> None:
    (jq.home / "jq.yaml").write_text(f"profiles: {{prod: {{backend: '{jq.env['JQ_BACKEND']}', production: true}}}}")
    [id] = put(jq, "q", b"1")
    env = editor(jq, 'echo 2 > "$1"') | {"JQ_PROFILE": "prod"}
    result = jq("edit", id, env=env)
    assert (result.code, shown(jq, id)["payload"]) == (2, 1)
    assert "edit jobs in production (profile prod): there is no terminal to ask on; say --yes" in result.err
    jq.ok("edit", id, "--yes", env=env)
    assert shown(jq, id)["payload"] == 2
