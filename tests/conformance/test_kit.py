"""The kit as a stranger uses it: one class in a test file of his own, run by his pytest."""

import os
import subprocess
import sys
from pathlib import Path

ONE_CLASS = """
from jq_cli.testing import ConformanceSuite


class TestMyStore(ConformanceSuite):
    url = "memory://"
    alone = True
    runs, steps = 3, 10
"""
FORGETFUL = """
from jq_cli.backends.memory.backend import MemoryBackend
from jq_cli.testing import ConformanceSuite


class Forgetful(MemoryBackend):
    def swap(self, key, old, new):
        return True


class TestForgetful(ConformanceSuite):
    alone = True
    runs, steps = 200, 6

    def open(self, clock, namespace):
        return Forgetful(clock)
"""


def run(folder: Path, source: str, *options: str) -> str:
    """What pytest prints about a test file with this source."""
    (folder / "test_mine.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", *options, "test_mine.py"]
    env = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # the plugins of our own tests take seconds to import
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False).stdout


def test_one_class_runs_all_of_it(tmp_path: Path) -> None:
    output = run(tmp_path, ONE_CLASS)
    assert "failed" not in output
    assert "error" not in output
    passed = int(output.rpartition(" passed")[0].split()[-1])
    assert passed > 290


def test_rows_are_not_damaged_without_a_hook_and_the_tests_say_so(tmp_path: Path) -> None:
    output = run(tmp_path, ONE_CLASS, "-k", "damaged")
    assert "no damage hook for this backend" in output
    assert " passed" not in output


def test_a_failure_shows_what_was_compared(tmp_path: Path) -> None:
    output = run(tmp_path, FORGETFUL, "-k", "note_that_is_absent_is_written")
    assert "AssertionError: assert {} == {'a': b'1'}" in output


def test_a_failing_random_run_shows_its_steps_and_how_to_bring_it_back(tmp_path: Path) -> None:
    output = run(tmp_path, FORGETFUL, "-k", "random")
    assert "state.step(action=('swap'" in output
    assert "the store answered" in output
    assert "reproduce_failure" in output
