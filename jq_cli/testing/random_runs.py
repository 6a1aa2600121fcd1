"""Random sequences of calls, compared with the memory backend: what no list of named cases thinks of."""

import os
from typing import Protocol

from jq_cli.backends.base import Backend
from jq_cli.ids import nonce
from jq_cli.testing.clock import ManualClock
from jq_cli.testing.machine import run_machine


class Runs(Protocol):
    """What a class of tests must have for random runs; see ConformanceSuite."""

    runs: int
    steps: int

    def open(self, clock: ManualClock, namespace: str) -> Backend: ...


class RandomRunsTests:
    """`runs` runs of `steps` steps each; the environment variable JQ_SOAK multiplies the runs."""

    runs = 100
    steps = 50

    def test_random_sequences_of_calls_are_answered_as_the_model_answers_them(self: Runs) -> None:
        runs = round(self.runs * float(os.environ.get("JQ_SOAK", "1")))
        run_machine(self.open, lambda: "t" + nonce(), runs=runs, steps=self.steps)
