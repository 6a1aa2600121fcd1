"""What the documentation shows exists: its commands parse, its configurations load, its links lead somewhere."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from jq_cli.cli.root import root
from jq_cli.cli.session import Session
from jq_cli.config.schema import read_file

HOME = Path(__file__).parents[2]
PAGES = sorted([*HOME.glob("*.md"), *(HOME / "docs").glob("*.md")])
SHELL = {"", "sh", "console", "bash", "ini"}
CALL = re.compile(r"(?:^|[ (=/])(?:jq|jobq) (?=[a-z])(.*)")
SECTIONS = {"backend", "backends", "queues", "defaults", "worker"}


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """The language and text of each code block."""
    yield from re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def shown(page: Path) -> Iterator[list[str]]:
    """The arguments of each call of the program that a page shows."""
    for language, text in blocks(page):
        lines = text.replace("\\\n", " ").splitlines() if language in SHELL else []
        for line in lines:
            typed = line.removeprefix("$ ") if language != "console" or line.startswith("$ ") else ""
            if not typed.startswith(("jq:", "#")) and (match := CALL.search(typed)):
                yield arguments(match[1])


def arguments(line: str) -> list[str]:
    """The words of a call up to a pipe, a redirection, a comment or the end of the command."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if set(word) <= set("|&;<>()"):
            break
        words.append("1" if "$" in word else word)  # what the shell would put there
    return words


def parse(words: list[str]) -> None:
    context = root.make_context("jq", list(words), obj=Session())
    command: click.Command = root
    while isinstance(command, click.Group):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert command is not None
        context = command.make_context(name, rest, parent=context)


def calls() -> list[tuple[str, list[str]]]:
    return [(page.name, words) for page in PAGES for words in shown(page) if words and "..." not in " ".join(words)]


@pytest.mark.parametrize(
    ("page", "words"), calls(), ids=lambda part: " ".join(part) if isinstance(part, list) else part
)
def test_a_command_in_the_documentation_can_be_typed(page: str, words: list[str]) -> None:
    parse([word for word in words if word != "[OPTIONS]"])


def configurations() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for language, text in blocks(page):
            for document in yaml.safe_load_all(text) if language == "yaml" else ():
                assert isinstance(document, dict), f"{page.name}: {text}"
                found += [
                    (page.name, yaml.safe_dump(part)) for part in (document, *inner(document)) if SECTIONS & part.keys()
                ]
    return found


def inner(document: dict[str, object]) -> Iterator[dict[str, object]]:
    """Configurations inside a ConfigMap."""
    data = document.get("data")
    for text in data.values() if isinstance(data, dict) else ():
        yield yaml.safe_load(text)


@pytest.mark.parametrize(("page", "text"), configurations())
def test_a_configuration_in_the_documentation_is_valid(page: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "jq.yaml"
    path.write_text(text)
    assert read_file(str(path))[1] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_in_the_documentation_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


# --- what is typed is run, or says why not ---

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
TYPED = re.compile(
    r"^(?:\$ |(?:[A-Z_]+=\S+ )*(?:jq|jobq|pip|make|docker|python|sqlite3|systemctl|redis-cli|psql) )", re.MULTILINE
)
INDENTED = re.compile(r"^    (.*)", re.MULTILINE)
TESTED = re.compile(r"^<!-- tested(?: by (\S+))? -->$", re.MULTILINE)
NOT_RUN = re.compile(r"<!-- not run: \S.* -->\n\Z")


def untested(text: str) -> list[str]:
    """What a page has its readers type that nobody runs, without a word about why; and commands in blocks of no kind, which
    nobody would look for."""
    found = []
    for fence in FENCE.finditer(text):
        if fence[2] in ("sh", "console", "bash", "shell"):
            run = TESTED.search(text) and fence[2] in ("sh", "console") and not fence[1]
            if not run and not NOT_RUN.search(text[: fence.start()]):
                found.append(fence[3])
        elif not fence[2] and TYPED.search(fence[3]):
            found.append(fence[3])
    return found + [line for line in INDENTED.findall(FENCE.sub("", text)) if TYPED.match(line)]


@pytest.mark.parametrize("page", sorted((HOME / "docs").rglob("*.md")), ids=lambda page: page.name)
def test_what_a_page_has_its_readers_type_is_run_or_says_why_not(page: Path) -> None:
    text = page.read_text()
    assert untested(text) == []
    for test in TESTED.findall(text):
        assert not test or page.name in (HOME / test).read_text(), f"{test} does not know of {page.name}"


def test_what_nobody_runs_is_found() -> None:
    run = "```sh\njq len\n```\n"
    assert untested(run) == ["jq len\n"]
    assert untested(f"<!-- not run: it needs a server -->\n{run}") == []
    assert untested(f"<!-- not run: it needs a server -->\n{run}{run}") == ["jq len\n"]
    assert untested(f"<!-- not run: -->\n{run}") == ["jq len\n"]
    assert untested(f"<!-- tested -->\n{run}") == []
    assert untested(f"<!-- tested by tests/x.py -->\n{run}") == []
    assert untested("<!-- tested -->\n```bash\njq len\n```\n") == ["jq len\n"]
    assert untested("```\nBACKEND=memory jq len\n```\n") == ["BACKEND=memory jq len\n"]
    assert untested("    jq len\n") == ["jq len"]
    assert untested("```text\njq len\n```\n\n    [Unit]\n") == []
