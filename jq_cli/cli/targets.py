"""Commands on several things at once: where their names come from, and what the exit code is when some of them fail."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

from jq_cli.cli.session import say
from jq_cli.draft import check_name
from jq_cli.errors import JqError, UsageError
from jq_cli.ids import is_ulid


class Targets:
    """Counts successes and failures. An error on one is said and does not stop the rest."""

    def __init__(self) -> None:
        self.done = 0
        self._errors: list[JqError] = []

    def each(self, names: Iterable[str], call: Callable[[str], None], *, bears: type[JqError] = JqError) -> None:
        """Make a call for each name. Errors that one target `bears` do not stop the rest; others leave here."""
        for name in names:
            try:
                call(name)
            except bears as error:
                self.failed(error)
            else:
                self.done += 1

    def failed(self, error: JqError) -> None:
        """Say what went wrong with one."""
        say(str(error))
        if len(self._errors) < 2:
            self._errors.append(error)

    def end(self) -> None:
        """End the command with the code of the only target's error, or 7 when one of several failed."""
        if not self._errors:
            return
        alone = len(self._errors) == 1 and self.done == 0
        raise SystemExit(self._errors[0].exit_code if alone else 7)


def split_queue(names: tuple[str, ...], verb: str) -> tuple[str | None, tuple[str, ...]]:
    """The queue before the ids, if there is one. Raises UsageError when no id follows it."""
    if names[0] == "-" or is_ulid(names[0]):
        return None, names
    queue = check_name(names[0])
    if len(names) == 1:
        raise UsageError(f"name a job: jq {verb} {queue} ID")
    return queue, names[1:]


def ids_from(arguments: Sequence[str], options: Sequence[str] = ()) -> Iterator[str]:
    """The ids named as arguments and by `--id`; `-` stands for those on stdin, one a line."""
    for id in (*arguments, *options):
        if id == "-":
            yield from _from_stdin()
        else:
            yield id


def _from_stdin() -> Iterator[str]:
    if sys.stdin is None:
        raise UsageError("stdin is closed, so no ids can be read from it")
    for line in sys.stdin.buffer:
        if id := line.decode("utf-8", errors="backslashreplace").strip():
            yield id
