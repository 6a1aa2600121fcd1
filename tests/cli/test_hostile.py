"""Stored data is hostile: in every view, in a pipe and on a terminal, nothing of it acts on the terminal or breaks the form."""

import json
import re

import pytest

from jq_cli.backends.base import Setting
from jq_cli.consumer import WORKER_NOTE
from jq_cli.lifecycle import Outcome
from tests.cli.program import Program
from tests.cli.stored import dead, end, put, store_of

ESCAPES = b'"\\u001b[2J\\u001b]0;owned\\u0007 \xc2\x9b31m \xe2\x80\xae rtl \xe2\x80\x8b zw \xe2\x80\xa8 ls \x7f del"'
MARKUP = b'"[red]x[/red] [link=http://evil]y[/link] [/] \\\\[bold]"'
LONE = b'{"a": "\\ud800 \\udfff"}'
DEEP = b"[" * 128 + b"]" * 128
LONG = b'"' + b"A" * (1024 * 1024 - 2) + b'"'
SPREAD = b'{\r\n\t"a":\n [1,\r\n2]}'

PAYLOADS = {
    "escapes": ESCAPES,
    "markup": MARKUP,
    "lone surrogates": LONE,
    "deep": DEEP,
    "1 MiB": LONG,
    "spread": SPREAD,
}

VIEWS: list[list[str]] = [
    ["ls", "q"],
    ["ls", "q", "--plain"],
    ["ls", "q", "--json"],
    ["ls", "q", "--jsonl"],
    ["ls", "q", "--columns", "id,payload,headers,dedup_key"],
    ["dlq", "ls", "q"],
    ["show", "ID"],
    ["show", "ID", "--json"],
    ["dlq", "show", "q", "ID"],
    ["dlq", "show", "q", "ID", "--jsonl"],
]

# What this program itself sends to a terminal: colours, attributes, moving to the line's start, clearing a line.
OWN = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[lh]|2K|[0-9]*A)|\r\n|\r|\n")
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def harmless(text: str, *, terminal: bool = False) -> bool:
    text = OWN.sub("", text) if terminal else text.replace("\n", "")
    return UNSAFE.search(text.replace("\t", "")) is None


def killed(jq: Program, payload: bytes) -> str:
    """A dead job with hostile text in every field that a producer or a worker fills in."""
    text = "\x1b[31m\u202e [bold]\u2028\u200b\x9b \x07\n\r\tend"
    put(jq, "q", payload, headers={text: text}, dedup_key=text, dedup_ttl=60.0)
    output = json.dumps({"stdout": text, text: text, "nested": {text: [text]}}).encode()
    [id] = end(jq, "q", 1, Outcome("permanent", error=text, output=output))
    return id


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
@pytest.mark.parametrize("view", VIEWS, ids=" ".join)
def test_no_view_passes_hostile_text_on(jq: Program, view: list[str], payload: bytes) -> None:
    id = killed(jq, payload)
    args = [id if arg == "ID" else arg for arg in view]
    # Tabs separate the fields of --plain, and are there for nothing else.
    piped = jq.ok(*args)
    assert piped.out.count("\t") == (12 if "--plain" in view else 0)
    assert harmless(piped.out), piped
    assert id in piped.out
    if payload is not LONG:
        terminal = jq.on_terminal(*args)
        assert terminal.code == 0, terminal
        assert harmless(terminal.out, terminal=True), terminal


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_json_gives_every_payload_back_as_it_was(jq_on_each: Program, payload: bytes) -> None:
    [id] = put(jq_on_each, "q", payload)
    for args in (["ls", "q", "--jsonl"], ["show", id, "--json"], ["show", id, "--jsonl"]):
        result = jq_on_each.ok(*args)
        # Half a character is no JSON that a handler could be given; it is shown as the text it is.
        expected = payload.decode() if payload is LONE else json.loads(payload)
        assert json.loads(result.out)["payload"] == expected
        if "--jsonl" in args:
            assert len(result.lines) == 1


def test_markup_is_shown_as_it_is(jq: Program) -> None:
    put(jq, "q", b'"[red]x[/red]"')
    assert '"[red]x[/red]"' in jq.on_terminal("ls", "q", columns=200).out


@pytest.mark.parametrize(
    "payload", [b"\xff\xfe", b"{broken", b"[" * 100_000, b"", b"1 2"], ids=["bytes", "broken", "deep", "none", "two"]
)
def test_a_payload_that_is_not_json_is_shown_as_text(jq: Program, payload: bytes) -> None:
    [id] = put(jq, "q", payload)
    assert isinstance(json.loads(jq.ok("ls", "q", "--jsonl").out)["payload"], str)
    for view in (["ls", "q"], ["show", id], ["show", id, "--json"]):
        result = jq.ok(*view)
        assert harmless(result.out), result


def test_a_worker_may_call_itself_what_it_likes(jq: Program) -> None:
    note = {
        "id": "\x1b[2Jw",
        "host": "\u202eh",
        "pid": 1,
        "started_at": 1,
        "seen_at": 2,
        "queues": ["\x07"],
        "state": "\x9b",
    }
    with store_of(jq) as backend:
        backend.swap(WORKER_NOTE + "w", None, json.dumps(note).encode())
        backend.swap(WORKER_NOTE + "x", None, b"\xff not a registration")
    for form in ([], ["--plain"], ["--json"], ["-q"]):
        result = jq.ok("workers", *form)
        assert harmless(result.out)
        assert "w" in result.out
    assert harmless(jq.on_terminal("workers").out, terminal=True)
    assert harmless(jq("requeue", "--worker", "\x1b[2Jv").err)


def test_a_reason_for_a_pause_may_be_anything(jq: Program) -> None:
    put(jq, "q", b"1")
    with store_of(jq) as backend:
        backend.control("q", Setting(paused=True, reason="\x1b[2J\u202e[red]", by="\x07"))
    for form in ([], ["--plain"], ["--json"]):
        assert harmless(jq.ok("ls-queues", "--columns", "queue,paused_reason,paused_by", *form).out)
    assert harmless(jq.on_terminal("ls-queues", "--columns", "queue,paused_reason,paused_by").out, terminal=True)


@pytest.mark.parametrize(
    "args",
    [["len", "\x1b[2J"], ["\x1b[2J"], ["len", "--\x1b[2J"], ["show", "q", "\x1b[2J"], ["--config", "\x1b[2J", "len"], ["ls", "q", "--columns", "\x1b"],
     ["--backend", "\x1b[2J://x", "len"], ["enqueue", "q", "--from", "\x1b[2J"], ["len", "--state", "\x1b[2J"]],
    ids=ascii,
)  # fmt: skip
def test_messages_about_hostile_arguments_are_harmless(jq: Program, args: list[str]) -> None:
    put(jq, "q", b"1")
    result = jq(*args)
    assert result.code in (2, 3)
    assert harmless(result.err)
    assert harmless(jq.on_terminal(*args).out, terminal=True)


def test_a_job_of_a_dead_letter_queue_keeps_its_form_in_a_table(jq: Program) -> None:
    dead(jq, "q", error="line 1\nline 2\r\x1b[A")
    assert len(jq.ok("dlq", "ls", "q").lines) == 2
    assert len(jq.ok("dlq", "ls", "q", "--plain").lines) == 2
