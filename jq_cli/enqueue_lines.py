"""The part of `jq enqueue --from` that people see: opening the source, progress, and what is told at the end."""

import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from jq_cli.bar import Bar
from jq_cli.client import Client
from jq_cli.draft import Line
from jq_cli.drafting import LineDrafter, delayed_until
from jq_cli.errors import Conflict, JqError, PartlyDone, UsageError
from jq_cli.intake import Intake, Tally
from jq_cli.interrupts import Interrupted, Interrupts
from jq_cli.lines import TooLong, read_lines
from jq_cli.session import Session, say

SLACK = 128 * 1024
"""Bytes of a line beyond its payload: headers, keys and the other options."""


class Wanted(msgspec.Struct):
    """What the command line asks for beside the jobs' own options."""

    raw: bool
    as_text: bool
    skip_lines: int | None
    skip_invalid: bool
    fail_on_duplicate: bool
    verbose: bool
    as_json: bool


def enqueue_lines(
    session: Session, queue: str | None, source: str, shared: Line, *, at: int | None, **options: Any
) -> None:
    """Enqueue every line of a file, checked whole first, or of stdin (`-`) as they come. `at`: ms of a moment to wait for."""
    wanted = Wanted(**options)
    tally = _take(session, queue, source, wanted, shared, at)
    _tell(tally, wanted)


def take_lines(session: Session, queue: str, source: str) -> None:
    """Enqueue every line, as `enqueue_lines` does, for a caller that goes on to work them. Any bad line stops it."""
    names = dict.fromkeys(("raw", "as_text", "skip_invalid", "fail_on_duplicate", "verbose", "as_json"), False)
    _take(session, queue, source, Wanted(skip_lines=None, **names), Line(payload=msgspec.Raw(b"null")), None)


def _take(session: Session, queue: str | None, source: str, wanted: Wanted, shared: Line, at: int | None) -> Tally:
    with _opened(source) as descriptor:
        run = _Run(session, queue, wanted, descriptor)
        with run.bar:
            tally = run.whole(shared, at)
    say(_summary(tally, run))
    return tally


class _Run:
    """One source, read once or twice."""

    def __init__(self, session: Session, queue: str | None, wanted: Wanted, descriptor: int) -> None:
        self._session, self._queue, self._wanted, self._descriptor = session, queue, wanted, descriptor
        status = os.fstat(descriptor)
        self._file = stat.S_ISREG(status.st_mode) and descriptor != 0
        self._size = status.st_size if self._file else None
        self.bar = Bar(color=session.color != "never" and not os.environ.get("NO_COLOR"))
        self.store = ""
        self.seconds = 0.0

    def whole(self, shared: Line, at: int | None) -> Tally:
        intake = self._intake(shared, "checking")
        if self._file:
            intake.check(self._lines)
        with self._session.client() as client:
            self.store = client.backend.url
            if at is not None:
                shared = delayed_until(shared, at, client.backend.now())
            intake = self._intake(shared, "enqueuing")
            self._enqueue(intake, client)
        return intake.tally

    def _enqueue(self, intake: Intake, client: Client) -> None:
        started = time.monotonic()
        with Interrupts() as interrupts:
            try:
                intake.run(self._lines(), client, interrupts, checked=self._file)
            except (JqError, Interrupted) as error:
                self.bar.__exit__(None, None, None)
                if isinstance(error, JqError):
                    say(str(error))
                say(intake.stopped(error))
                raise SystemExit(error.exit_code if isinstance(error, JqError) else error.code) from None
        self.seconds = time.monotonic() - started

    def _intake(self, shared: Line, phase: str) -> Intake:
        wanted = self._wanted
        drafter = LineDrafter(self._session.settings, self._queue, shared, raw=wanted.raw, as_text=wanted.as_text)
        intake = Intake(
            drafter,
            skip_lines=wanted.skip_lines or 0,
            skip_invalid=wanted.skip_invalid,
            say=say,
            created=self._created,
            step=lambda: self.bar.step(phase, intake.tally.created, self._read(), self._size),
        )
        return intake

    def _created(self, ids: list[str]) -> None:
        if self._wanted.verbose and ids:
            sys.stdout.write("\n".join(ids) + "\n")
            sys.stdout.flush()

    def _lines(self) -> Iterator[list[bytes | TooLong]]:
        if self._file:
            os.lseek(self._descriptor, 0, os.SEEK_SET)
        return read_lines(self._descriptor, self._session.settings.max_payload + SLACK)

    def _read(self) -> int | None:
        return os.lseek(self._descriptor, 0, os.SEEK_CUR) if self._file else None


@contextmanager
def _opened(source: str) -> Iterator[int]:
    if source == "-":
        if sys.stdin is None:
            raise UsageError("stdin is closed, so no jobs can be read from it")
        yield 0
        return
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"--from {source}: {error.strerror}") from None
    try:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise UsageError(f"--from {source}: is a directory")
        yield descriptor
    finally:
        os.close(descriptor)


def _tell(tally: Tally, wanted: Wanted) -> None:
    if wanted.as_json:
        names = ("created", "duplicates", "replayed", "refused", "invalid")
        print(msgspec.json.encode({name: getattr(tally, name) for name in names}).decode())
    elif not wanted.verbose:
        print(tally.created)
    if tally.refused or tally.invalid:
        raise SystemExit(PartlyDone.exit_code)
    if wanted.fail_on_duplicate and (tally.duplicates or tally.replayed):
        raise SystemExit(Conflict.exit_code)


def _summary(tally: Tally, run: _Run) -> str:
    parts = [f"{tally.created:,} enqueued"]
    parts += [f"{count:,} {name}" for name in ("duplicates", "replayed", "refused") if (count := getattr(tally, name))]
    if tally.invalid:
        parts.append(f"{tally.invalid:,} invalid lines skipped")
    rate = tally.created / max(run.seconds, 0.001)
    return f"{', '.join(parts)} in {run.seconds:.1f}s ({rate:,.0f}/s, store: {run.store})"
