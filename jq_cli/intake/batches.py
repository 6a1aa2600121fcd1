"""Takes in many jobs from lines: checks a file whole before its first job, then enqueues in batches in constant memory."""

from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import msgspec

from jq_cli.backends.base import Inserted
from jq_cli.cli.interrupts import Interrupts
from jq_cli.client import LONG_RESEND_AFTER, Client
from jq_cli.draft import Draft
from jq_cli.errors import BackendUnreachable, InvalidField, UsageError
from jq_cli.intake.drafting import LineDrafter, id_hash
from jq_cli.intake.lines import TooLong
from jq_cli.intake.sending import Sending

BATCH = 1_000
BATCH_BYTES = 4 * 1024 * 1024
MOST_ERRORS = 20

Batches = Iterator[list[bytes | TooLong]]


class Tally(msgspec.Struct):
    """What became of the lines. `settled`: every line up to this one is enqueued, skipped or answered."""

    created: int = 0
    duplicates: int = 0
    replayed: int = 0
    refused: int = 0
    invalid: int = 0
    settled: int = 0
    sent: int = 0


class Intake:
    """One run over the lines of one input.

    say      is told of each line that is refused or skipped
    created  is told the ids of each batch of new jobs
    step     is called after each batch
    """

    def __init__(
        self,
        drafter: LineDrafter,
        *,
        skip_lines: int,
        skip_invalid: bool,
        say: Callable[[str], None],
        created: Callable[[list[str]], None],
        step: Callable[[], None],
    ) -> None:
        self._drafter = drafter
        self._skip = skip_lines
        self._skip_invalid = skip_invalid
        self._say = say
        self._created = created
        self._step = step
        self._flight: _Flight | None = None
        self.tally = Tally(settled=skip_lines)

    # --- the first pass over a file ---

    def check(self, open_lines: Callable[[], Batches]) -> None:
        """Raises UsageError, having said what is wrong with which line, unless every line makes a draft."""
        self._drafter.given_ids = array("Q")
        bad = self._say_first(self._mistakes(open_lines()), None if self._skip_invalid else MOST_ERRORS)
        repeated = _repeated(self._drafter.given_ids)
        self._drafter.given_ids = None
        repeats = self._say_first(self._repeats(open_lines(), repeated), MOST_ERRORS) if repeated else 0
        if repeats or (bad and not self._skip_invalid):
            raise UsageError(
                "nothing was enqueued; --skip-invalid skips such lines" if not repeats else "nothing was enqueued"
            )

    def _say_first(self, messages: Iterator[str], most: int | None) -> int:
        count = 0
        for count, message in enumerate(messages, 1):
            if most is None or count <= most:
                self._say(message)
        if most is not None and count > most:
            self._say(f"and {count - most:,} more")
        return count

    def _mistakes(self, batches: Batches) -> Iterator[str]:
        check = self._drafter.check
        for number, line in self._numbered(batches):
            try:
                check(_whole(line))
            except InvalidField as error:
                yield _said(number, error)

    def _repeats(self, batches: Batches, repeated: frozenset[int]) -> Iterator[str]:
        first: dict[int, int] = {}
        for number, line in self._numbered(batches):
            try:
                draft = self._drafter.draft(_whole(line))
            except InvalidField:
                continue
            if (key := id_hash(draft)) in repeated and first.setdefault(key, number) != number:
                yield f"line {number}: id: {draft.job.id} is on line {first[key]} already"

    def _numbered(self, batches: Batches) -> Iterator[tuple[int, bytes | TooLong]]:
        number = 0
        for lines in batches:
            for line in lines:
                number += 1
                if number > self._skip and (type(line) is TooLong or line.strip()):  # type: ignore[union-attr]
                    yield number, line
            self._step()

    # --- enqueuing ---

    def run(self, batches: Batches, client: Client, interrupts: Interrupts, *, checked: bool) -> None:
        """Enqueue the lines. `checked`: they are a file's, whose invalid lines were said before.

        Unless told to skip them, the first invalid line raises UsageError; what comes before it is enqueued then. An
        interruption is held back until the batch under way is answered.
        """
        try:
            for batch in self._gather(batches, checked=checked):
                with interrupts.held():
                    self._land()
                    self._flight = _Flight(client, batch)
                    self.tally.sent = batch.last
                    if not batch.full:
                        # The last one, or all that a slow writer has written so far.
                        self._land()
        finally:
            with interrupts.held():
                self._land()

    def _land(self) -> None:
        flight, self._flight = self._flight, None
        if flight is not None:
            self._settle(flight.batch, flight.answers())
            flight.client.resend_after = LONG_RESEND_AFTER
            self.tally.settled = max(self.tally.settled, flight.batch.last)
            self._step()

    def _gather(self, batches: Batches, *, checked: bool) -> Iterator["_Batch"]:
        batch = _Batch()
        for lines in batches:
            left = iter(lines)
            while stopped := self._fill(batch, left, say=not checked):
                yield batch
                if isinstance(stopped, UsageError):
                    raise stopped
                batch = _Batch(batch.last)
            if not checked and batch.drafts:
                # A slow writer's lines go in as they come; a fast one's fill the pipe meanwhile, so its batches grow.
                yield batch
                batch = _Batch(batch.last)
        yield batch

    def _fill(self, batch: "_Batch", lines: Iterator[bytes | TooLong], *, say: bool) -> UsageError | bool:
        """Take lines until they end (False), the batch is full (True) or one of them stops the run."""
        draft, skip, drafts, numbers = self._drafter.draft, self._skip, batch.drafts, batch.numbers
        for line in lines:
            batch.last = number = batch.last + 1
            if number <= skip:
                continue
            try:
                made = draft(line if line.__class__ is bytes else _whole(line))
            except InvalidField as error:
                if problem := self._bad(line, number, error, say=say):
                    batch.last -= 1
                    return problem
                continue
            drafts.append(made)
            numbers.append(number)
            batch.size += len(made.job.payload)
            if len(drafts) >= BATCH or batch.size >= BATCH_BYTES:
                return True
        return False

    def _bad(self, line: bytes | TooLong, number: int, error: InvalidField, *, say: bool) -> UsageError | None:
        if isinstance(line, bytes) and not line.strip():
            return None
        if not self._skip_invalid:
            return UsageError(_said(number, error))
        self.tally.invalid += 1
        if say:
            self._say(_said(number, error))
        return None

    def _settle(self, batch: "_Batch", answers: Sequence[Inserted]) -> None:
        ids = [answer.id for answer in answers if answer.status == "created"]
        self.tally.created += len(ids)
        if len(ids) < len(answers):
            for number, answer in zip(batch.numbers, answers, strict=True):
                self._count(number, answer)
        self._created(ids)

    def _count(self, number: int, answer: Inserted) -> None:
        if answer.status == "duplicate":
            self.tally.duplicates += 1
        elif answer.status == "replayed":
            self.tally.replayed += 1
        elif answer.status == "mismatch":
            self.tally.refused += 1
            self._say(f"line {number}: idempotency mismatch: job {answer.id} used the key with another payload")

    def stopped(self, error: BaseException) -> str:
        """Where an unfinished run stopped and how to go on, for people."""
        done, sent, first = self.tally.settled, self.tally.sent, self._skip + 1
        told = (
            f"lines {first}-{done} enqueued, continue with --skip-lines {done}"
            if done >= first
            else "nothing was enqueued"
        )
        if isinstance(error, BackendUnreachable) and sent > done:
            told += f"; whether lines {done + 1}-{sent} were stored is unknown, sending them again may make duplicates"
        return told


class _Batch:
    """Drafts with the numbers of their lines; `last`: the last line looked at."""

    def __init__(self, last: int = 0) -> None:
        self.drafts: list[Draft] = []
        self.numbers: list[int] = []
        self.size = 0
        self.last = last

    @property
    def full(self) -> bool:
        return len(self.drafts) >= BATCH or self.size >= BATCH_BYTES


class _Flight(Sending):
    def __init__(self, client: Client, batch: _Batch) -> None:
        self.batch = batch
        super().__init__(client, batch.drafts)


def _said(number: int, error: InvalidField) -> str:
    return f"line {number}: {error.problem if error.field == 'line' else error}"


def _whole(line: bytes | TooLong) -> bytes:
    if isinstance(line, TooLong):
        raise InvalidField("line", f"{line.size:,} bytes are more than a job may have (max_payload)")
    return line


def _repeated(hashes: "array[int]") -> frozenset[int]:
    return frozenset(one for one, next_one in pairwise(sorted(hashes)) if one == next_one)
