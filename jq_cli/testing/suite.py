"""The conformance suite: docs/semantics.md in executable form, section by section."""

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
from jq_cli.testing.subject import Subject
from jq_cli.testing.timekeeping import TimekeepingTests
from jq_cli.testing.watching import WatchingTests


class ConformanceSuite(
    Subject,
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
    """Everything a backend must do. Derive a test class from it that says where the store is; see Subject for what else it
    may say.

    class TestMyStore(ConformanceSuite):
        url = "mystore://localhost/test"
    """
