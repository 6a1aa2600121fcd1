"""Where stored data meets a terminal or a pipe: one form for every listing, chosen by options that all listings share."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Literal

import msgspec

from jq_cli.durations import format_duration, format_moment
from jq_cli.errors import UsageError
from jq_cli.job import gist
from jq_cli.view.records import Record
from jq_cli.view.safe_text import safe_json, safe_text
from jq_cli.view.table import Column, aligned, print_rich

MOMENTS = frozenset(
    {
        "ready_at", "created_at", "started_at", "finished_at", "expires_at", "lease_until", "seen_at", "paused_until",
        "first_at", "last_at",

        "last_fire", "next_fire", "tick", "paused_at", "waiting",
        "at",
    }
)  # fmt: skip
DURATIONS = frozenset(
    {"timeout", "retention", "dedup_ttl", "idempotency_ttl", "oldest_ready_age", "ttl", "lag", "lease_left"}
    | {f"{what}_p{part}" for what in ("wait", "run") for part in (50, 95, 99)}
)


class Form(msgspec.Struct, frozen=True):
    """How to print. `limit` 0: everything; `watch`: seconds between repetitions, None: once."""

    kind: Literal["table", "json", "jsonl", "plain", "ids"] = "table"
    columns: tuple[str, ...] = ()
    headers: bool = True
    time: Literal["relative", "iso", "unix"] | None = None
    limit: int = 0
    watch: float | None = None
    color: str = "auto"

    @property
    def terminal(self) -> bool:
        """Whether the table is for a terminal that can do more than print lines."""
        if self.kind != "table" or os.environ.get("TERM") == "dumb":
            return False
        return self.color == "always" or is_terminal(sys.stdout)


WIDE = 120
"""Cells that a terminal needs for a listing that has `few` columns to show all of its usual ones."""


class Listing(msgspec.Struct, frozen=True):
    """What can be listed: its fields in JSON, those shown unless others are asked for, the one that `-q` prints.

    `few` are shown on a narrow terminal. `more` fields are there only for those who ask with `--columns`; `whole` ones are never
    cut. `heads` are shorter names in the table that is shown unless columns are asked for.
    """

    fields: tuple[str, ...]
    columns: tuple[str, ...]
    id: str
    more: tuple[str, ...] = ()
    whole: frozenset[str] = frozenset({"id", "queue", "state"})
    heads: Mapping[str, str] = {}
    few: tuple[str, ...] = ()

    def chosen(self, form: Form) -> tuple[str, ...]:
        """The fields to print. Raises UsageError for one that does not exist."""
        for name in form.columns:
            if name not in self.fields and name not in self.more:
                known = ", ".join((*self.fields, *self.more))
                raise UsageError(f"no column {name[:40]!r}; known: {known}")
        if form.columns:
            return form.columns
        if form.kind in ("json", "jsonl"):
            return self.fields
        return self.few if self.few and form.terminal and _narrow() else self.columns


def _narrow() -> bool:
    from shutil import get_terminal_size  # listings in a pipe, which are many, do without it

    return get_terminal_size().columns < WIDE


class Answer(msgspec.Struct, frozen=True):
    """What a store answered: records, and its time in ms, from which relative times are told."""

    records: Iterable[Record]
    now: int


def show(listing: Listing, fetch: Callable[[], Answer], form: Form) -> int:
    """Print a listing in its form, again and again with `--watch`. Gives how many records were printed last."""
    listing.chosen(form)
    if form.watch is None:
        return emit(listing, fetch(), form)
    while True:
        answer = fetch()
        if form.terminal:
            sys.stdout.write("\x1b[H\x1b[J")
        emit(listing, answer, form)
        sys.stdout.flush()
        time.sleep(form.watch)


def emit(listing: Listing, answer: Answer, form: Form) -> int:
    """Print one answer."""
    prepare(sys.stdout)
    fields = listing.chosen(form)
    counted = _Counted(islice(answer.records, form.limit or None))
    if form.kind in ("json", "jsonl"):
        _emit_json(counted, fields, as_array=form.kind == "json")
    elif form.kind == "ids":
        for record in counted:
            print(safe_text(str(record[listing.id])))
    elif form.kind == "plain":
        _emit_plain(counted, fields, form, answer.now)
    else:
        _emit_table(counted, fields, form, answer.now, listing)
    return counted.count


class _Counted:
    def __init__(self, records: Iterable[Record]) -> None:
        self._records = records
        self.count = 0

    def __iter__(self) -> Iterator[Record]:
        for record in self._records:
            self.count += 1
            yield record


def _emit_json(records: Iterable[Record], fields: Sequence[str], *, as_array: bool) -> None:
    before = "[\n " if as_array else ""
    for record in records:
        sys.stdout.write(before + json_text({name: record.get(name) for name in fields}))
        before = ",\n " if as_array else "\n"
    if as_array:
        print("[]" if before == "[\n " else "\n]")
    elif before:
        print()


def _emit_plain(records: Iterable[Record], fields: Sequence[str], form: Form, now: int) -> None:
    if form.headers:
        print("\t".join(fields))
    for record in records:
        print("\t".join(shown(name, record.get(name), form, now) for name in fields))


def _emit_table(records: Iterable[Record], fields: Sequence[str], form: Form, now: int, listing: Listing) -> None:
    kept = list(records)
    rows = [[_cell(name, record.get(name), form, now) for name in fields] for record in kept]
    heads = {} if form.columns else listing.heads
    columns = [Column(heads.get(name, name), name in listing.whole, _numeric(name, kept)) for name in fields]
    if form.terminal:
        print_rich(columns, rows, headers=form.headers, color=use_color(form.color, sys.stdout))
    else:
        sys.stdout.writelines(f"{line}\n" for line in aligned(columns, rows, headers=form.headers))


def _numeric(name: str, records: Sequence[Record]) -> bool:
    if name in MOMENTS:
        return False
    return all(type(record.get(name)) in (int, float, type(None)) for record in records)


def _cell(name: str, value: Any, form: Form, now: int) -> str:
    """A value in a table: of an error only its gist, because a traceback makes no row."""
    return shown(name, gist(value) if name in ("last_error", "error") and value else value, form, now) or "-"


def shown(name: str, value: Any, form: Form, now: int) -> str:
    """One value as one safe line of text; empty for None."""
    if value in (None, {}, []):
        return ""
    if name in MOMENTS:
        return moment(int(value), form, now)
    if name in DURATIONS:
        return format_duration(value * 1_000)
    if isinstance(value, str):
        return safe_text(value)
    return json_text(value)


def moment(ms: int, form: Form, now: int) -> str:
    """A moment as it may be typed: `-5m`, RFC 3339, or a Unix time in seconds."""
    style = form.time or ("relative" if form.terminal else "iso")
    if style == "iso":
        try:
            return format_moment(ms)
        except (ValueError, OverflowError, OSError):
            return str(ms)
    if style == "unix":
        return f"{ms / 1_000:.3f}"
    return ("+" if ms >= now else "-") + format_duration(abs(ms - now))


def json_text(value: Any) -> str:
    """A value as JSON on one line that cannot harm a terminal."""
    return safe_json(msgspec.json.encode(value)).decode()


def pretty_json(value: Any) -> str:
    """A value as indented JSON that cannot harm a terminal."""
    return msgspec.json.format(json_text(value), indent=2)


def is_terminal(stream: Any) -> bool:
    """Whether a person is looking."""
    return stream is not None and bool(stream.isatty())


def use_color(choice: str, stream: Any) -> bool:
    """Whether to use colour: as chosen, else on a terminal unless NO_COLOR is set or it is a dumb one."""
    if choice != "auto":
        return choice == "always"
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def prepare(stream: Any) -> None:
    """Have characters that the stream's encoding lacks shown as escapes instead of failing."""
    if stream is not None:
        stream.reconfigure(errors="backslashreplace")
