"""Writers of one store that take turns request by request, in an order that the test says: what comes of it is the same each time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle
from threading import Condition, Thread, get_ident
from typing import Any

from tests.backends.dict_store import DictStore

STEP = 0.01
"""Seconds that a step takes by the clock of the steps."""


class Stopped(BaseException):
    """The test is over."""


class LockStep:
    """Runs writers, one at a time. `order` names who takes the next step, over and over; a request is a step, and a pause is as
    many as its time lets others take."""

    def __init__(self, order: Sequence[str]) -> None:
        self.now = 5_000.0
        self._order: Iterator[str] = cycle(order)
        self._next = next(self._order)
        self._condition = Condition()
        self._names: dict[int, str] = {}
        self._over = False

    def clock(self) -> float:
        """The time of the steps."""
        return self.now

    def beside(self, store: DictStore) -> DictStore:
        """The store as one of the writers has it."""
        return Stepping(store, self)

    def sleep(self, seconds: float) -> None:
        """Let the others go on."""
        end = self.now + seconds
        while self.now < end:
            self.step()

    def run(self, main: str, work: dict[str, Callable[[], object]]) -> None:
        """Let each writer do its work until the main one has done its own. Raises what that raised."""
        failed: list[BaseException] = []

        def begin(name: str) -> None:
            self._names[get_ident()] = name
            try:
                self._await()
                work[name]()
            except Stopped:
                pass
            except BaseException as error:
                failed.append(error)
            finally:
                self._end(over=name == main or bool(failed))

        threads = [Thread(target=begin, args=(name,)) for name in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]

    def step(self) -> None:
        """Let others take steps until it is one's turn again."""
        with self._condition:
            self.now += STEP
            self._next = next(self._order)
            self._condition.notify_all()
        self._await()

    def _await(self) -> None:
        name = self._names.get(get_ident())
        with self._condition:
            self._condition.wait_for(lambda: self._over or self._next == name)
            if self._over:
                raise Stopped

    def _end(self, over: bool) -> None:
        with self._condition:
            self._over = self._over or over
            self._condition.notify_all()


class Stepping(DictStore):
    """A store in lock step with others. What is asked for at the same time is one step."""

    def __init__(self, store: DictStore, steps: LockStep) -> None:
        super().__init__()
        self.objects, self.modified, self.time = store.objects, store.modified, store.time
        self._steps, self._together = steps, False

    def each(self, work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        self._steps.step()
        self._together = True
        try:
            return super().each(work, items)
        finally:
            self._together = False

    def _do(self, request: str, name: str, work: Callable[[], Any]) -> Any:
        if not self._together:
            self._steps.step()
        return super()._do(request, name, work)
