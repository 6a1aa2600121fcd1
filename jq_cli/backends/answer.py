"""The answer of a call that was sent and is not waited for yet: for backends whose turns have two halves."""

from collections.abc import Callable
from typing import Generic, TypeVar

Given = TypeVar("Given")


class Answer(Generic[Given]):
    """What a call gives or raises: made once, by its owner or by whoever must wait for it first."""

    def __init__(self, call: Callable[[], Given]) -> None:
        self._call = call
        self._given: list[Given] = []
        self._error: Exception | None = None

    def take(self) -> Given:
        """What it gave. Raises what it raised."""
        self.await_it()
        if self._error is not None:
            raise self._error
        return self._given[0]

    def await_it(self) -> None:
        """Make the call, unless it was made."""
        if not self._given and self._error is None:
            try:
                self._given.append(self._call())
            except Exception as error:
                self._error = error


class Turns(Generic[Given]):
    """The turns of a backend whose turns have two halves: one that is begun before the last was taken is sent once that is
    answered, whole, or not at all when it failed."""

    def __init__(self) -> None:
        self._last: Answer[Given] | None = None

    def await_last(self) -> None:
        """Wait for the turn under way. Raises what it raised."""
        last, self._last = self._last, None
        if last is not None:
            last.take()

    def begun(self, call: Callable[[], Given]) -> Callable[[], Given]:
        """`call` waits for the answer of the turn that was sent just now. Gives what does so once."""
        answer = self._last = Answer(call)
        return lambda: self._taken(answer)

    def _taken(self, answer: Answer[Given]) -> Given:
        if self._last is answer:
            self._last = None
        return answer.take()
