"""The keepers of a pool: the one that new children come from, and those that a reload replaced while children still worked."""

import selectors
import signal
from collections.abc import Callable, Sequence
from functools import partial

from jq_cli.errors import UsageError
from jq_cli.pool.crew import Crew
from jq_cli.pool.member import Member
from jq_cli.pool.orders import Notice


class Crews:
    """Starts and ends keepers. `make` starts one; `exited` is told of each child's end, `changed` that something happened,
    `tell` what people should know. With `concurrent`, only handlers that are async functions will do."""

    def __init__(
        self,
        make: Callable[[], Crew],
        children: Sequence[Member],
        selector: selectors.BaseSelector,
        *,
        concurrent: bool,
        exited: Callable[[Member, Notice], None],
        changed: Callable[[], None],
        tell: Callable[[str], None],
    ) -> None:
        self._make = make
        self._children = children
        self._selector = selector
        self._concurrent = concurrent
        self._exited = exited
        self._changed = changed
        self._tell = tell
        self._old: list[Crew] = []
        self.current = self._start()

    def replace(self) -> None:
        """Have new children come from a fresh keeper. Raises UsageError when its handlers cannot be loaded; then nothing
        changed."""
        crew = self._start()
        self._old.append(self.current)
        self.current = crew

    def restart(self) -> None:
        """Kill every keeper with its children and start afresh."""
        self.end()
        self.current = self._start()

    def end_old(self) -> None:
        """End the keepers that a reload replaced, once their last child is gone."""
        for crew in [crew for crew in self._old if all(child.crew is not crew for child in self._children)]:
            self._disband(crew)

    def end(self) -> None:
        """Kill every keeper with its children."""
        for crew in [*self._old, self.current]:
            self._disband(crew)

    def _start(self) -> Crew:
        crew = self._make()
        if self._concurrent and not crew.is_async:
            crew.end()
            raise UsageError("concurrency above 1 needs handlers that are async functions; use processes instead")
        self._selector.register(crew, selectors.EVENT_READ, partial(self._on_crew, crew))
        return crew

    def _on_crew(self, crew: Crew) -> None:
        notices = crew.notices()
        if notices is None:
            self._disband(crew)
            self._tell("the keeper process died; starting another")
            if crew is self.current:
                self.current = self._start()
            notices = []
        for notice in notices:
            child = self._children[notice.slot]
            if notice.what == "spawned":
                child.pid = notice.pid
            elif notice.what == "exited" and child.crew is crew:
                self._exited(child, notice)
        self._changed()

    def _disband(self, crew: Crew) -> None:
        """End a keeper and with it its children."""
        if crew in self._old:
            self._old.remove(crew)
        self._selector.unregister(crew)
        crew.end()
        for child in self._children:
            if child.crew is crew:
                self._exited(child, Notice("exited", child.index, child.pid, signal.SIGKILL))
