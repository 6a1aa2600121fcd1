"""Whether a store can be used: asked on the spot, one question after the other, for `jq backends --check`."""

import time
from collections.abc import Callable, Iterator

import msgspec

from jq_cli.backends.base import Backend
from jq_cli.backends.schema import SchemaState
from jq_cli.errors import BackendError

PROBLEM = 9
"""What a command ends with when the store answers, and cannot be used."""


class Finding(msgspec.Struct, frozen=True):
    """The answer to one question. `exit_code` 0: it is well; else what a command ends with that asks no more than this."""

    check: str
    detail: str
    exit_code: int = 0


def inspect(opened: Callable[[], Backend]) -> Iterator[Finding]:
    """Open a store and ask it, up to the first thing that is not well. Closes it. Raises UsageError for a store that is named
    wrongly; errors of the store are findings."""
    asked = "open"
    try:
        with opened() as backend:
            yield Finding(asked, backend.url)
            for asked, question in QUESTIONS.items():
                yield Finding(asked, question(backend))
    except BackendError as error:
        yield Finding(asked, str(error), PROBLEM if error.exit_code == BackendError.exit_code else error.exit_code)


def advice(state: SchemaState) -> str:
    """What to do about tables that this program cannot work with."""
    if state.version is None:
        return f"no schema {state.name} there yet; run `jq db init`"
    return "run `jq db upgrade`" if state.version < state.known else "made by a newer jq; upgrade jq"


def _schema(backend: Backend) -> str:
    if backend.schema is None:
        return "needs no tables made"
    state = backend.schema.status()
    if not state.usable:
        raise BackendError(f"{backend.url}: {advice(state)}")
    return f"{state.name} version {state.version}"


def _read(backend: Backend) -> str:
    ahead = (backend.now() - time.time_ns() // 1_000_000) / 1_000
    number = len(backend.queues())
    return (
        f"{number} {'queue' if number == 1 else 'queues'}; its clock and that of this host differ by {abs(ahead):.1f}s"
    )


def _write(backend: Backend) -> str:
    return backend.check()


QUESTIONS: dict[str, Callable[[Backend], str]] = {"schema": _schema, "read": _read, "write": _write}
"""What is asked of a store that was opened, in this order."""
