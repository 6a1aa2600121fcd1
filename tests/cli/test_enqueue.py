"""`jq enqueue` of one job: what is stored, what is printed, what is refused."""

import json
import re

import pytest

from jq_cli.ids import is_ulid, new_id
from jq_cli.lifecycle import Outcome
from tests.cli.program import Program
from tests.cli.stored import end, put, succeeded


def stored(jq: Program, id: str) -> dict[str, object]:
    record: dict[str, object] = json.loads(jq.ok("show", id, "--json").out)
    return record


def test_a_job_is_stored_and_its_id_printed(jq_on_each: Program) -> None:
    result = jq_on_each.ok("enqueue", "emails", '{"to": "ada@example.org"}')
    id = result.out.strip()
    assert is_ulid(id)
    assert result.err == ""
    record = stored(jq_on_each, id)
    assert (record["queue"], record["state"], record["payload"]) == ("emails", "ready", {"to": "ada@example.org"})


@pytest.mark.parametrize(
    ("text", "payload"),
    [
        ('{"a": 1}', {"a": 1}),
        ("[1, 2]", [1, 2]),
        ('"text"', "text"),
        ("null", None),
        ("12.5", 12.5),
        ("true", True),
        ("hello world", "hello world"),
        ("", ""),
        ("naïve 日本 🎉", "naïve 日本 🎉"),
        ("-5", -5),
    ],
)
def test_a_payload_is_json_or_else_a_string(jq: Program, text: str, payload: object) -> None:
    id = jq.ok("enqueue", "q", "--", text).out.strip()
    assert stored(jq, id)["payload"] == payload


def test_text_stores_a_string_whatever_it_looks_like(jq: Program) -> None:
    id = jq.ok("enqueue", "q", "--text", '{"a": ').out.strip()
    assert stored(jq, id)["payload"] == '{"a": '


def test_a_payload_is_read_from_stdin(jq: Program) -> None:
    big = json.dumps({"text": "x" * 500_000})
    id = jq.ok("enqueue", "q", "-", input=big + "\n").out.strip()
    assert stored(jq, id)["payload"] == {"text": "x" * 500_000}


def test_every_option_reaches_the_job(jq_on_each: Program) -> None:
    given = new_id()
    options = [
        "--priority=-7", "--retries=9", "--backoff=2s,3,1m,0.5", "--timeout=1m30s", "--ttl=1h", "--dedup-key=d", "--dedup-ttl=5m",
        "--dedup-until=done", "--idempotency-key=i", "--idempotency-ttl=2d", "--delivery=at_most_once", "--header=a=b=c",
        "--header=trace=é", f"--id={given}", "--retention=3h", "--delay=10m",
    ]  # fmt: skip
    assert jq_on_each.ok("enqueue", "q", "{}", *options).out.strip() == given
    record = stored(jq_on_each, given)
    expected = {
        "priority": -7, "max_retries": 9, "backoff": {"base": 2.0, "factor": 3.0, "cap": 60.0, "jitter": 0.5}, "timeout": 90.0,
        "dedup_key": "d", "dedup_ttl": 300.0, "dedup_until": "done", "idempotency_key": "i", "idempotency_ttl": 172_800.0,
        "delivery": "at_most_once", "headers": {"a": "b=c", "trace": "é"}, "retention": 10_800.0, "state": "scheduled",
    }  # fmt: skip
    assert {name: record[name] for name in expected} == expected
    assert int(record["ready_at"]) - int(record["created_at"]) == 600_000  # type: ignore[call-overload]
    assert int(record["expires_at"]) - int(record["created_at"]) == 3_600_000  # type: ignore[call-overload]


def test_a_moment_sets_the_delay(jq: Program) -> None:
    relative = stored(jq, jq.ok("enqueue", "q", "{}", "--at", "+5m").out.strip())
    assert int(relative["ready_at"]) - int(relative["created_at"]) == 300_000  # type: ignore[call-overload]
    tomorrow = int(relative["created_at"]) // 1_000 + 86_400  # type: ignore[call-overload]
    absolute = stored(jq, jq.ok("enqueue", "q", "{}", "--at", str(tomorrow)).out.strip())
    # The delay is counted from the store's answer to "what time is it", a moment before the job is accepted.
    assert tomorrow * 1_000 <= int(absolute["ready_at"]) < tomorrow * 1_000 + 10_000  # type: ignore[call-overload]


def test_what_is_printed_for_a_moment_may_be_typed_as_one(jq: Program) -> None:
    id = jq.ok("enqueue", "q", "{}", "--delay", "1h").out.strip()
    for style in ("iso", "unix", "relative"):
        typed = jq.ok("ls", "q", "--plain", "--no-headers", "--columns", "ready_at", "--time", style).lines[0]
        assert jq("enqueue", "other", "{}", "--at", typed).code == 0, typed
    assert id


def test_the_configuration_fills_in_what_the_producer_left_open(jq: Program) -> None:
    (jq.home / "jq.yaml").write_text("defaults: {max_retries: 8}\nqueues: {q: {priority: 4, timeout: 9s}}")
    record = stored(jq, jq.ok("enqueue", "q", "{}", "--priority", "6").out.strip())
    assert (record["max_retries"], record["priority"], record["timeout"]) == (8, 6, 9.0)


# --- duplicates ---


def test_a_duplicate_prints_the_first_id_and_says_so(jq_on_each: Program) -> None:
    first = jq_on_each.ok("enqueue", "q", "1", "--dedup-key", "k").out
    again = jq_on_each.ok("enqueue", "q", "2", "--dedup-key", "k")
    assert again.out == first
    assert "duplicate: no job was made" in again.err
    assert jq_on_each.ok("len", "q").out == "1\n"


def test_a_duplicate_fails_when_asked_to(jq: Program) -> None:
    first = jq.ok("enqueue", "q", "1", "--dedup-key", "k").out
    again = jq("enqueue", "q", "2", "--dedup-key", "k", "--fail-on-duplicate")
    assert (again.code, again.out) == (4, first)


def test_an_id_that_exists_makes_no_second_job(jq_on_each: Program) -> None:
    id = new_id()
    assert jq_on_each.ok("enqueue", "q", "1", "--id", id).out.strip() == id
    again = jq_on_each.ok("enqueue", "q", "2", "--id", id)
    assert "duplicate" in again.err
    assert stored(jq_on_each, id)["payload"] == 1


def test_an_idempotency_key_gives_the_first_jobs_outcome(jq_on_each: Program) -> None:
    id = jq_on_each.ok("enqueue", "q", "{}", "--idempotency-key", "k").out.strip()
    assert "duplicate" in jq_on_each.ok("enqueue", "q", "{}", "--idempotency-key", "k").err
    end(jq_on_each, "q", 1, Outcome("permanent", error="no such address"))
    replayed = jq_on_each.ok("enqueue", "q", "{}", "--idempotency-key", "k", "--json")
    answer = json.loads(replayed.out)
    assert (answer["id"], answer["status"]) == (id, "replayed")
    assert (answer["outcome"]["state"], answer["outcome"]["error"]) == ("dead", "no such address")
    assert "replayed" in replayed.err


def test_an_idempotency_key_with_another_payload_is_a_conflict(jq_on_each: Program) -> None:
    jq_on_each.ok("enqueue", "q", "1", "--idempotency-key", "k")
    other = jq_on_each("enqueue", "q", "2", "--idempotency-key", "k")
    assert (other.code, other.out) == (4, "")
    assert "another payload" in other.err


def test_json_tells_what_became_of_a_job(jq: Program) -> None:
    answer = json.loads(jq.ok("enqueue", "q", "{}", "--json").out)
    assert (answer["queue"], answer["status"], answer["outcome"]) == ("q", "created", None)
    assert is_ulid(answer["id"])


# --- usage ---


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "name a queue and a payload"),
        (["q"], "name a queue and a payload"),
        (["q", "1", "2"], "unexpected extra argument"),
        (["q", "1", "--raw"], "--raw needs --from"),
        (["q", "1", "--skip-invalid"], "--skip-invalid needs --from"),
        (["q", "1", "--from", "x"], "--from takes the place of the payload"),
        (["q", "--from", "x", "--id", "x"], "--id is for one job"),
        (["q", "--from", "x", "--dedup-key", "x"], "--dedup-key is for one job"),
        (["q", "1", "--delay", "1s", "--at", "+1s"], "--delay and --at exclude each other"),
        (["q", "1", "--nonsense"], "no such option"),
        (["q", "1", "--priority", "high"], "'high' is not a valid integer"),
    ],
)
def test_wrong_usage_is_explained(jq: Program, args: list[str], said: str) -> None:
    result = jq("enqueue", *args)
    assert (result.code, result.out) == (2, "")
    assert said in result.err.lower() or said in result.err


def test_the_memory_store_is_named_as_what_it_is(bare: Program) -> None:
    result = bare.ok("enqueue", "q", "{}", "--backend", "memory")
    assert "ends with this command" in result.err


def test_the_embedded_store_needs_no_configuration(bare: Program) -> None:
    bare.ok("enqueue", "q", "{}")
    assert bare.ok("len", "q").out == "1\n"
    database = bare.home / ".local" / "share" / "jq" / "jq.db"
    assert database.exists()
    assert database.parent.stat().st_mode & 0o777 == 0o700


def test_a_finished_job_can_be_looked_up_with_its_result(jq_on_each: Program) -> None:
    assert stored(jq_on_each, succeeded(jq_on_each, "q", {"pages": 3}))["result"] == {"pages": 3}


def test_what_another_program_stored_keeps_its_bytes(jq_on_each: Program) -> None:
    [id] = put(jq_on_each, "q", b'{"n": 1.50, "big": 123456789012345678901234567890}')
    assert re.search(r'"n":1\.50,"big":123456789012345678901234567890', jq_on_each.ok("ls", "q", "--jsonl").out)
    assert id
