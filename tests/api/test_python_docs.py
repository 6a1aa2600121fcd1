"""The Python examples of the documentation are run as they stand, page by page, with a worker beside them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
JQ = str(Path(sys.executable).with_name("jq"))


def program(page: str) -> str:
    """The Python blocks of a page as one program."""
    blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(), re.DOTALL | re.MULTILINE)
    assert blocks, f"{page} has no example"
    return "\n".join(blocks)


@pytest.mark.parametrize("page", ["python.md", "from-rq-or-celery.md"])
def test_the_examples_of_a_page_run(page: str, tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "JQ_BACKEND": "sqlite://jobs.db"}
    (tmp_path / "jq.yaml").write_text("defaults: {handler: echo}\n")
    worker = subprocess.Popen(
        [JQ, "work", "emails", "reports", "-q"],
        env=env,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program(page)],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        worker.kill()
        worker.wait()
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
