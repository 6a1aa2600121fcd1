"""Values set at paths in a payload: what is written, what stays exactly as it was, and what is said about bad paths."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jq_cli.errors import InvalidField
from jq_cli.triage.payload_path import changed, parse_path, typed

PAYLOAD = b'{"to":"ada","items":[{"sku":"a","n":1},{"sku":"b"}],"deep":{"x":null}}'


def put(path: str, value: str, payload: bytes = PAYLOAD) -> bytes:
    return changed(payload, [(parse_path(path, "set"), typed(value))], [])


@pytest.mark.parametrize(
    ("path", "value", "there"),
    [
        ("to", "bob", b'"to":"bob"'),
        ("to", "5", b'"to":5'),
        ("to", '"5"', b'"to":"5"'),
        ("to", "null", b'"to":null'),
        ("to", "", b'"to":""'),
        ("to", "{not json", b'"to":"{not json"'),
        ("to", '{"a": [1]}', b'"to":{"a":[1]}'),
        ("items.0.n", "2", b'{"sku":"a","n":2}'),
        ("items.1.n", "2", b'{"sku":"b","n":2}'),
        ("items.2", "9", b'{"sku":"b"},9]'),
        ("items.-1.n", "9", b'{"sku":"b","n":9}'),
        (".", "9", b"9"),
        ("new.way.down", "true", b'"new":{"way":{"down":true}}'),
        ("deep.x.y", "1", b'"deep":{"x":{"y":1}}'),
        (r"a\.b", "1", b'"a.b":1'),
        (r"a\\b", "1", b'"a\\\\b":1'),
        ("7", "1", b'"7":1'),
    ],
)
def test_a_value_is_written_where_the_path_leads(path: str, value: str, there: bytes) -> None:
    assert there in put(path, value)


def test_a_list_at_the_top_has_paths_too() -> None:
    assert put("1", "x", b"[1,2]") == b'[1,"x"]'
    assert put("0.a", "x", b"[{}]") == b'[{"a":"x"}]'


def test_everything_else_keeps_its_digits_and_its_order() -> None:
    payload = b'{"z":1.10,"y":1E+400,"x":123456789012345678901234567890,"w":-0.0}'
    assert put("v", "1.50", payload) == payload[:-1] + b',"v":1.50}'


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("to.name", "to is neither an object nor a list, so to.name leads nowhere"),
        ("items.5.sku", "items is a list of 2; '5' is no place in it"),
        ("items.3", "items is a list of 2; '3' is no place in it"),
        ("items.first", "'first' is no place in it"),
        ("items.-3", "'-3' is no place in it"),
        ("items.99999999999999999999", "is no place in it"),
    ],
)
def test_a_path_that_leads_nowhere_is_named(path: str, words: str) -> None:
    with pytest.raises(InvalidField, match="payload: ") as caught:
        put(path, "1")
    assert words in str(caught.value)


@pytest.mark.parametrize("payload", [b'"text"', b"5", b"null"])
def test_a_payload_without_places_has_no_paths(payload: bytes) -> None:
    with pytest.raises(InvalidField, match="so a leads nowhere"):
        put("a", "1", payload)


@pytest.mark.parametrize("payload", [b"{", b"\xff", b"[" * 100_000])
def test_a_payload_that_is_not_json_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidField, match="not JSON that values can be set in"):
        put("a", "1", payload)


def test_a_value_can_be_taken_out() -> None:
    assert (
        changed(PAYLOAD, [], [parse_path("items.0", "set"), parse_path("deep.x", "set")])
        == b'{"to":"ada","items":[{"sku":"b"}],"deep":{}}'
    )
    for path in (".", "nope", "items.2", "items.0.nope", "nope.x"):
        with pytest.raises(InvalidField):
            changed(PAYLOAD, [], [parse_path(path, "set")])


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1), JSON, max_size=4), JSON)
def test_what_is_set_is_found_again_and_nothing_else_changed(payload: dict[str, object], value: object) -> None:
    new = msgspec.json.decode(changed(msgspec.json.encode(payload), [(("k",), msgspec.json.encode(value))], []))
    assert new == msgspec.json.decode(msgspec.json.encode({**payload, "k": value}))


@given(st.text(), st.binary(max_size=40))
def test_no_path_and_no_payload_make_it_fail_otherwise(path: str, payload: bytes) -> None:
    try:
        changed(payload, [(parse_path(path, "set"), b"1")], [])
    except InvalidField:
        return
