"""What bad input gets: the list of the semantics, each with its exit code and a message that names the field and the bound."""

import json

import pytest

from tests.cli.program import Program

NAME = "is not a name: 1 to 128 of A-Z a-z 0-9 . _ - are allowed, the first a letter or digit"

BAD = [
    # queue and namespace names
    (["enqueue", "a b", "1"], f"queue: 'a b' {NAME}"),
    (["enqueue", "", "1"], f"queue: '' {NAME}"),
    (["enqueue", "q" * 129, "1"], "queue: 'qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq…' is not a name"),
    (["enqueue", ".hidden", "1"], f"queue: '.hidden' {NAME}"),
    (["enqueue", "a\nb", "1"], f"queue: 'a\\nb' {NAME}"),
    (["enqueue", "{q}", "1"], f"queue: '{{q}}' {NAME}"),
    (["enqueue", "q", "1", "--namespace", "a b"], f"namespace: 'a b' {NAME} (--namespace)"),
    # priorities and counts
    (["enqueue", "q", "1", "--priority", "1001"], "priority: expected -1000..1000, got 1001"),
    (["enqueue", "q", "1", "--priority", "-1001"], "priority: expected -1000..1000, got -1001"),
    (["enqueue", "q", "1", "--priority", "9" * 40], "priority: expected -1000..1000, got 9999"),
    (["enqueue", "q", "1", "--priority", "1.5"], "'1.5' is not a valid integer"),
    (["enqueue", "q", "1", "--retries", "1001"], "max_retries: expected 0..1000, got 1001"),
    (["enqueue", "q", "1", "--retries", "-1"], "max_retries: expected 0..1000, got -1"),
    # delays and durations
    (["enqueue", "q", "1", "--delay", "367d"], "delay: expected 0..366d, got 367d"),
    (["enqueue", "q", "1", "--delay", "5"], "delay: '5' needs a unit, such as 5s"),
    (["enqueue", "q", "1", "--delay", "-5s"], "delay: '-5s' is not a duration"),
    (["enqueue", "q", "1", "--delay", "-5"], "delay: '-5' must not be negative"),
    (["enqueue", "q", "1", "--delay", "5 minutes"], "delay: '5 minutes' is not a duration; use forms like 500ms, 30s"),
    (["enqueue", "q", "1", "--delay", "1e999s"], "delay: '1e999s' is not a duration"),
    (["enqueue", "q", "1", "--delay", ""], "delay: '' is not a duration"),
    (["enqueue", "q", "1", "--at", "+400d"], "delay: expected 0..366d, got 400d"),
    (["enqueue", "q", "1", "--at", "-5m"], "at: '-5m' is in the past"),
    (["enqueue", "q", "1", "--at", "2020-01-01T00:00:00Z"], "in the past"),
    (["enqueue", "q", "1", "--at", "2026-01-01T00:00:00"], "at: '2026-01-01T00:00:00' has no time zone; add Z or an offset"),
    (["enqueue", "q", "1", "--at", "tomorrow"], "at: 'tomorrow' is not a moment; use RFC 3339, +5m or a Unix time"),
    (["enqueue", "q", "1", "--timeout", "0s"], "timeout: expected 0.001 s to 366d, got 0 s"),
    (["enqueue", "q", "1", "--ttl", "-1s"], "ttl: '-1s' is not a duration"),
    (["enqueue", "q", "1", "--retention", "500d"], "retention: expected 0 s to 366d"),
    (["enqueue", "q", "1", "--dedup-key", "k", "--dedup-ttl", "0"], "dedup_ttl: expected 0.001 s to 366d, got 0 s"),
    (["enqueue", "q", "1", "--idempotency-ttl", "9999d"], "idempotency_ttl: expected 0.001 s to 366d"),
    # backoff
    (["enqueue", "q", "1", "--backoff", "1"], "backoff: '1' needs a unit, such as 1s"),
    (["enqueue", "q", "1", "--backoff", "1s,0"], "backoff: factor must be 1..1000, got 0"),
    (["enqueue", "q", "1", "--backoff", "1s,x"], "backoff: factor must be a number, got 'x'"),
    (["enqueue", "q", "1", "--backoff", "1s,2,1h,2"], "backoff: jitter must be 0..1, got 2"),
    (["enqueue", "q", "1", "--backoff", "1s,2,1h,0.1,5"], "has more parts than base,factor,cap,jitter"),
    (["enqueue", "q", "1", "--backoff", "1s,nan"], "backoff: factor must be 1..1000, got nan"),
    # words, keys, ids, headers
    (["enqueue", "q", "1", "--delivery", "exactly_once"], "delivery: expected at_least_once or at_most_once, got 'exactly_once'"),
    (["enqueue", "q", "1", "--dedup-until", "never"], "dedup_until: expected ttl or done, got 'never'"),
    (["enqueue", "q", "1", "--dedup-key", ""], "dedup_key: expected 1..512 bytes, got 0"),
    (["enqueue", "q", "1", "--dedup-key", "é" * 257], "dedup_key: expected 1..512 bytes, got 514"),
    (["enqueue", "q", "1", "--idempotency-key", "k" * 513], "idempotency_key: expected 1..512 bytes, got 513"),
    (["enqueue", "q", "1", "--id", "abc"], "id: 'abc' is not a ULID"),
    (["enqueue", "q", "1", "--id", "01k4" + "0" * 22], "is not a ULID"),
    (["enqueue", "q", "1", "--id", "8" + "0" * 25], "is not a ULID"),
    (["enqueue", "q", "1", "--header", "novalue"], "header: expected KEY=VALUE, got 'novalue'"),
    (["enqueue", "q", "1", "--header", "=v"], "header: expected KEY=VALUE"),
    (["enqueue", "q", "1", "--header", "a=" + "x" * 17_000], "headers: 17,001 bytes are more than the 16,384 allowed"),
    # payloads
    (["enqueue", "q", '{"a": 1'], "payload: not valid JSON"),
    (["enqueue", "q", "[1, 2"], "--text stores it as a string"),
    (["enqueue", "q", '"open'], "payload: not valid JSON"),
    (["enqueue", "q", '"\\ud800"'], "payload: a lone surrogate"),
    (["enqueue", "q", "[" * 129 + "]" * 129], "payload: nesting is deeper than the 128 levels allowed"),
    (["enqueue", "q", '{"a":' * 129 + "1" + "}" * 129], "payload: nesting is deeper than the 128 levels allowed"),
    # unknown options
    (["enqueue", "q", "1", "--prioritty", "5"], "no such option '--prioritty'"),
    (["enqueue", "q", "1", "-z"], "no such option '-z'"),
    (["nonsense"], "no such command: 'nonsense'"),
    (["dlq", "requeu"], "no such command: 'requeu'; did you mean requeue?"),
    (["retry", "q"], "no such command: 'retry'; did you mean dlq requeue?"),
    (["dlq", "retry", "q"], "no such command: 'retry'; did you mean requeue?"),
    (["delete", "q"], "no such command: 'delete'; did you mean rm?"),
    (["status"], "no such command: 'status'; did you mean ls-queues or stats?"),
    (["cron", "list"], "no such command: 'list'; did you mean ls?"),
    (["work", "q", "--", "no-such-program"], "no such program: 'no-such-program'"),
]  # fmt: skip


@pytest.mark.parametrize(("args", "said"), BAD, ids=[" ".join(args)[:40] for args, _ in BAD])
def test_bad_input_is_refused_with_a_message_and_nothing_is_stored(jq: Program, args: list[str], said: str) -> None:
    # GitHub issue titles quote options differently across click versions; the quotes are not the point.
    result = jq(*args)
    assert (result.code, result.out) == (2, "")
    assert said.replace("'", "") in result.err.replace("'", "").replace("No such", "no such").replace(
        ": --", " --"
    ).replace(": -z", " -z")
    assert result.err.startswith("jq: ")
    assert "Traceback" not in result.err
    assert jq.ok("ls-queues", "-q").out == ""


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b'"\xff"', "payload: invalid UTF-8"),
        (b"a\xff", "payload: invalid UTF-8 at byte 1"),
        (b'{"a": "\xed\xa0\x80"}', "payload: invalid UTF-8"),
        (b"x" * 1_048_577, "payload: 1,048,577 bytes are more than the 1,048,576 allowed (max_payload)"),
        (b'"' + b"x" * 1_048_575 + b'"', "payload: 1,048,577 bytes are more than the 1,048,576 allowed (max_payload)"),
        (b"\x01" * 300_000, "are more than the 1,048,576 allowed (max_payload)"),
        (b"[" * 1_000_000, "payload: nesting is deeper than the 128 levels allowed"),
    ],
    ids=["json", "text", "surrogate", "large text", "large json", "grows when encoded", "deep"],
)
def test_bad_payloads_on_stdin_are_refused(jq: Program, payload: bytes, said: str) -> None:
    result = jq("enqueue", "q", "-", input=payload)
    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert jq.ok("ls-queues", "-q").out == ""


@pytest.mark.parametrize("field", ["--dedup-key", "--idempotency-key", "--id", "--header", "--delay", "--backoff"])
def test_bytes_that_are_not_text_are_refused_in_every_option(jq: Program, field: str) -> None:
    result = jq("enqueue", "q", "1", field, b"a=\xff\x1b[31m")
    assert (result.code, result.out) == (2, "")
    assert "\x1b" not in result.err
    assert jq.ok("ls-queues", "-q").out == ""


def test_the_largest_payload_and_the_deepest_are_taken(jq_on_each: Program) -> None:
    largest = b'"' + b"x" * 1_048_574 + b'"'
    id = jq_on_each.ok("enqueue", "q", "-", input=largest).out.strip()
    assert len(json.loads(jq_on_each.ok("show", id, "--json").out)["payload"]) == 1_048_574
    deepest = "[" * 128 + "]" * 128
    id = jq_on_each.ok("enqueue", "q", deepest).out.strip()
    assert json.dumps(json.loads(jq_on_each.ok("show", id, "--json").out)["payload"]) == deepest


def test_the_largest_payload_is_what_the_configuration_says(jq: Program) -> None:
    (jq.home / "jq.yaml").write_text("max_payload: 10")
    assert jq("enqueue", "q", "12345678").code == 0
    result = jq("enqueue", "q", "12345678901")
    assert result.code == 2
    assert "11 bytes are more than the 10 allowed (max_payload)" in result.err


@pytest.mark.parametrize("bound", ["-1000", "1000"])
def test_bounds_themselves_are_allowed(jq: Program, bound: str) -> None:
    jq.ok("enqueue", "q", "1", "--priority", bound, "--retries", "1000", "--delay", "366d", "--dedup-key", "k" * 512)
