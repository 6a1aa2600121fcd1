"""The store that a class of tests is about, and what is to be known of it."""

import os
from collections.abc import Iterator

import pytest

from jq_cli.backends.base import Backend
from jq_cli.backends.registry import open_backend
from jq_cli.testing.clock import ManualClock
from jq_cli.testing.store import Store


class Subject:
    """What a class of tests says about its store. Chapters of the suite alone run where a class derives from this and from them.

    url     opened through the registry with a namespace of its own for each test; or override `open`
    alone   set it when every `open` makes a new, empty store inside this process: tests of several clients then share
            one handle among threads
    slow    divides the numbers of jobs in the few tests that need hundreds or thousands, for a store (or a simulation of one)
            that would take minutes for them; the environment variable JQ_SOAK brings the full numbers back
    damage  override it, or the tests of damaged rows are skipped
    """

    url = ""
    alone = False
    slow = 1

    def open(self, clock: ManualClock, namespace: str) -> Backend:
        """The store under test, bound to a clock and a namespace. Opened twice with one namespace it is the same store."""
        return open_backend(self.url, namespace=namespace, clock=clock)

    def damage(self, backend: Backend, queue: str, id: str, body: bytes) -> None:
        """Overwrite the stored body of a job with these bytes, past the seam, as a defect or a newer version would."""
        pytest.skip("the suite has no damage hook for this backend, so rows cannot be damaged")

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        """A fresh store; after the test its counts, listings and rows must tell the same story."""
        slow = 1 if "JQ_SOAK" in os.environ else self.slow
        store = Store(self.open, alone=self.alone, slow=slow, damager=self.damage)
        try:
            yield store
            store.check()
        finally:
            store.close()
