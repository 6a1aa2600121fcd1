"""`dlq requeue`, `dlq purge`, `promote`, `requeue`, `pause`, `resume`: what changes, what is asked, what is told."""

import json
import signal

import pytest

from jq_cli.backends.base import Claim
from tests.cli.program import Program, until
from tests.cli.stored import dead, put, running, store_of

MISSING = "01" + "0" * 24


def states(jq: Program, queue: str = "q") -> list[str]:
    return [json.loads(line)["state"] for line in jq.ok("ls", queue, "--jsonl", "--columns", "state").lines]


def scheduled(jq: Program, count: int) -> list[str]:
    lines = "".join('{"payload": 1}\n' for _ in range(count))
    return jq.ok("enqueue", "q", "--from", "-", "-v", "--delay", "1h", input=lines).lines


# --- the dead letter queue ---


def test_dead_jobs_are_requeued_by_id(jq_on_each: Program) -> None:
    ids = dead(jq_on_each, "q", 4)
    result = jq_on_each.ok("dlq", "requeue", "q", ids[0], "--id", ids[1])
    assert result.out == "2\n"
    assert "2 requeued (store: " in result.err
    assert states(jq_on_each) == ["ready", "ready", "dead", "dead"]
    record = json.loads(jq_on_each.ok("show", ids[0], "--json").out)
    assert (record["failures"], record["losses"], len(record["errors"])) == (0, 0, 1)


def test_listings_pipe_into_actions(jq_on_each: Program) -> None:
    dead(jq_on_each, "q", 3)
    listed = jq_on_each.ok("dlq", "ls", "q", "-q", "--limit", "2").out
    assert jq_on_each.ok("dlq", "requeue", "q", "-", "-v", input=listed).out == listed
    assert states(jq_on_each) == ["ready", "ready", "dead"]


def test_all_dead_jobs_are_requeued_in_batches(jq_on_each: Program) -> None:
    dead(jq_on_each, "q", 450)
    result = jq_on_each.ok("dlq", "requeue", "q", "--all", "--yes")
    assert result.out == "450\n"
    assert "q: 450 dead jobs\n" in result.err
    assert jq_on_each.ok("len", "q").out == "450\n"
    assert jq_on_each.ok("dlq", "requeue", "q", "--all", "--yes").out == "0\n"


def test_dead_jobs_are_purged_for_good(jq_on_each: Program) -> None:
    ids = dead(jq_on_each, "q", 3)
    assert jq_on_each.ok("dlq", "purge", "q", ids[0]).out == "1\n"
    assert jq_on_each("show", ids[0]).code == 3
    assert jq_on_each.ok("dlq", "purge", "q", "--all", "--yes").out == "2\n"
    assert jq_on_each.ok("ls", "q", "-q").out == ""


def test_only_dead_jobs_are_purged(jq: Program) -> None:
    [ready] = put(jq, "q", b"1")
    result = jq("dlq", "purge", "q", ready)
    assert (result.code, result.out) == (4, "0\n")
    assert "is ready: only a dead job can be purged" in result.err
    assert states(jq) == ["ready"]


@pytest.mark.parametrize("action", ["requeue", "purge"])
def test_all_needs_yes_where_nobody_can_be_asked(jq: Program, action: str) -> None:
    dead(jq, "q", 2)
    result = jq("dlq", action, "q", "--all")
    assert (result.code, result.out) == (2, "")
    assert "q: 2 dead jobs" in result.err
    assert f"{action} 2 dead jobs of q: there is no terminal to ask on; say --yes" in result.err
    assert states(jq) == ["dead", "dead"]


@pytest.mark.parametrize(("answer", "code", "left"), [("y", 0, 0), ("n", 1, 2), ("", 1, 2)])
def test_a_terminal_is_asked(jq: Program, answer: str, code: int, left: int) -> None:
    dead(jq, "q", 2)
    result = jq.on_terminal("dlq", "purge", "q", "--all", answer=answer)
    assert "purge 2 dead jobs of q? [y/N]" in result.out
    assert result.code == code
    assert jq.ok("len", "q", "--state", "dead").out == f"{left}\n"


@pytest.mark.parametrize("command", [["dlq", "requeue"], ["dlq", "purge"], ["promote"]])
def test_ids_or_all_must_be_named(jq: Program, command: list[str]) -> None:
    dead(jq, "q")
    assert "name the jobs to" in jq(*command, "q").err
    assert jq(*command, "q").code == 2
    assert jq(*command).code == 2
    assert jq(*command, "q", "--all", "--id", MISSING).code == 2
    assert jq(*command, "q", MISSING, "--all").code == 2


@pytest.mark.parametrize("action", ["requeue", "purge"])
def test_a_dry_run_tells_and_changes_nothing(jq: Program, action: str) -> None:
    ids = dead(jq, "q", 3)
    result = jq.ok("dlq", action, "q", "--all", "--dry-run")
    assert result.out == "3\n"
    assert "3 would be" in result.err
    assert jq.ok("dlq", action, "q", *ids[:2], "--dry-run").out == "2\n"
    assert jq("dlq", action, "q", ids[0], MISSING, "--dry-run").code == 7
    assert states(jq) == ["dead"] * 3


@pytest.mark.parametrize("command", [["dlq", "requeue"], ["dlq", "purge"], ["promote"]])
def test_an_id_that_fails_does_not_stop_the_rest(jq_on_each: Program, command: list[str]) -> None:
    ids = scheduled(jq_on_each, 2) if command == ["promote"] else dead(jq_on_each, "q", 2)
    result = jq_on_each(*command, "q", ids[0], MISSING, "nonsense", ids[1])
    assert (result.code, result.out) == (7, "2\n")
    assert f"no such job: {MISSING} on q" in result.err
    assert "no such job: nonsense on q" in result.err
    alone = jq_on_each(*command, "q", MISSING)
    assert (alone.code, alone.out) == (3, "0\n")


def test_several_queues_are_changed_in_one_call(jq: Program) -> None:
    dead(jq, "a", 1)
    dead(jq, "b", 2)
    result = jq("dlq", "requeue", "a", "nope", "b", "--all", "--yes")
    assert (result.code, result.out) == (7, "a\t1\nb\t2\n")
    dead(jq, "a", 1)
    assert json.loads(jq.ok("dlq", "purge", "a", "--all", "--yes", "--json").out) == {"queue": "a", "purged": 1}


def test_a_rate_holds_a_run_down_and_an_interruption_goes_on_later(jq: Program) -> None:
    dead(jq, "q", 50)
    process = jq.start("dlq", "requeue", "q", "--all", "--yes", "--rate", "5/m")
    until(lambda: jq.ok("len", "q").out != "0\n", "the first job")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "requeued; call it again to go on" in err.decode()
    left = int(jq.ok("len", "q", "--state", "dead").out)
    assert 0 < left < 50
    assert jq.ok("dlq", "requeue", "q", "--all", "--yes", "--rate", "1000/s").out == f"{left}\n"


@pytest.mark.parametrize("rate", ["5", "0/s", "-1/s", "x/s", "5/d", ""])
def test_a_rate_needs_a_number_and_a_unit(jq: Program, rate: str) -> None:
    dead(jq, "q")
    result = jq("dlq", "requeue", "q", "--all", "--yes", "--rate", rate)
    assert result.code == 2
    assert "rate: expected N/s, N/m or N/h" in result.err


# --- promote ---


def test_scheduled_jobs_are_promoted_by_id_or_all(jq_on_each: Program) -> None:
    ids = scheduled(jq_on_each, 3)
    assert jq_on_each.ok("promote", "q", "--id", ids[1]).out == "1\n"
    assert jq_on_each.ok("ls", "q", "--state", "ready", "-q").lines == [ids[1]]
    assert jq_on_each.ok("promote", "q", "--all", "--yes").out == "2\n"
    assert jq_on_each.ok("len", "q").out == "3\n"


def test_only_scheduled_jobs_are_promoted(jq: Program) -> None:
    [ready] = put(jq, "q", b"1")
    result = jq("promote", "q", ready)
    assert result.code == 4
    assert "only a scheduled job can be promoted" in result.err


# --- requeue ---


def test_jobs_whose_lease_ended_are_recovered(jq_on_each: Program) -> None:
    lost, _ = running(jq_on_each, "q", lease=1)
    held, _ = running(jq_on_each, "other")
    assert jq_on_each.ok("requeue").out == "1\n"
    record = json.loads(jq_on_each.ok("show", lost, "--json").out)
    assert (record["state"], record["losses"], record["failures"]) == ("ready", 1, 0)
    assert json.loads(jq_on_each.ok("show", held, "--json").out)["state"] == "running"


def test_only_the_named_queues_are_recovered(jq: Program) -> None:
    running(jq, "a", lease=1)
    running(jq, "b", lease=1)
    assert jq.ok("requeue", "b").out == "1\n"
    assert jq.ok("len", "a", "b").out == "a\t0\nb\t1\n"


def test_the_jobs_of_a_worker_known_to_be_gone_are_recovered_before_their_leases_end(jq_on_each: Program) -> None:
    id, worker = running(jq_on_each, "q", register=False)
    assert jq_on_each.ok("requeue", "--worker", worker).out == "1\n"
    assert json.loads(jq_on_each.ok("show", id, "--json").out)["state"] == "ready"


def test_a_worker_that_still_sends_heartbeats_is_not_robbed_without_a_word(jq: Program) -> None:
    _, worker = running(jq, "q")
    refused = jq("requeue", "--worker", worker)
    assert refused.code == 2
    assert "still sends heartbeats" in refused.err
    assert states(jq) == ["running"]
    assert jq.ok("requeue", "--worker", worker, "--yes").out == "1\n"


def test_an_unknown_worker_exits_with_3(jq: Program) -> None:
    _, worker = running(jq, "q")
    result = jq("requeue", "--worker", worker[:-1] + "x")
    assert result.code == 3
    assert f"did you mean {worker}?" in result.err
    assert jq("requeue", "q", "--worker", worker).code == 2


# --- pause and resume ---


def claimable(jq: Program, queue: str) -> int:
    with store_of(jq) as backend:
        return len(backend.claim(Claim((queue,), 10, "w", 1_000, "n")).jobs)


def test_a_paused_queue_hands_nothing_out_until_it_is_resumed(jq_on_each: Program) -> None:
    put(jq_on_each, "q", b"1")
    put(jq_on_each, "other", b"1")
    jq_on_each.ok("pause", "q", "--reason", "moving house")
    [record] = json.loads(
        jq_on_each.ok("ls-queues", "--json", "--columns", "queue,paused,paused_reason,paused_by").out
    )[1:]
    assert (record["queue"], record["paused"], record["paused_reason"]) == ("q", True, "moving house")
    assert "@" in record["paused_by"]
    assert claimable(jq_on_each, "q") == 0
    assert claimable(jq_on_each, "other") == 1
    jq_on_each.ok("enqueue", "q", "2")
    jq_on_each.ok("resume", "q", "other")
    assert claimable(jq_on_each, "q") == 2


def test_a_pause_may_end_by_itself(jq: Program) -> None:
    put(jq, "q", b"1")
    result = jq.ok("pause", "q", "--until", "+1h")
    assert "q is paused until 20" in result.err
    until_ms = json.loads(jq.ok("ls-queues", "--json", "--columns", "paused_until").out)[0]["paused_until"]
    assert jq.ok("pause", "q", "--until", str(until_ms // 1_000)).code == 0
    for past in ("2020-01-01T00:00:00Z", "-5m", "+0s", "0"):
        assert jq("pause", "q", f"--until={past}").code == 2
    for wrong in ("soon", "5", "+5"):
        assert jq("pause", "q", f"--until={wrong}").code == 2


def test_a_configured_queue_can_be_paused_before_its_first_job(jq: Program) -> None:
    (jq.home / "jq.yaml").write_text("queues: {planned: {}}")
    jq.ok("pause", "planned")
    put(jq, "planned", b"1")
    assert claimable(jq, "planned") == 0


def test_a_reason_is_bounded(jq: Program) -> None:
    put(jq, "q", b"1")
    assert jq("pause", "q", "--reason", "x" * 1_001).code == 2
