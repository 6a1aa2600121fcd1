"""The examples of docs/api.md are made, one after the other, against a server with a token."""

import json
import re
import shlex
from collections.abc import Iterator

import pytest

from jq_cli.server.access import chosen_token
from tests.architecture import HOME
from tests.server.asking import Answer, ask
from tests.serving import Serving

PAGE = HOME.parent / "docs" / "api.md"
ADDRESS = "http://127.0.0.1:8787"
TOKEN = "a-secret-of-some-length"


@pytest.fixture
def server() -> Iterator[Serving]:
    with Serving("memory://", tokens=[chosen_token("ADMIN_TOKEN", TOKEN)]) as server:
        yield server


def commands() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def made(server: Serving, command: str, known: dict[str, str]) -> Answer:
    """The answer to what a command would ask."""
    for name, value in known.items():
        command = command.replace(f"${name}", value)
    program, *words = shlex.split(command)
    assert program == "curl"
    options: dict[str, list[str]] = {"-H": [], "-X": [], "-d": []}
    paths = []
    while words:
        word = words.pop(0)
        if word in options:
            options[word].append(words.pop(0))
        else:
            paths.append(word.removeprefix(ADDRESS))
    [path] = paths
    headers = dict(header.split(": ", 1) for header in options["-H"])
    body = options["-d"][0].encode() if options["-d"] else None
    method = options["-X"][0] if options["-X"] else "GET" if body is None else "POST"
    token = headers.pop("Authorization").removeprefix("Bearer ")
    assert headers == ({} if body is None else {"Content-Type": "application/json"})
    return ask(server.url, method, path, body, token=token)


def test_every_example_on_the_page_does_what_it_says(server: Serving) -> None:
    known = {"TOKEN": TOKEN}
    examples = commands()
    assert len(examples) > 20
    for example in examples:
        answer = made(server, example, known)
        assert answer.status < 300, (example, answer)
        if "/v1/jobs " in example:
            known["ID"] = answer.json["id"]


def test_the_page_names_every_route_of_the_document() -> None:
    document = json.loads((HOME.parent / "docs" / "openapi.json").read_text())
    text = PAGE.read_text()
    readable = {path for path, methods in document["paths"].items() if "get" in methods and path.startswith("/v1")}
    assert {path for path in readable if f"`{path}`" not in text} == set()
