"""The commands page is what the commands themselves say."""

from pathlib import Path

from jq_cli.cli.reference import pages

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


def test_the_commands_page_is_the_generated_one() -> None:
    assert PAGE.read_text() == pages(), "run: make docs"
