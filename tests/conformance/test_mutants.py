"""The kit is worth what it catches: every planted bug, by the named tests and by the random runs, each on its own."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase

from jq_cli.backends.base import Backend
from jq_cli.backends.memory.backend import open_memory
from jq_cli.errors import BackendUnreachable
from jq_cli.testing import ConformanceSuite, ManualClock, Store
from jq_cli.testing.machine import run_machine
from tests.cluster_service import ClusterService
from tests.conformance.damage import damage_memory
from tests.conformance.mutants import MEMORY
from tests.conformance.mutants_policy import POLICY, Misjudgement, judging_wrongly
from tests.conformance.mutants_stores import CLUSTER, DYNAMODB, OBJECTS, POSTGRES, REDIS, SQLITE
from tests.conformance.planting import Mutant, planted
from tests.dynamodb_server import DynamoServer

SOAK = "JQ_SOAK" in os.environ
Errors = tuple[type[Exception], ...]
WRONG: Errors = (AssertionError, BackendUnreachable)
"""A wrong answer or none; a statement that the server cannot parse is another error, and proves nothing."""

NAMED = [name for name in dir(ConformanceSuite) if name.startswith("test_") and "random_sequences" not in name]


def first_to_fail(
    opener: Callable[..., Backend], url: str = "memory://", tests: str = "", errors: Errors = (Exception,)
) -> str | None:
    """The first of the named tests whose name contains `tests` that fails on a store with such an error, or None."""
    chosen = [name for name in NAMED if tests in name]
    assert chosen
    for name in chosen:
        store = Store(partial(_open, opener, url), alone=url == "memory://", damager=damage_memory)
        try:
            getattr(ConformanceSuite(), name)(store)
            store.check()
        except errors:
            return name
        finally:
            store.close()
    return None


def _open(opener: Callable[..., Backend], url: str, clock: ManualClock, namespace: str) -> Backend:
    return opener(url, clock=clock, namespace=namespace)


def random_runs(opener: Callable[..., Any], runs: int = 400, **options: Any) -> None:
    """A few random runs: with a given version of Hypothesis the same ones each time, unless something else is asked for."""
    open_it = partial(_open, opener, "memory://")
    run_machine(
        open_it, str, runs=runs, steps=50, database=None, phases=[Phase.generate], **{"derandomize": True, **options}
    )


def test_a_copy_without_a_bug_passes_the_whole_kit(tmp_path: Path) -> None:
    opener = planted("memory", (), tmp_path)
    assert first_to_fail(opener) is None
    random_runs(opener, 400 if SOAK else 100)


@pytest.mark.parametrize("mutant", MEMORY, ids=str)
def test_the_named_tests_catch(mutant: Mutant, tmp_path: Path) -> None:
    assert first_to_fail(planted("memory", mutant.edits, tmp_path)) is not None


LATE_FOUND = (
    "an at_most_once job that must wait is passed by others",
    "the next queue is looked at although a job must wait",
    "max_running counts the claim alone",
    "idle is counted for each queue alone",
    "the end of a job frees a key that another job has taken",
    "the outcome of an idempotent job is dropped",
    "a refused outcome trims the finished jobs",
    "the oldest ready job is that at the head",
)
"""What random runs take longest to find. The named tests find these too, so only long runs look for them at random."""


@pytest.mark.parametrize(
    "mutant", [each for each in MEMORY if each.machine and (SOAK or each.name not in LATE_FOUND)], ids=str
)
def test_the_random_runs_catch(mutant: Mutant, tmp_path: Path) -> None:
    opener = planted("memory", mutant.edits, tmp_path)
    with pytest.raises(Exception):  # noqa: B017, PT012 - a wrong answer or a crash
        random_runs(opener)
        random_runs(opener, 2_000, derandomize=False)  # another version may begin with runs that happen to miss it


@pytest.mark.parametrize("bug", POLICY, ids=str)
def test_the_named_tests_catch_a_policy_where(bug: Misjudgement) -> None:
    with judging_wrongly(bug):
        assert first_to_fail(open_memory) is not None


@pytest.mark.parametrize("mutant", SQLITE, ids=str)
def test_the_named_tests_catch_in_sql(mutant: Mutant, tmp_path: Path, sqlite_url: str) -> None:
    url = f"{sqlite_url}?timeout=60s"
    assert first_to_fail(planted("sqlite", (), tmp_path / "whole"), url, mutant.tests) is None
    assert first_to_fail(planted("sqlite", mutant.edits, tmp_path / "bad"), url, mutant.tests, WRONG) is not None


@pytest.mark.parametrize("mutant", POSTGRES, ids=str)
def test_the_named_tests_catch_in_postgres(mutant: Mutant, tmp_path: Path, postgres_url: str) -> None:
    assert first_to_fail(planted("postgres", (), tmp_path / "whole"), postgres_url, mutant.tests) is None
    assert (
        first_to_fail(planted("postgres", mutant.edits, tmp_path / "bad"), postgres_url, mutant.tests, WRONG)
        is not None
    )


@pytest.mark.parametrize("mutant", REDIS, ids=str)
def test_the_named_tests_catch_in_lua(mutant: Mutant, tmp_path: Path, redis_url: str) -> None:
    assert first_to_fail(planted("redis", (), tmp_path / "whole"), redis_url, mutant.tests) is None
    assert first_to_fail(planted("redis", mutant.edits, tmp_path / "bad"), redis_url, mutant.tests, WRONG) is not None


@pytest.mark.parametrize("mutant", CLUSTER, ids=str)
def test_the_named_tests_catch_in_a_cluster(mutant: Mutant, tmp_path: Path, redis_cluster: ClusterService) -> None:
    url = f"{redis_cluster.url}&accept_failover_risk=true"
    assert first_to_fail(planted("redis", (), tmp_path / "whole"), url, mutant.tests) is None
    assert first_to_fail(planted("redis", mutant.edits, tmp_path / "bad"), url, mutant.tests, WRONG) is not None


@pytest.mark.parametrize("mutant", OBJECTS, ids=str)
def test_the_named_tests_catch_in_a_folder(mutant: Mutant, tmp_path: Path, folder_url: str) -> None:
    url = f"{folder_url}?timeout=60s"
    assert first_to_fail(planted("objects", (), tmp_path / "whole"), url, mutant.tests) is None
    assert first_to_fail(planted("objects", mutant.edits, tmp_path / "bad"), url, mutant.tests, WRONG) is not None


@pytest.mark.skipif(not SOAK, reason="a longer run under JQ_SOAK")
@pytest.mark.parametrize("mutant", DYNAMODB, ids=str)
def test_the_named_tests_catch_in_items(mutant: Mutant, tmp_path: Path, dynamodb_server: DynamoServer) -> None:
    opener, bad = planted("dynamodb", (), tmp_path / "whole"), planted("dynamodb", mutant.edits, tmp_path / "bad")
    assert first_to_fail(opener, dynamodb_server.table(), mutant.tests) is None
    assert first_to_fail(bad, dynamodb_server.table(), mutant.tests, WRONG) is not None
