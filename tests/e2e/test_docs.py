"""The sessions that the documentation shows are real: they are run, and what they print is compared."""

from pathlib import Path

import pytest

from tests.e2e.sessions import agrees, differences, pages, steady, steps


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_a_page_prints_what_it_shows(page: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    assert differences(page, home) == []


def ran(text: str, tmp_path: Path) -> list[str]:
    home = tmp_path / "home"
    home.mkdir()
    page = tmp_path / "page.md"
    page.write_text(text)
    return differences(page, home)


def test_a_session_that_prints_something_else_is_found(tmp_path: Path) -> None:
    wrong = ran("```console\n$ echo one\none\n$ echo two\nthree\n```\n", tmp_path)
    assert len(wrong) == 1
    assert "--- shown\nthree\n--- printed\ntwo" in wrong[0]


def test_blocks_share_a_shell_and_a_folder(tmp_path: Path) -> None:
    text = """
<!-- run
hidden=1
-->
```sh
here=$(pwd)
cat > f <<'END'
a
END
```

```console
$ test "$here" = "$HOME" && echo $hidden; cat f
1
a
$ cat <<'END'
> typed
> END
typed
```
"""
    assert ran(text, tmp_path) == []


def test_a_block_that_says_so_is_not_run(tmp_path: Path) -> None:
    marked = "<!-- not run: it would fail -->\n```sh\nfalse\n```\n"
    assert ran(f"{marked}```console\n$ echo 1\n1\n```\n", tmp_path) == []


def test_a_command_that_fails_unseen_is_found(tmp_path: Path) -> None:
    wrong = ran("```sh\ntrue\nfalse\ntrue\n```\n```console\n$ echo 1\n1\n```\n", tmp_path)
    assert len(wrong) == 2
    assert "ended with 1" in wrong[0]
    assert "the shell ended" in wrong[1]


def test_dots_stand_for_any_lines_and_ids_for_any_ids() -> None:
    assert agrees(["a", "...", "b"], ["a", "b"])
    assert agrees(["a", "...", "b"], ["a", "x", "y", "b"])
    assert not agrees(["a", "...", "b"], ["a", "x"])
    assert steady("01M861MRZWBVQC7VT65FXFGHB9   x") == steady("01M861MS6A0RN5S8ANNWT7NPC0  x")
    assert steady("01M861MRZWBVQC7VT65FXFGHB9") != steady("01M861MRZWBVQC7VT65FXFGHBI")


def test_the_readme_is_among_the_pages() -> None:
    assert pages()[0].name == "README.md"
    assert len(steps(pages()[0].read_text())) >= 6
