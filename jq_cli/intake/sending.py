"""Drafts on their way to a store, for those who make the next ones meanwhile."""

import threading
from collections.abc import Sequence
from contextvars import copy_context

from jq_cli.backends.base import Inserted
from jq_cli.client import Client
from jq_cli.draft import Draft


class Sending:
    """A batch on its way: a thread waits for the store while the next batch is made. Have no more than one out, so that the
    store is used by one thread at a time and the order is kept, and take its answers whatever happens."""

    def __init__(self, client: Client, drafts: Sequence[Draft]) -> None:
        self.client = client
        self._drafts = drafts
        self._answers: list[Inserted] = []
        self._error: BaseException | None = None
        # In the caller's context, or a trace that goes on there would not be found.
        self._thread = threading.Thread(target=copy_context().run, args=(self._send,))
        self._thread.start()

    def _send(self) -> None:
        try:
            self._answers = self.client.enqueue(self._drafts) if self._drafts else []
        except BaseException as error:
            self._error = error

    def answers(self) -> list[Inserted]:
        """What the store said; raises what went wrong."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._answers
