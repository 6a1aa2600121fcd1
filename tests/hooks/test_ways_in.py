"""Whatever way a job comes in, hooks hear of it; and the page about hooks shows code that works."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

import jq_cli
from tests.e2e.program import ROOT

BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.fixture
def told(tmp_path: Path, plugins: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a hook that the configuration here names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jq.yaml").write_text(f"hooks:\n  mine: {{kind: file, path: {tmp_path / 'told'}}}\n")
    return tmp_path / "told"


def names(path: Path) -> list[str]:
    return [json.loads(line)["event"] for line in path.read_text().splitlines()]


def test_jobs_of_the_python_api_are_told(told: Path, sqlite_url: str) -> None:
    with jq_cli.connect(sqlite_url) as store:
        assert store.queue("q").enqueue({"n": 1})
    assert names(told) == ["enqueued"]


def test_a_forked_process_tells_by_itself(told: Path, sqlite_url: str) -> None:
    with jq_cli.connect(sqlite_url) as store:
        store.queue("q").enqueue(1)
        pid = os.fork()
        if pid == 0:
            try:
                store.queue("q").enqueue(2)
                store.close()
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        store.queue("q").enqueue(3)
    assert names(told) == ["enqueued"] * 3
    assert len({json.loads(line)["job"] for line in told.read_text().splitlines()}) == 3


def test_the_code_on_the_page_about_hooks_works() -> None:
    blocks = BLOCK.findall((ROOT / "docs" / "hooks.md").read_text())
    assert len(blocks) == 2
    spaces: list[dict[str, Any]] = []
    for block in blocks:
        space: dict[str, Any] = {}
        exec(compile(block, "hooks.md", "exec"), space)
        spaces.append(space)
    hook = spaces[1]["make"]({"prefix": "shop"})
    hook.deliver([jq_cli_event()])
    hook.close()
    assert hook.sent == ["shop.q.dead:1|c"]


def jq_cli_event() -> Any:
    from jq_cli.hooks.event import Event

    return Event(event="dead", queue="q", job="j", attempt=1)
