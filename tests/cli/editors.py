"""Editors for tests: shell scripts that get the file's name as `$1` and do to it what a person might."""

from pathlib import Path

from tests.cli.program import SCRIPTS, Program


def editor(jq: Program, *lines: str) -> dict[str, str]:
    """The variable that makes the program use a script of these lines as editor. `JQ` in them is the program. The script fails with
    the first line that fails: what did not happen meanwhile cannot be what a test is about."""
    script = jq.home / "an editor.sh"
    text = "\n".join(lines).replace("JQ", f"{SCRIPTS}/jobq")
    script.write_text(f"#!/bin/sh -e\n{text}\n")
    script.chmod(0o755)
    return {"EDITOR": f"'{script}'", "TMPDIR": str(jq.home)}


def kept(jq: Program) -> list[Path]:
    """The files that the program left behind for the operator."""
    return sorted(path for path in jq.home.glob("jq-*") if path.suffix in (".json", ".txt"))
