"""`queue set`, `queue show`, and what `ls-queues`, `pause` and `resume` say about a queue's controls."""

import json
from typing import Any

import pytest

from jq_cli.backends.base import Claim
from tests.cli.program import DEADLINE, Program
from tests.cli.stored import dead, put, store_of


def claimable(jq: Program, queue: str = "q") -> int:
    with store_of(jq) as backend:
        return len(backend.claim(Claim((queue,), 10, "w", 60_000, "n")).jobs)


def shown(jq: Program, *queues: str, **options: Any) -> Any:
    return json.loads(jq.ok("queue", "show", *queues, "--json", **options).out)


def test_a_limit_holds_over_all_workers_until_it_is_taken_back(jq_on_each: Program) -> None:
    put(jq_on_each, "q", *[b"1"] * 5)
    result = jq_on_each.ok("queue", "set", "q", "--max-running", "2")
    assert result.out == ""
    assert "q runs at most 2 of its jobs at once (store: " in result.err
    assert (claimable(jq_on_each), claimable(jq_on_each)) == (2, 0)
    assert "q has no limit" in jq_on_each.ok("queue", "set", "q", "--max-running", "0").err
    assert claimable(jq_on_each) == 3


def test_several_queues_are_limited_at_once_and_unknown_ones_are_named(jq: Program) -> None:
    put(jq, "a", b"1")
    put(jq, "b", b"1")
    result = jq("queue", "set", "a", "nope", "b", "--max-running", "3")
    assert result.code == 7
    assert result.err.count("no such queue: nope") == 1
    assert [record["max_running"] for record in shown(jq, "a", "b")] == [3, 3]
    assert jq("queue", "set", "nope", "--max-running", "3").code == 3


@pytest.mark.parametrize(
    "args", [[], ["--max-running", "-1"], ["--max-running", "x"], ["--max-running", "1000001"]], ids=str
)
def test_a_limit_needs_a_number_within_bounds(jq: Program, args: list[str]) -> None:
    put(jq, "q", b"1")
    assert jq("queue", "set", "q", *args).code == 2


def test_a_pool_brings_the_configured_limit_and_leaves_an_operators_alone(jq_on_each: Program) -> None:
    jq = jq_on_each
    (jq.home / "jq.yaml").write_text("queues: {q: {max_running: 4, handler: {command: ['true']}}}")
    jq.ok("work", "q", "--until-empty")
    assert shown(jq, "q")["max_running"] == 4
    jq.ok("queue", "set", "q", "--max-running", "1")
    assert "an operator set its limit to 1; the configured 4 is not applied" in jq.ok("work", "q", "--until-empty").err
    assert shown(jq, "q")["max_running"] == 1
    (jq.home / "jq.yaml").write_text("queues: {q: {max_running: 6, handler: {command: ['true']}}}")
    jq.ok("work", "q", "--until-empty")
    assert shown(jq, "q")["max_running"] == 6


def test_ls_queues_shows_limits_and_who_paused_what_and_why(jq_on_each: Program) -> None:
    put(jq_on_each, "q", b"1")
    put(jq_on_each, "other", b"1")
    jq_on_each.ok("queue", "set", "q", "--max-running", "2")
    jq_on_each.ok("pause", "q", "--reason", "moving\x1b[31m house", "--until", "1h", env={"USER": "ada"})
    result = jq_on_each.ok("ls-queues")
    header, other, q = (line.split() for line in result.lines)
    assert header == ["queue", "ready", "running", "limit", "scheduled", "dead", "paused", "oldest"]
    assert (other[:7], q[:7]) == (["other", "1", "0", "-", "0", "0", "-"], ["q", "1", "0", "2", "0", "0", "yes"])
    assert "jq: q is paused by ada@" in result.err
    assert ": moving\\x1b[31m house" in result.err
    record = json.loads(jq_on_each.ok("ls-queues", "--json").out)[1]
    assert (record["paused"], record["paused_reason"], record["max_running"]) == (True, "moving\x1b[31m house", 2)
    assert jq_on_each.ok("ls-queues", "--jsonl").err == ""


def test_resume_says_what_ends(jq: Program) -> None:
    put(jq, "q", b"1")
    jq.ok("pause", "q", "--reason", "moving house", env={"USER": "ada"})
    assert "q is resumed; it was paused by ada@" in jq.ok("resume", "q").err
    assert "q is resumed; it was not paused" in jq.ok("resume", "q").err


@pytest.mark.parametrize("until", ["30m", "+30m", "1h30m"])
def test_a_pause_ends_after_a_duration(jq: Program, until: str) -> None:
    put(jq, "q", b"1")
    assert "q is paused until 20" in jq.ok("pause", "q", "--until", until).err
    record = shown(jq, "q")
    assert record["paused"] is True
    assert record["paused_until"] > 0


def test_a_queue_is_shown_in_full(jq_on_each: Program) -> None:
    (jq_on_each.home / "jq.yaml").write_text("queues: {q: {timeout: 90s, handler: {shell: 'a | b'}}}")
    dead(jq_on_each, "q", 2)
    put(jq_on_each, "q", b"1")
    jq_on_each.ok("queue", "set", "q", "--max-running", "3")
    record = shown(jq_on_each, "q")
    assert (record["ready"], record["dead"], record["total_enqueued"], record["total_dead"]) == (1, 2, 3, 2)
    assert (record["paused"], record["max_running"]) == (False, 3)
    assert record["configured"]["timeout"] == 90
    assert "priority" not in record["configured"]
    text = jq_on_each.ok("queue", "show", "q").out
    assert "max_running       3\n" in text
    assert "paused            no\n" in text
    assert "configured:\n  timeout  1m30s\n" in text


def test_several_queues_are_shown_and_unknown_ones_are_named(jq: Program) -> None:
    put(jq, "a", b"1")
    put(jq, "b", b"1")
    result = jq("queue", "show", "b", "nope", "a", "--json")
    assert result.code == 7
    assert [record["queue"] for record in json.loads(result.out)] == ["b", "a"]
    assert len(jq.ok("queue", "show", "a", "b", "--jsonl").lines) == 2
    assert jq("queue", "show", "nope").code == 3
    assert jq("queue", "show", "a", "--json", "--jsonl").code == 2


def test_production_asks_before_a_limit_is_set(jq: Program) -> None:
    (jq.home / "jq.yaml").write_text(f"profiles: {{prod: {{backend: '{jq.env['JQ_BACKEND']}', production: true}}}}")
    put(jq, "q", b"1")
    result = jq("queue", "set", "q", "--max-running", "2", "--profile", "prod")
    assert result.code == 2
    assert "set the limit of q to 2 in production (profile prod)" in result.err
    assert shown(jq, "q")["max_running"] == 0
    jq.ok("queue", "set", "q", "--max-running", "2", "--profile", "prod", "--yes")


def test_a_second_pause_keeps_reason_and_end_unless_others_are_given(jq_on_each: Program) -> None:
    jq = jq_on_each
    put(jq, "q", b"1")
    jq.ok("pause", "q", "--reason", "moving house", "--until", "1h", env={"USER": "ada"})
    before = shown(jq, "q")
    said = jq.ok("pause", "q", env={"USER": "bob"}).err
    assert "q is paused by ada@" in said
    assert ": moving house; nothing was changed" in said
    assert shown(jq, "q") | {"oldest_ready_age": 0} == before | {"oldest_ready_age": 0}
    said = jq.ok("pause", "q", "--until", "2h", env={"USER": "bob"}).err
    assert said.startswith("jq: q was paused by ada@")
    assert "; now it is paused by bob@" in said
    assert said.count(": moving house") == 2
    prolonged = shown(jq, "q")
    assert prolonged["paused_until"] > before["paused_until"] + 3_000_000
    assert (prolonged["paused_reason"], prolonged["paused_by"][:4]) == ("moving house", "bob@")
    jq.ok("pause", "q", "--until", "none", "--reason", "")
    assert (shown(jq, "q")["paused_until"], shown(jq, "q")["paused_reason"]) == (None, None)
    assert claimable(jq) == 0


def test_a_configured_limit_is_shown_before_a_pool_has_brought_it(jq_on_each: Program) -> None:
    jq = jq_on_each

    def limits() -> dict[str, str]:
        return {
            line.split()[0]: line[20:].strip() for line in jq.ok("ls-queues", "--columns", "queue,max_running").lines
        }

    def configure(limit: int) -> None:
        (jq.home / "jq.yaml").write_text(f"queues: {{a-queue-of-18-chars: {{max_running: {limit}}}, other: {{}}}}")

    configure(4)
    assert limits() == {"queue": "max_running", "a-queue-of-18-chars": "(4)", "other": "-"}
    assert [each["pending_limit"] for each in json.loads(jq.ok("ls-queues", "--json").out)] == [4, None]
    jq.ok("work", "--until-empty", "--shell", "true")
    assert limits()["a-queue-of-18-chars"] == "4"
    configure(6)
    assert limits()["a-queue-of-18-chars"] == "4 (6)"
    jq.ok("queue", "set", "a-queue-of-18-chars", "--max-running", "1")
    assert limits()["a-queue-of-18-chars"] == "1"
    configure(0)
    assert limits()["a-queue-of-18-chars"] == "1 (none)"


def test_work_until_empty_says_that_it_waits_for_a_paused_queue(jq_on_each: Program) -> None:
    jq = jq_on_each
    put(jq, "q", b"1")
    jq.ok("pause", "q", "--reason", "moving house")
    with jq.start("work", "q", "--until-empty", "--shell", "true") as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, b"")
        said = next(line.decode() for line in lines if b"waiting" in line)
        assert said.startswith("jq: waiting for queue q, which has jobs and is paused by ")
        assert said.endswith(": moving house (jq resume q ends that)\n")
        jq.ok("resume", "q")
        _, rest = process.communicate(timeout=DEADLINE)
        assert (process.returncode, b"waiting" in rest) == (0, False)
    assert jq.ok("len", "q", "--state", "succeeded").out == "1\n"
