"""The session on the README's first screen is real: its commands are run and their output compared."""

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"
VARYING = [
    (r"\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b", "ID"),
    (r"worker \S+", "worker NAME"),
    (r"sqlite://\S+?(?=[)\s]|$)", "STORE"),
    (r"in [0-9.]+m?s \([0-9]+/s\)", "in TIME"),
]


def steady(text: str) -> list[str]:
    for pattern, name in VARYING:
        text = re.sub(pattern, name, text)
    return [line.rstrip() for line in text.splitlines()]


def test_the_session_in_the_readme_prints_what_it_shows(tmp_path: Path) -> None:
    [session] = re.findall(r"```console\n(.*?)```", README.read_text(), re.DOTALL)
    commands = [line[2:] for line in session.splitlines() if line.startswith("$ ")]
    shown = "\n".join(line for line in session.splitlines() if not line.startswith("$ "))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ran = [
        subprocess.run(
            ["sh", "-c", f"{command} 2>&1"],
            env={"PATH": path, "HOME": str(tmp_path)},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        for command in commands
    ]
    assert len(commands) == 6
    assert steady("".join(ran)) == steady(shown)
