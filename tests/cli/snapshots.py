"""Views as they were when somebody last looked at them and found them good: texts in the folder `snapshots`.

A test that finds another text fails. When the new one is what is wanted, `UPDATE_SNAPSHOTS=1 pytest tests/cli/...` writes it; look at
the difference before it is committed.
"""

import os
import re
from pathlib import Path

from tests.cli.program import Program

FOLDER = Path(__file__).with_name("snapshots")
WIDTHS = (80, 140)


def check(name: str, text: str) -> None:
    """Compares a text with the snapshot of that name."""
    path = FOLDER / f"{name}.txt"
    shown = "".join(f"{line.rstrip()}\n" for line in text.replace("\r\n", "\n").splitlines())
    if os.environ.get("UPDATE_SNAPSHOTS"):
        FOLDER.mkdir(exist_ok=True)
        path.write_text(shown)
    assert path.exists(), f"no snapshot {path.name}; it would be:\n{shown}"
    assert shown == path.read_text(), f"{path.name} differs"


def seen(jq: Program, width: int, *arguments: str, answer: str | None = None) -> str:
    """What a person sees on a terminal of that width, without colour, the path of the store left out."""
    result = jq.on_terminal(*arguments, columns=width, answer=answer, env={"NO_COLOR": "1"})
    return re.sub(r"(sqlite|redis)://[^\s)]+", "STORE", result.out)
