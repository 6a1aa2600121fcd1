"""The part of `jq enqueue --from` that people see: opening the source, progress, and what is told at the end."""

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import msgspec

from jq_cli.cli.interrupts import Interrupted, Interrupts
from jq_cli.cli.session import Session, say
from jq_cli.client import Client
from jq_cli.draft import Line
from jq_cli.errors import Conflict, JqError, PartlyDone, UsageError
from jq_cli.intake.batches import Intake, Tally
from jq_cli.intake.drafting import LineDrafter, delayed_until
from jq_cli.intake.lines import TooLong, read_lines
from jq_cli.view.bar import Bar

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
    with _Run.of(session, queue, source, wanted) as run:
        tally = run.whole(session.client, shared, at)
    run.summarise(tally)
    _tell(tally, wanted)


def take_lines(session: Session, client: Client, queue: str, source: str) -> None:
    """Enqueue every line, as `enqueue_lines` does, with a client that stays open. Any bad line stops it."""
    names = dict.fromkeys(("raw", "as_text", "skip_invalid", "fail_on_duplicate", "verbose", "as_json"), False)
    with _Run.of(session, queue, source, Wanted(skip_lines=None, **names)) as run:
        tally = run.whole(lambda: nullcontext(client), Line(payload=msgspec.Raw(b"null")), None)
    run.summarise(tally)


class _Run:
    """One source, read once or twice."""

    def __init__(self, session: Session, queue: str | None, wanted: Wanted, descriptor: int) -> None:
        self._session, self._queue, self._wanted, self._descriptor = session, queue, wanted, descriptor
        status = os.fstat(descriptor)
        self._file = stat.S_ISREG(status.st_mode) and descriptor != 0
        self._size = status.st_size if self._file else None
        self._bar = Bar(color=session.color != "never" and not os.environ.get("NO_COLOR"))
        self._store = ""
        self._seconds = 0.0

    @classmethod
    @contextmanager
    def of(cls, session: Session, queue: str | None, source: str, wanted: Wanted) -> Iterator["_Run"]:
        """A run over an open source, with its progress bar."""
        with _opened(source) as descriptor:
            run = cls(session, queue, wanted, descriptor)
            with run._bar:
                yield run

    def whole(self, client: Callable[[], AbstractContextManager[Client]], shared: Line, at: int | None) -> Tally:
        """Check a file, open the store, enqueue."""
        intake = self._intake(shared, "checking")
        if self._file:
            intake.check(self._lines)
        with client() as opened:
            self._store = opened.backend.url
            if at is not None:
                shared = delayed_until(shared, at, opened.backend.now())
            intake = self._intake(shared, "enqueuing")
            self._enqueue(intake, opened)
        return intake.tally

    def _enqueue(self, intake: Intake, client: Client) -> None:
        started = time.monotonic()
        with Interrupts() as interrupts:
            try:
                intake.run(self._lines(), client, interrupts, checked=self._file)
            except (JqError, Interrupted) as error:
                self._bar.stop()
                if isinstance(error, JqError):
                    say(str(error))
                say(intake.stopped(error))
                raise SystemExit(error.exit_code if isinstance(error, JqError) else error.code) from None
        self._seconds = time.monotonic() - started

    def summarise(self, tally: Tally) -> None:
        """Say what became of the lines."""
        told = {
            "duplicates": tally.duplicates,
            "replayed": tally.replayed,
            "refused": tally.refused,
            "invalid": tally.invalid,
        }
        parts = [f"{tally.created:,} enqueued", *(f"{name}: {count:,}" for name, count in told.items() if count)]
        rate = tally.created / max(self._seconds, 0.001)
        say(f"{', '.join(parts)} in {self._seconds:.1f}s ({rate:,.0f}/s, store: {self._store})")

    def _intake(self, shared: Line, phase: str) -> Intake:
        wanted = self._wanted
        drafter = LineDrafter(self._session.settings, self._queue, shared, raw=wanted.raw, as_text=wanted.as_text)
        intake = Intake(
            drafter,
            skip_lines=wanted.skip_lines or 0,
            skip_invalid=wanted.skip_invalid,
            say=say,
            created=self._created,
            step=lambda: self._bar.step(phase, intake.tally.created, self._read(), self._size),
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
