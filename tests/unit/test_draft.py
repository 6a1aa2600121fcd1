"""Drafts: every bound is checked before a store sees the job, and the message names the field and the bound."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jq_cli.draft import (
    MAX_DELAY,
    MAX_DEPTH,
    MAX_PAYLOAD,
    check_depth,
    check_name,
    encode_payload,
    fingerprint,
    make_draft,
    parse_payload,
    runs_of,
    seconds,
)  # fmt: skip
from jq_cli.errors import InvalidField
from jq_cli.ids import new_id
from jq_cli.job import Backoff, Job

DAY = 86_400_000


def draft(**fields: Any) -> Any:
    times = {name: fields.pop(name) for name in ("delay", "expires_in") if name in fields}
    return make_draft(Job(**{"id": new_id(), "queue": "q", "payload": b"1", **fields}), **times)


@pytest.mark.parametrize("name", ["a", "0", "a.b", "A-b_c.9", "x" * 128])
def test_a_name_is_letters_digits_and_three_marks(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", ".a", "-a", "_a", "a b", "a/b", "a:b", "ä", "a\n", "x" * 129, "{a}", None, 5])
def test_any_other_name_is_refused(name: Any) -> None:
    with pytest.raises(InvalidField, match=r"queue: .* is not a name"):
        check_name(name)


def test_a_long_name_is_not_repeated_in_full() -> None:
    with pytest.raises(InvalidField) as caught:
        check_name("x" * 5_000)
    assert len(str(caught.value)) < 250


GOOD: list[dict[str, Any]] = [
    {"priority": 1_000}, {"priority": -1_000}, {"max_retries": 0}, {"max_retries": 1_000}, {"max_losses": 1_000},
    {"delay": MAX_DELAY}, {"expires_in": 0}, {"expires_in": MAX_DELAY}, {"retention": 0.0}, {"timeout": 0.001},
    {"dedup_key": "x" * 512}, {"idempotency_key": "ü" * 256}, {"headers": {"a": "x" * (16 * 1024 - 1)}},
    {"backoff": Backoff(0.0, 1.0, 0.0, 0.0)}, {"backoff": Backoff(1.0, 1_000.0, MAX_DELAY / 1_000, 1.0)},
]  # fmt: skip


@pytest.mark.parametrize("fields", GOOD, ids=str)
def test_the_bounds_themselves_are_allowed(fields: dict[str, Any]) -> None:
    assert draft(**fields).job.queue == "q"


BAD: list[tuple[dict[str, Any], str]] = [
    ({"queue": "a b"}, "queue"), ({"id": "x"}, "id"), ({"id": "01m864319j814ss85fqzxp8p89"}, "id"),
    ({"priority": 1_001}, "priority: expected -1000..1000, got 1001"), ({"priority": -1_001}, "priority"),
    ({"max_retries": -1}, "max_retries"), ({"max_retries": 1_001}, "max_retries"), ({"max_losses": -1}, "max_losses"),
    ({"delay": -1}, "delay: expected 0..366d, got -1ms"), ({"delay": MAX_DELAY + 1}, "delay"), ({"expires_in": -1}, "ttl"),
    ({"timeout": 0.0}, "timeout"), ({"timeout": float("nan")}, "timeout"), ({"timeout": float("inf")}, "timeout"),
    ({"retention": -0.5}, "retention"), ({"dedup_ttl": 0.0}, "dedup_ttl"), ({"idempotency_ttl": -1.0}, "idempotency_ttl"),
    ({"dedup_key": ""}, "dedup_key: expected 1..512 bytes, got 0"), ({"dedup_key": "ü" * 257}, "dedup_key"),
    ({"idempotency_key": "x" * 513}, "idempotency_key"), ({"dedup_key": "\ud800"}, "dedup_key: invalid UTF-8"),
    ({"headers": {"a": "x" * 16 * 1024}}, "headers"), ({"headers": {"a": "\0"}}, "headers: NUL"),
    ({"headers": {"\ud800": "a"}}, "headers"), ({"backoff": Backoff(base=-1.0)}, "backoff"),
    ({"backoff": Backoff(factor=0.5)}, "backoff: factor"), ({"backoff": Backoff(factor=1_001.0)}, "backoff: factor"),
    ({"backoff": Backoff(jitter=1.1)}, "backoff: jitter"), ({"backoff": Backoff(cap=float("nan"))}, "backoff"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "message"), BAD, ids=str)
def test_a_value_out_of_bounds_is_refused_by_the_name_of_its_field(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidField) as caught:
        draft(**fields)
    assert str(caught.value).startswith(message)


def test_a_dedup_key_lives_for_ten_minutes_unless_something_else_is_said() -> None:
    assert draft(dedup_key="k").job.dedup_ttl == 600.0
    assert draft(dedup_key="k", dedup_ttl=5.0).job.dedup_ttl == 5.0
    assert draft(dedup_key="k", dedup_until="done").job.dedup_ttl is None
    assert draft().job.dedup_ttl is None


def test_only_an_idempotent_job_needs_a_fingerprint() -> None:
    assert draft().fingerprint == ""
    assert draft(idempotency_key="k").fingerprint == fingerprint(b"1")


def test_a_fingerprint_is_of_the_canonical_payload() -> None:
    assert fingerprint(b'{"b": [1, 2], "a": "\\u00fc"}') == fingerprint('{"a":"ü","b":[1,2]}'.encode())
    assert fingerprint(b"[1,2]") != fingerprint(b"[2,1]")
    assert fingerprint(b'"1"') != fingerprint(b"1")


@pytest.mark.parametrize(
    "text", [b"null", b"1", b"-1.5e3", b'"a"', b'{ "a" : 1 }', b"[]", b"123456789012345678901234567890"]
)
def test_json_is_kept_as_it_was_written(text: bytes) -> None:
    assert parse_payload(b"  " + text + b"\n") == text


@pytest.mark.parametrize(("text", "payload"), [
    (b"hello", b'"hello"'), (b"", b'""'), (b"NaN", b'"NaN"'), (b"tru", b'"tru"'), (b"1 2", b'"1 2"'), ("ü\n".encode(), '"ü\\n"'.encode()),
])  # fmt: skip
def test_text_that_is_no_json_becomes_a_string(text: bytes, payload: bytes) -> None:
    assert parse_payload(text) == payload


@pytest.mark.parametrize("text", [b"{", b'{"a":}', b"[1,", b'"a', b'"\\ud800"', b' {"a": NaN}', b'"\xff"', b"[1e999]"])
def test_text_that_starts_like_json_must_be_json(text: bytes) -> None:
    with pytest.raises(InvalidField, match=r"payload: .*--text stores it as a string"):
        parse_payload(text)


def test_as_text_anything_is_a_string() -> None:
    assert parse_payload(b'{"a"', as_text=True) == b'"{\\"a\\""'
    assert parse_payload(b"1", as_text=True) == b'"1"'


def test_invalid_utf8_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidField, match="payload: invalid UTF-8 at byte 2"):
        parse_payload(b"ab\xff")


def test_the_size_of_a_payload_is_bounded_as_it_is_stored() -> None:
    assert len(parse_payload(b'"' + b"x" * (MAX_PAYLOAD - 2) + b'"')) == MAX_PAYLOAD
    for text in (b"[" + b" " * MAX_PAYLOAD + b"]", b"x" * (MAX_PAYLOAD - 1), b"\n" * (MAX_PAYLOAD // 2)):
        with pytest.raises(InvalidField, match=r"payload: [\d,]+ bytes are more than the 1,048,576 allowed"):
            parse_payload(text)


def test_the_nesting_of_a_payload_is_bounded() -> None:
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        assert parse_payload(opening * MAX_DEPTH + b"1" + closing * MAX_DEPTH)
        with pytest.raises(InvalidField, match="deeper than the 128"):
            parse_payload(opening * (MAX_DEPTH + 1) + b"1" + closing * (MAX_DEPTH + 1))


def test_brackets_in_text_and_side_by_side_are_no_nesting() -> None:
    check_depth(b'"' + b"[" * 1_000 + b'"')
    check_depth(b'"\\"' + b"{" * 1_000 + b'"')
    check_depth(b"[" + b"[]," * 1_000 + b"1]")


def test_the_deepest_text_is_told_without_recursion() -> None:
    with pytest.raises(InvalidField, match="deeper"):
        check_depth(b"[" * MAX_PAYLOAD)


def test_a_value_becomes_json() -> None:
    assert encode_payload({"a": [1, None, "ü"]}) == '{"a":[1,null,"ü"]}'.encode()


@pytest.mark.parametrize("value", [object(), {1, object()}, "\ud800", {"a": lambda: None}])
def test_a_value_that_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(InvalidField, match="payload: JSON cannot hold it"):
        encode_payload(value)


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(InvalidField, match="payload"):
        encode_payload(value)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(JSON)
def test_any_json_value_is_its_own_payload(value: Any) -> None:
    encoded = encode_payload(value)
    assert parse_payload(encoded) == encoded


@given(st.binary(max_size=40), st.booleans())
def test_any_bytes_are_a_payload_or_are_refused(text: bytes, as_text: bool) -> None:
    try:
        payload = parse_payload(text, as_text=as_text)
    except InvalidField:
        return
    assert fingerprint(payload)


def test_seconds_are_numbers_or_durations() -> None:
    assert (seconds(5, "ttl"), seconds(1.5, "ttl"), seconds("1m30s", "ttl")) == (5.0, 1.5, 90.0)
    with pytest.raises(InvalidField, match="ttl: '5' needs a unit"):
        seconds("5", "ttl")


def test_runs_are_of_drafts_that_differ_in_id_and_payload_alone() -> None:
    plain = [draft(payload=b"%d" % n) for n in range(3)]
    others = [
        draft(priority=1), draft(headers={"a": "1"}), draft(headers={"a": "2"}), draft(delay=5), draft(expires_in=5),
        draft(queue="other"), draft(timeout=1.0), draft(dedup_key="a"), draft(dedup_key="b"),
    ]  # fmt: skip
    drafts = [*plain, *others, *plain]
    runs = list(runs_of(drafts))
    assert [each for run in runs for each in run] == drafts
    assert [len(run) for run in runs] == [3, *[1] * len(others), 3]
    assert list(runs_of([])) == []
