"""The conformance suite: docs/semantics.md in executable form, section by section."""

from collections.abc import Iterator

import pytest

from jq_cli.backends.base import Backend
from jq_cli.backends.registry import open_backend
from jq_cli.testing.clock import ManualClock
from jq_cli.testing.concurrency import ConcurrencyTests
from jq_cli.testing.controls import ControlsTests
from jq_cli.testing.damage import DamageTests
from jq_cli.testing.dedup import DedupTests
from jq_cli.testing.delivery import DeliveryTests
from jq_cli.testing.failing import FailingTests
from jq_cli.testing.idempotency import IdempotencyTests
from jq_cli.testing.identity import IdentityTests
from jq_cli.testing.keeping import KeepingTests
from jq_cli.testing.leases import LeasesTests
from jq_cli.testing.listing import ListingTests
from jq_cli.testing.notes import NotesTests
from jq_cli.testing.order import OrderTests
from jq_cli.testing.random_runs import RandomRunsTests
from jq_cli.testing.recovery import RecoveryTests
from jq_cli.testing.states import StatesTests
from jq_cli.testing.store import Store
from jq_cli.testing.timekeeping import TimekeepingTests
from jq_cli.testing.watching import WatchingTests


class ConformanceSuite(
    IdentityTests,  # 1, 2   names, ids, and a record that comes back as it was sent
    StatesTests,  # 3        the life-cycle picture, arrow by arrow
    OrderTests,  # 4         who goes first
    DeliveryTests,  # 5      at least once, at most once
    LeasesTests,  # 6        leases, fencing, outcomes sent again
    RecoveryTests,  # 7      dead workers, the maintenance tick
    FailingTests,  # 8       failures, retries, snoozes, expiry
    DedupTests,  # 9         one job for each deduplication key
    IdempotencyTests,  # 9   one outcome for each idempotency key
    KeepingTests,  # 10      what stays, and for how long
    TimekeepingTests,  # 12  whose clock counts
    DamageTests,  # 13       rows nobody expected
    ControlsTests,  # 14     pause and max_running
    ListingTests,
    NotesTests,
    WatchingTests,
    ConcurrencyTests,
    RandomRunsTests,
):
    """Everything a backend must do. Derive a test class from it that says where the store is:

        class TestMyStore(ConformanceSuite):
            url = "mystore://localhost/test"

    url     opened through the registry with a namespace of its own for each test; or override `open`
    alone   set it when every `open` makes a new, empty store inside this process: tests of several clients then share
            one handle among threads
    damage  override it, or the tests of damaged rows are skipped
    """

    url = ""
    alone = False

    def open(self, clock: ManualClock, namespace: str) -> Backend:
        """The store under test, bound to a clock and a namespace. Opened twice with one namespace it is the same store."""
        return open_backend(self.url, namespace=namespace, clock=clock)

    def damage(self, backend: Backend, queue: str, id: str, body: bytes) -> None:
        """Overwrite the stored body of a job with these bytes, past the seam, as a defect or a newer version would."""
        pytest.skip("the suite has no damage hook for this backend, so rows cannot be damaged")

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        """A fresh store; after the test its counts, listings and rows must tell the same story."""
        store = Store(self.open, alone=self.alone, damager=self.damage)
        try:
            yield store
            store.check()
        finally:
            store.close()
