"""Nights of an operator: each script in `nights/` makes a mess, types what an operator would, and looks whether all is well."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "nights"
PAGE = Path(__file__).parents[2] / "docs" / "nights.md"
SCRIPTS = sorted(HERE.glob("[0-9]*.sh"))
NOT_HERE = 77
"""The exit code of a script that has no such night on a store."""

TIMEOUT = 280


def typed(script: Path) -> str:
    """What the operator types in a night."""
    [night] = re.findall(r"^# night\n(.*?)^# morning$", script.read_text(), re.DOTALL | re.MULTILINE)
    return night


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
@pytest.mark.parametrize("store", ["sqlite", "redis"])
def test_a_night_ends_well(
    script: Path, store: str, tmp_path: Path, namespace: str, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite://{tmp_path}/jq.db" if store == "sqlite" else request.getfixturevalue("redis_url")
    env = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "PRELUDE": str(HERE / "prelude.sh"),
        "JQ_BACKEND": url,
        "JQ_NAMESPACE": namespace,
        "LC_ALL": "C.UTF-8",
    }
    code, said = run(script, tmp_path, env)
    if code == NOT_HERE and store != "sqlite":
        pytest.skip("a night that only SQLite can have")
    assert code == 0, said


def run(script: Path, folder: Path, env: dict[str, str]) -> tuple[int, str]:
    said = folder / "said.txt"
    with said.open("wb") as out:
        shell = subprocess.Popen(
            ["sh", "-eu", str(script)],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
        try:
            code = shell.wait(TIMEOUT)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
    return code, said.read_text(errors="backslashreplace")


def test_the_page_shows_what_is_typed_in_each_night() -> None:
    shown = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert shown == [typed(script) for script in SCRIPTS]
