"""A namespace that nobody else has: made for a run of a benchmark, and removed afterwards however that ends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from secrets import token_hex

from msgspec.structs import replace

from jq_cli.backends.base import Backend
from jq_cli.cli.interrupts import Interrupts
from jq_cli.cli.session import Session, say
from jq_cli.errors import BackendError, UsageError

LONGEST_NAME = 128


class Space:
    """The store in a namespace of its own. Hooks are not told of what happens here."""

    def __init__(self, session: Session) -> None:
        mark = f"-bench-{token_hex(4)}"
        self.namespace = session.settings.namespace[: LONGEST_NAME - len(mark)] + mark
        self._session = Session()
        self._session.settings = replace(session.settings, namespace=self.namespace, hooks={})
        self.backend = self._session.open()
        self._kept = self.backend.url.startswith("memory:")

    @property
    def open_another(self) -> Callable[[], nullcontext[Backend] | Backend]:
        """Opens the store once more, for another thread; use it as a context manager."""
        return (lambda: nullcontext(self.backend)) if self._kept else self._session.open

    def demand_empty(self) -> None:
        """Raises UsageError when something is here already: then the store does not tell namespaces apart."""
        if self.backend.queues() or self.backend.read(""):
            raise UsageError(
                f"{self.backend.url}: the new namespace {self.namespace} is not empty, so this store does not tell "
                "namespaces apart, perhaps because of an option such as schema; measure one where nothing is kept"
            )

    def remove(self) -> None:
        """Remove it, over a connection of its own: a call that was interrupted may have left the other in any state."""
        self.backend.close()
        try:
            with self._session.open() as backend:
                backend.erase()
        except BackendError as error:
            say(f"the namespace {self.namespace} could not be removed: {error}")


@contextmanager
def own_space(session: Session, interrupts: Interrupts) -> Iterator[Space]:
    """A namespace for a `with` block. A signal cuts the block, but not its removal unless it comes twice."""
    space = Space(session)
    try:
        space.demand_empty()
    except BaseException:
        space.backend.close()
        raise
    try:
        yield space
    finally:
        with interrupts.held():
            space.remove()
