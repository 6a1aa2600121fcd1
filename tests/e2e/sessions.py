"""Runs the shell sessions of a page of documentation and tells where what they print differs from what the page shows.

A page with the line `<!-- tested -->` is run by `test_docs.py`. All its blocks run in order in one shell (`sh`) in an empty
folder, which is its HOME too, so variables, functions and files stay from block to block:

- a `console` block types what follows `$ ` (continued by lines that begin with `> `, as a here-document needs) and shows what is
  printed, stdout and stderr together; a line `...` stands for any number of lines;
- a `sh` block is typed as it is; each of its commands must succeed and what it prints does not matter;
- a comment that begins with `<!-- run` is typed like a `sh` block and seen by no reader: for what a page takes for granted;
- a block below a line `<!-- not run: REASON -->` is left out.

What differs from run to run (ids, workers, paths of the store, moments, rates) is compared by its kind alone.
"""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
MARK = "<!-- tested -->"
TIMEOUT = 240

_BLOCK = re.compile(
    r"^<!-- not run: [^\n]+ -->\n```.*?^```|^```(console|sh)\n(.*?)^```|^<!-- run\n(.*?)-->", re.DOTALL | re.MULTILINE
)
_VARYING = [
    (r"\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b", "ID"),
    (r"worker \S+", "worker NAME"),
    (r"sqlite://\S+?(?=[)\s]|$)", "STORE"),
    (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "MOMENT"),
    (r"in [0-9.]+m?s \([0-9,]+/s\)", "in TIME"),
    (r"next try in [0-9.]+m?s", "next try in TIME"),
    (r"child \d+", "child NUMBER"),
]
_ANY = "..."


class Step(NamedTuple):
    """One thing typed, and what the page shows below it; None when the page does not show it, and then it must succeed."""

    typed: str
    shown: list[str] | None


def pages() -> list[Path]:
    """The README and the pages that ask to be tested."""
    return [ROOT / "README.md", *(page for page in sorted(ROOT.glob("docs/**/*.md")) if MARK in page.read_text())]


def steps(text: str) -> list[Step]:
    """What a page types, in order."""
    found: list[Step] = []
    for kind, block, hidden in _BLOCK.findall(text):
        if kind == "console":
            found += _console(block)
        elif block or hidden:
            found.append(Step(block or hidden, None))
    return found


def _console(block: str) -> list[Step]:
    found: list[Step] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append(Step(line[2:], []))
        elif line.startswith("> ") and not found[-1].shown:
            found[-1] = Step(f"{found[-1].typed}\n{line[2:]}", [])
        else:
            found[-1].shown.append(line)  # type: ignore[union-attr]
    return found


def differences(page: Path, folder: Path, **env: str) -> list[str]:
    """Runs a page in a folder; for each step that did not go as the page says what was typed, shown and printed."""
    typed = steps(page.read_text())
    assert typed, f"{page.name} types nothing"
    ran = _run(typed, folder, env)
    if len(ran) < len(typed):
        ran += [("the shell ended", 1)] * (len(typed) - len(ran))
    wrong = []
    for step, (printed, code) in zip(typed, ran, strict=True):
        if step.shown is None and code:
            wrong.append(f"{step.typed}\nended with {code}:\n{printed}")
        elif step.shown is not None and not agrees(steady("\n".join(step.shown)), steady(printed)):
            wrong.append(f"$ {step.typed}\n--- shown\n" + "\n".join(step.shown) + f"\n--- printed\n{printed}")
    return wrong


def agrees(shown: list[str], printed: list[str]) -> bool:
    """Whether the lines are those shown, where `...` stands for any."""
    pattern = "".join(r"(?:.*\n)*" if line == _ANY else re.escape(line) + r"\n" for line in shown)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in printed)) is not None


def steady(text: str) -> list[str]:
    """The lines with what varies named by its kind, and runs of spaces that may vary with it as one."""
    for pattern, name in _VARYING:
        text = re.sub(pattern, name, text)
    return [re.sub(r"(?<=\S) {2,}", "  ", line.rstrip()) for line in text.splitlines()]


def _run(typed: list[Step], folder: Path, env: dict[str, str]) -> list[tuple[str, int]]:
    """What each step printed, and how it ended."""
    end = "--end-of-step--"
    script = "".join(
        f"{step.typed}\nprintf '%s %s\\n' {end} $?\n" if step.shown is not None else _strict(step.typed, end)
        for step in typed
    )
    printed = folder.with_name(f"{folder.name}.out")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with printed.open("wb") as out:
        shell = subprocess.Popen(
            ["sh", "-c", script],
            env={"PATH": path, "HOME": str(folder), "LC_ALL": "C.UTF-8", **env},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
        try:
            shell.wait(TIMEOUT)
        finally:
            _end(shell)
    parts = re.findall(rf"(.*?){end} (\d+)\n", printed.read_text(errors="backslashreplace"), re.DOTALL)
    return [(text, int(code)) for text, code in parts]


def _strict(typed: str, end: str) -> str:
    # Not a subshell, which would lose the variables; so the first command that fails ends the shell.
    return f"""set -e
trap 'printf "%s %s\\n" {end} 1' EXIT
{typed}
trap - EXIT
set +e
printf '%s %s\\n' {end} 0
"""


def _end(shell: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(shell.pid, signal.SIGKILL)
    shell.wait()
