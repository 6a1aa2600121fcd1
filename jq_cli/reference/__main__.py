"""Writes the reference pages into a folder: `python -m jq_cli.reference docs`."""

import sys
from pathlib import Path

from jq_cli.reference import commands, errors, options

PAGES = {"commands.md": commands.page, "options.md": options.page, "errors.md": errors.page}
"""File name to what makes its text."""

if __name__ == "__main__":
    for name, page in PAGES.items():
        (Path(sys.argv[1]) / name).write_text(page())
