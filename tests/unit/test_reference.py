"""The reference pages are what the code itself says."""

from pathlib import Path

import pytest

from jq_cli.reference.__main__ import PAGES

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_the_generated_one(name: str) -> None:
    assert (DOCS / name).read_text() == PAGES[name](), "run: make docs"
