"""Bulk actions with filters, `cancel` and `rm`: what is counted, asked, changed and told, on each store."""

import json
import signal

import pytest

from jq_cli.lifecycle import Outcome
from tests.cli.program import Program, until
from tests.cli.stored import dead, end, put, running, store_of, succeeded

MISSING = "01" + "0" * 24
BULK = [("dlq", "requeue"), ("dlq", "purge"), ("promote",), ("cancel",), ("rm",)]


def states(jq: Program, queue: str = "q") -> list[str]:
    return [json.loads(line)["state"] for line in jq.ok("ls", queue, "--jsonl", "--columns", "state").lines]


def two_errors(jq: Program) -> list[str]:
    """Five dead jobs of one error, then three of another."""
    ids = dead(jq, "q", 5, error="SMTPError: 550 no such user")
    return ids + dead(jq, "q", 3, error="TimeoutError: after 30 s")


# --- filters ---


def test_only_what_matches_is_requeued_and_calling_again_finds_nothing(jq_on_each: Program) -> None:
    ids = two_errors(jq_on_each)
    requeue = ("dlq", "requeue", "q", "--error", "SMTP*", "--yes")
    result = jq_on_each.ok(*requeue, "-v")
    assert result.lines == ids[:5]
    assert "q: 5 of 8 dead jobs match\n" in result.err
    assert "5 requeued (store: " in result.err
    assert jq_on_each.ok("dlq", "ls", "q", "-q").lines == ids[5:]
    again = jq_on_each.ok(*requeue)
    assert (again.out, "q: 0 of 3 dead jobs match\n" in again.err) == ("0\n", True)


def test_payload_and_error_together_say_what_is_purged(jq_on_each: Program) -> None:
    ids = two_errors(jq_on_each)
    assert jq_on_each.ok("dlq", "purge", "q", "--error", "SMTP*", "--payload", "n=1", "--yes").out == "1\n"
    assert jq_on_each.ok("dlq", "ls", "q", "-q").lines == [ids[0], *ids[2:]]


def test_more_than_a_page_is_filtered(jq_on_each: Program) -> None:
    dead(jq_on_each, "q", 450, error="one")
    dead(jq_on_each, "q", 250, error="two")
    assert jq_on_each.ok("dlq", "requeue", "q", "--error", "two", "--yes").out == "250\n"
    assert jq_on_each.ok("dlq", "purge", "q", "--payload", "n~?", "--yes").out == "10\n"
    assert jq_on_each.ok("len", "q", "--state", "all").out == "690\n"


def test_ids_with_a_filter_are_those_that_match_it(jq: Program) -> None:
    ids = two_errors(jq)
    dry = jq.ok("dlq", "requeue", "q", "-", "--error", "Timeout*", "--dry-run", input="\n".join(ids))
    assert (dry.out, "5 jobs of those named did not match" in dry.err) == ("3\n", True)
    result = jq.ok("dlq", "requeue", "q", "-", "--error", "Timeout*", input="\n".join(ids))
    assert (result.out, "5 jobs of those named did not match" in result.err) == ("3\n", True)
    assert jq.ok("dlq", "ls", "q", "-q").lines == ids[:5]


@pytest.mark.parametrize("command", BULK, ids=" ".join)
def test_in_bulk_every_action_counts_first_and_needs_a_yes(jq: Program, command: tuple[str, ...]) -> None:
    if command == ("promote",):
        jq.ok("enqueue", "q", '{"n": 1}', "--delay", "1h")
        jq.ok("enqueue", "q", '{"n": 2}', "--delay", "1h")
    elif command == ("cancel",):
        put(jq, "q", b'{"n": 1}', b'{"n": 2}')
    else:
        dead(jq, "q", 3)
    before = jq.ok("ls", "q", "-q").lines
    for chosen in (["--all"], ["--payload", "n=1"]):
        refused = jq(*command, "q", *chosen)
        assert (refused.code, refused.out) == (2, "")
        assert refused.err.startswith("jq: q: ")
        assert "there is no terminal to ask on; say --yes" in refused.err
        assert jq.ok(*command, "q", *chosen, "--dry-run").out == ("1\n" if "n=1" in chosen else f"{len(before)}\n")
    assert jq.ok("ls", "q", "-q").lines == before
    assert jq.on_terminal(*command, "q", "--payload", "n=1", answer="n").code == 1
    assert jq.ok("ls", "q", "-q").lines == before
    assert jq.on_terminal(*command, "q", "--payload", "n=1", answer="y").code == 0
    assert jq.ok(*command, "q", "--payload", "n=1", "--dry-run").out == "0\n"


@pytest.mark.parametrize("command", BULK, ids=" ".join)
def test_what_to_change_must_be_named(jq: Program, command: tuple[str, ...]) -> None:
    dead(jq, "q")
    assert "name the jobs to" in jq(*command, "q").err
    assert "name the jobs to" in jq(*command).err
    for wrong in (
        [],
        ["q"],
        ["--all"],
        ["--error", "x"],
        ["q", MISSING, "--all"],
        [MISSING, "--all"],
        ["q", "--id", MISSING, "--all"],
    ):
        assert jq(*command, *wrong).code == 2
    assert jq(*command, "q", "--payload", "n", "--yes").code == 2
    assert jq(*command, "nope", "--all", "--yes").code == 3
    assert states(jq) == ["dead"]


def test_several_queues_are_counted_and_then_asked_about_once(jq: Program) -> None:
    dead(jq, "a", 1)
    dead(jq, "b", 2)
    asked = jq.on_terminal("dlq", "purge", "a", "b", "--all", answer="n")
    assert "a: 1 dead job\r\n" in asked.out
    assert "b: 2 dead jobs\r\n" in asked.out
    assert "purge 3 dead jobs of 2 queues? [y/N]" in asked.out or "purge 3 jobs of 2 queues? [y/N]" in asked.out
    assert jq.ok("dlq", "purge", "a", "b", "--all", "--yes").out == "a\t1\nb\t2\n"


def test_a_bulk_action_shows_how_far_it_came_on_a_terminal(jq: Program) -> None:
    dead(jq, "q", 20)
    shown = jq.on_terminal("dlq", "requeue", "q", "--error", "it*", "--yes", "--rate", "10/s")
    assert shown.code == 0
    assert "requeue q" in shown.out
    assert "%" in shown.out


# --- ids without a queue ---


def test_ids_are_found_on_whatever_queue_they_are(jq_on_each: Program) -> None:
    [a], [b] = dead(jq_on_each, "a"), dead(jq_on_each, "b")
    listed = jq_on_each.ok("dlq", "ls", "a", "b", "-q").out
    assert jq_on_each.ok("dlq", "requeue", "-", input=listed).out == "2\n"
    assert jq_on_each.ok("cancel", a, b, "-v").lines == [a, b]
    assert json.loads(jq_on_each.ok("rm", "--id", a, "--json").out) == {"queue": "a", "removed": 1}
    missing = jq_on_each("rm", a, b)
    assert (missing.code, missing.out) == (7, "1\n")
    assert f"no such job: {a} (store: " in missing.err
    assert jq_on_each("rm", a).code == 3


def test_an_id_that_is_on_two_queues_needs_the_queue(jq: Program) -> None:
    [id] = put(jq, "a", b"1")
    jq.ok("enqueue", "b", "--from", "-", input=json.dumps({"payload": 1, "id": id}))
    result = jq("cancel", id)
    assert (result.code, result.out) == (4, "0\n")
    assert f"{id} is a job of a and of b: name the queue before it" in result.err
    assert jq.ok("cancel", "b", id).out == "1\n"
    assert (states(jq, "a"), states(jq, "b")) == (["ready"], ["cancelled"])


# --- cancel ---


def test_waiting_jobs_are_cancelled_at_once(jq_on_each: Program) -> None:
    [ready] = put(jq_on_each, "q", b"1")
    later = jq_on_each.ok("enqueue", "q", "2", "--delay", "1h").lines[0]
    assert jq_on_each.ok("cancel", "q", ready, later).out == "2\n"
    assert states(jq_on_each) == ["cancelled", "cancelled"]
    record = json.loads(jq_on_each.ok("show", ready, "--json").out)
    assert (record["reason"], record["history"][-1]["what"]) == ("cancelled", "cancelled")


def test_a_job_that_has_ended_cannot_be_cancelled(jq: Program) -> None:
    [a], b = dead(jq, "q"), succeeded(jq, "q", 1)
    result = jq("cancel", "q", a, b, MISSING)
    assert (result.code, result.out) == (7, "0\n")
    assert f"job {a} is dead: a finished job cannot be cancelled" in result.err
    assert jq("cancel", a).code == 4
    assert jq("cancel", "q", "--state", "dead", "--yes").code == 2
    assert sorted(states(jq)) == ["dead", "succeeded"]


def test_a_running_job_whose_worker_does_not_answer_was_only_asked(jq_on_each: Program) -> None:
    id, worker = running(jq_on_each, "q")
    asked = jq_on_each.ok("cancel", "q", id, "--wait", "0")
    assert (asked.out, "0 cancelled, 1 asked to stop" in asked.err) == ("0\n", True)
    again = jq_on_each.ok("cancel", "q", id, "--wait", "0", "--json")
    assert json.loads(again.out) == {"queue": "q", "cancelled": 0, "asked": 1}
    late = jq_on_each("cancel", "q", "--all", "--yes", "--wait", "300ms", "--json")
    assert (late.code, json.loads(late.out)) == (8, {"queue": "q", "cancelled": 0, "asked": 0})
    assert f"job {id} was asked to stop and still runs on {worker} after 300ms" in late.err
    assert json.loads(jq_on_each.ok("show", id, "--json").out)["stop"] is True


def test_an_interrupted_wait_tells_who_was_only_asked(jq: Program) -> None:
    id, _ = running(jq, "q")
    put(jq, "q", b"1")
    process = jq.start("cancel", "q", "--all", "--yes", "--wait", "1m")
    with store_of(jq) as backend:
        until(lambda: backend.get("q", [id])[0].stop, "the request")  # type: ignore[union-attr]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted: 1 cancelled, 1 asked to stop; call it again to go on" in err.decode()


def test_a_running_job_whose_worker_is_gone_is_cancelled_when_its_lease_ends(jq_on_each: Program) -> None:
    id, _ = running(jq_on_each, "q", lease=1_000, register=False)
    assert jq_on_each.ok("cancel", "q", id).out == "1\n"
    assert states(jq_on_each) == ["cancelled"]


def test_a_running_job_that_ends_by_itself_is_reported(jq: Program) -> None:
    put(jq, "q", b"1")
    with store_of(jq) as backend:
        from jq_cli.consumer import Consumer

        consumer = Consumer(backend)
        [job] = consumer.claim(["q"])
        process = jq.start("cancel", "q", job.id)
        until(lambda: backend.get("q", [job.id])[0].stop, "the request")  # type: ignore[union-attr]
        consumer.write([consumer.settle(job, Outcome("succeeded"))])
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (4, b"0\n")
    assert f"job {job.id} succeeded before it could be stopped" in err.decode()


def test_cancelling_by_filter_goes_through_all_states_that_have_not_ended(jq_on_each: Program) -> None:
    put(jq_on_each, "q", b'{"n": 1}', b'{"n": 2}')
    jq_on_each.ok("enqueue", "q", '{"n": 1}', "--delay", "1h")
    end(jq_on_each, "q", 1, Outcome("permanent", error="x"))
    result = jq_on_each.ok("cancel", "q", "--payload", "n~*", "--yes")
    assert (result.out, "q: 2 jobs match (1 scheduled, 1 ready)\n" in result.err) == ("2\n", True)
    assert sorted(states(jq_on_each)) == ["cancelled", "cancelled", "dead"]


# --- rm ---


def test_jobs_are_removed_in_any_state_but_running(jq_on_each: Program) -> None:
    busy, _ = running(jq_on_each, "q")
    dead(jq_on_each, "q")
    succeeded(jq_on_each, "q", 1)
    [ready] = put(jq_on_each, "q", b"1")
    jq_on_each.ok("enqueue", "q", "2", "--delay", "1h")
    alone = jq_on_each("rm", busy)
    assert (alone.code, alone.out) == (4, "0\n")
    assert "a running job cannot be removed; cancel it first" in alone.err
    assert jq_on_each("rm", "q", "--state", "running", "--yes").code == 4
    assert jq_on_each.ok("rm", "q", ready, "--dry-run").out == "1\n"
    result = jq_on_each("rm", "q", "--all", "--yes")
    assert (result.code, result.out) == (7, "4\n")
    assert "q: 4 jobs (1 scheduled, 1 ready, 1 dead, 1 succeeded); 1 running job stays" in result.err
    assert "q: 1 running job stays: cancel first" in result.err
    assert states(jq_on_each) == ["running"]


def test_a_state_is_filter_enough_to_remove_by(jq: Program) -> None:
    dead(jq, "q", 2)
    succeeded(jq, "q", 1)
    put(jq, "q", b"1")
    assert jq.ok("rm", "q", "--state", "succeeded,dead", "--yes").out == "3\n"
    assert states(jq) == ["ready"]
    assert jq("rm", "q", "--state", "broken").code == 2
