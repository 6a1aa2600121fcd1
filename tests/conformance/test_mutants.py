"""The kit is worth what it catches: every planted bug, by the named tests and by the random runs, each on its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase

from jq_cli.testing import ConformanceSuite, ManualClock, Store
from jq_cli.testing.machine import run_machine
from tests.conformance.damage import damage_memory
from tests.conformance.mutants import MEMORY
from tests.conformance.planting import Mutant, planted

NAMED = [name for name in dir(ConformanceSuite) if name.startswith("test_") and "random_sequences" not in name]


def first_to_fail(opener: Callable[..., Any]) -> str | None:
    """The first named test that fails on a memory store, or None."""
    suite = ConformanceSuite()
    for name in NAMED:
        store = Store(lambda clock, _: opener("memory://", clock=clock), alone=True, damager=damage_memory)
        try:
            getattr(suite, name)(store)
            store.check()
        except Exception:
            return name
        finally:
            store.close()
    return None


def random_runs(opener: Callable[..., Any]) -> None:
    """A few random runs, the same ones each time."""

    def open_it(clock: ManualClock, _namespace: str) -> Any:
        return opener("memory://", clock=clock)

    run_machine(open_it, str, runs=400, steps=50, derandomize=True, database=None, phases=[Phase.generate])


def test_a_copy_without_a_bug_passes_the_whole_kit(tmp_path: Path) -> None:
    opener = planted("memory", (), tmp_path)
    assert first_to_fail(opener) is None
    random_runs(opener)


@pytest.mark.parametrize("mutant", MEMORY, ids=str)
def test_the_named_tests_catch(mutant: Mutant, tmp_path: Path) -> None:
    assert first_to_fail(planted("memory", mutant.edits, tmp_path)) is not None


@pytest.mark.parametrize("mutant", [mutant for mutant in MEMORY if mutant.machine], ids=str)
def test_the_random_runs_catch(mutant: Mutant, tmp_path: Path) -> None:
    opener = planted("memory", mutant.edits, tmp_path)
    with pytest.raises(Exception):  # noqa: B017 - a wrong answer or a crash
        random_runs(opener)
