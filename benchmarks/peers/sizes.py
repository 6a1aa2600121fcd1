"""How much is measured: a full run, a quick one, and a tiny one for tests."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Seconds are what a measure of a rate aims at; counts follow from a trial of each peer before the first round."""

    rounds: int = 3
    trial_jobs: int = 500
    trial_seconds: float = 0.7
    one_seconds: float = 2.0
    bulk_seconds: float = 2.0
    drain_seconds: float = 5.0
    latencies: int = 100
    looks: int = 3
    settle_seconds: float = 2.0
    recovery_seconds: float = 120.0
    most_jobs: int = 500_000


FULL = Sizes()
QUICK = Sizes(
    rounds=1, trial_seconds=0.4, one_seconds=0.7, bulk_seconds=0.7, drain_seconds=2.0, latencies=20, looks=2,
    settle_seconds=1.0, recovery_seconds=35.0,
)  # fmt: skip
TINY = Sizes(
    rounds=1, trial_jobs=20, trial_seconds=0, one_seconds=0, bulk_seconds=0, drain_seconds=0, latencies=2, looks=1,
    settle_seconds=0.1, recovery_seconds=2.0, most_jobs=50,
)  # fmt: skip
