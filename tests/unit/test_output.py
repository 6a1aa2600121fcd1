"""Every form of a listing, and every character that must not reach a terminal."""

import unicodedata
from typing import Any

import msgspec
import pytest

from jq_cli.job import Job
from jq_cli.store_url import has_secret, mask_option, mask_url, with_password
from jq_cli.view.output import Answer, Form, Listing, emit, moment, shown, use_color
from jq_cli.view.records import job_record, json_value
from jq_cli.view.safe_text import safe_bytes, safe_json, safe_lines, safe_text
from jq_cli.view.table import Column, aligned, fitted, width

LISTING = Listing(fields=("id", "n", "text"), columns=("id", "text"), id="id", more=("extra",))
RECORDS: list[dict[str, Any]] = [{"id": "a", "n": 1, "text": "x\ty", "extra": 9}, {"id": "bb", "n": None, "text": None}]


Captured = pytest.CaptureFixture[str]


def output(capsys: Captured, form: Form, records: list[dict[str, Any]] = RECORDS) -> str:
    emit(LISTING, Answer(records, 0), form)
    return capsys.readouterr().out


# --- forms ---


def test_a_table_is_aligned_and_shows_what_is_missing_as_a_dash(capsys: Captured) -> None:
    assert output(capsys, Form()) == "id  text\na   x\\ty\nbb  -\n"


def test_headers_can_be_left_out(capsys: Captured) -> None:
    assert output(capsys, Form(headers=False)) == "a   x\\ty\nbb  -\n"


def test_plain_is_separated_by_tabs_that_data_cannot_forge(capsys: Captured) -> None:
    assert output(capsys, Form(kind="plain")) == "id\ttext\na\tx\\ty\nbb\t\n"


def test_ids_are_one_a_line(capsys: Captured) -> None:
    assert output(capsys, Form(kind="ids")) == "a\nbb\n"


def test_json_is_an_array_with_all_fields(capsys: Captured) -> None:
    text = output(capsys, Form(kind="json"))
    assert msgspec.json.decode(text) == [{"id": "a", "n": 1, "text": "x\ty"}, {"id": "bb", "n": None, "text": None}]


def test_jsonl_is_an_object_a_line(capsys: Captured) -> None:
    lines = output(capsys, Form(kind="jsonl")).splitlines()
    assert [msgspec.json.decode(line)["id"] for line in lines] == ["a", "bb"]


@pytest.mark.parametrize(
    ("kind", "empty"), [("json", "[]\n"), ("jsonl", ""), ("ids", ""), ("plain", "id\ttext\n"), ("table", "id  text\n")]
)
def test_nothing_is_printed_as_nothing(capsys: Captured, kind: Any, empty: str) -> None:
    assert output(capsys, Form(kind=kind), []) == empty


@pytest.mark.parametrize("kind", ["table", "plain", "json", "jsonl", "ids"])
def test_a_limit_holds_in_every_form(capsys: Captured, kind: Any) -> None:
    text = output(capsys, Form(kind=kind, limit=1, headers=False))
    assert "bb" not in text
    assert "a" in text


def test_columns_choose_and_order_fields_in_every_form(capsys: Captured) -> None:
    assert output(capsys, Form(kind="plain", columns=("extra", "id"))) == "extra\tid\n9\ta\n\tbb\n"
    assert output(capsys, Form(kind="jsonl", columns=("n",))) == '{"n":1}\n{"n":null}\n'


def test_an_unknown_column_is_refused_before_anything_is_printed(capsys: Captured) -> None:
    with pytest.raises(Exception, match="no column 'nope'; known: id, n, text, extra"):
        output(capsys, Form(columns=("nope",)))
    assert capsys.readouterr().out == ""


def test_numbers_are_aligned_at_the_right() -> None:
    columns = [Column("n", right=True), Column("text")]
    assert aligned(columns, [["1", "a"], ["100", "b"]], headers=True) == ["  n  text", "  1  a", "100  b"]


def test_wide_characters_take_two_cells() -> None:
    assert width("日本") == 4
    assert width("e\u0301") == 1
    assert aligned([Column("a"), Column("b")], [["日", "x"], ["y", "z"]], headers=False) == ["日  x", "y   z"]


def test_free_text_shares_the_room_that_ids_leave() -> None:
    columns = [Column("id", whole=True), Column("text"), Column("more")]
    rows = [["i" * 26, "t" * 200, "m" * 30]]
    assert fitted(columns, rows, 100, headers=True) == [26, 38, 30]
    assert fitted(columns, rows, 40, headers=True) == [26, 16, 16]
    assert fitted(columns, [["i" * 26, "t", "m"]], 100, headers=True) == [26, 4, 4]


# --- values ---


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("relative", "-5m"),
        ("iso", "2026-01-01T00:00:00.250Z"),
        ("unix", "1767225600.250"),
        (None, "2026-01-01T00:00:00.250Z"),
    ],
)
def test_moments_are_told_in_the_style_asked_for(style: Any, text: str) -> None:
    at = 1_767_225_600_250
    assert moment(at, Form(time=style), at + 300_000) == text


def test_a_moment_to_come_is_told_with_a_plus() -> None:
    assert moment(90_000, Form(time="relative"), 0) == "+1m30s"


def test_a_moment_beyond_the_calendar_is_told_as_a_number() -> None:
    assert moment(10**17, Form(time="iso"), 0) == str(10**17)


def test_durations_are_told_as_they_are_typed() -> None:
    assert shown("timeout", 90.0, Form(), 0) == "1m30s"
    assert shown("oldest_ready_age", 0.25, Form(), 0) == "250ms"


# --- hostile text ---

HOSTILE = [
    "\x00", "\x07", "\x08", "\x1b[31m", "\x1b]0;title\x07", "\r", "\n", "\t", "\x7f", "\x9b31m", "\x85", "\u202e", "\u2066", "\u200b",
    "\u200e", "\u2028", "\u2029", "\ufeff", "\u061c", "\u00ad", "\U000e0041", "\u2060", "\ufff9", "\u3164", "\u180e", "\ud800", "\udfff",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_hostile_text_becomes_visible_escapes(text: str) -> None:
    safe = safe_text(f"a{text}b")
    assert safe.startswith("a\\")
    assert safe.isprintable()
    assert safe.encode()


def test_every_control_and_format_character_is_escaped() -> None:
    for code in range(0x110000):
        if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Zl", "Zp") and code not in _HARMLESS:
            assert safe_text(chr(code))[0] == "\\", hex(code)


# Arabic and Syriac number signs, Egyptian joiners and the like: format characters that are seen.
_HARMLESS = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0x13430, 0x13440), *range(0x1BCA0, 0x1BCA4)}  # fmt: skip


@pytest.mark.parametrize("text", ["plain", "naïve café", "日本語", "emoji 🎉", "[red]markup[/red]", "a\\b", "{}"])
def test_harmless_text_is_left_alone(text: str) -> None:
    assert safe_text(text) == text


def test_lines_may_end_where_lines_may_end() -> None:
    assert safe_lines("a\r\nb\rc\n\x1b") == ["a", "b", "c", "\\x1b"]


def test_bytes_that_are_not_utf8_are_shown_as_escapes() -> None:
    assert safe_bytes(b"a\xff\x1bb") == "a\\xff\\x1bb"


@pytest.mark.parametrize("text", [t for t in HOSTILE if not "\ud800" <= t <= "\udfff"], ids=ascii)
def test_json_keeps_its_value_and_loses_its_teeth(text: str) -> None:
    encoded = safe_json(msgspec.json.encode({"k" + text: text}))
    assert encoded.decode().isprintable()
    assert msgspec.json.decode(encoded) == {"k" + text: text}


def test_stored_json_is_shown_on_one_line() -> None:
    assert bytes(json_value(b'{\n  "a":\t[1,\r\n2]}')) == b'{"a":[1,2]}'


@pytest.mark.parametrize("stored", [b"{", b"\xff", b'"\xed\xa0\x80"', b"[" * 100_000, b""])
def test_what_is_not_json_is_shown_as_text(stored: bytes) -> None:
    assert isinstance(json_value(stored), str)


def test_a_damaged_record_can_be_shown_as_json() -> None:
    record = job_record(Job(id="x", payload=b"\xff", raw=b"\x00broken"))
    assert msgspec.json.decode(safe_json(msgspec.json.encode(record)))["raw"] == "\x00broken"


# --- colour, secrets ---


@pytest.mark.parametrize(
    ("choice", "env", "terminal", "colour"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {}, True, False),
    ],
)
def test_colour_is_used_when_it_is_wanted(
    monkeypatch: pytest.MonkeyPatch, choice: str, env: dict[str, str], terminal: bool, colour: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    class Stream:
        def isatty(self) -> bool:
            return terminal

    assert bool(use_color(choice, Stream())) is colour


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("redis://h:1/0", "redis://h:1/0"),
        ("redis://user@h/0", "redis://user@h/0"),
        ("redis://user:secret@h/0", "redis://user:***@h/0"),
        ("redis://:secret@h/0", "redis://:***@h/0"),
        ("redis://u:se@cr/et@h/0", "redis://u:***@h/0"),
        ("rediss://h/0?ssl_password=secret&db=1", "rediss://h/0?ssl_password=***&db=1"),
        ("unix:///run/redis.sock?password=secret", "unix:///run/redis.sock?password=***"),
        ("sqlite:///home/a@b/jq.db", "sqlite:///home/a@b/jq.db"),
        ("memory", "memory"),
    ],
)
def test_passwords_in_urls_are_masked(url: str, masked: str) -> None:
    assert mask_url(url) == masked
    assert has_secret(url) is (url != masked)


def test_a_password_is_put_into_a_url_encoded() -> None:
    assert with_password("redis://u:old@h/0", "a@b:/c") == "redis://u:a%40b%3A%2Fc@h/0"
    assert with_password("unix:///run/s", "x") == "unix://:x@/run/s"


def test_options_that_sound_like_secrets_are_masked() -> None:
    assert mask_option("password", "x") == "***"
    assert mask_option("ssl_keyfile", "/k") == "/k"
    assert mask_option("timeout", 3) == 3
