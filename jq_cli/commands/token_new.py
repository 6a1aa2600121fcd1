"""`jq token new`: make a token for `jq serve`."""

import os

import click

from jq_cli.cli import options
from jq_cli.cli.options import pass_session
from jq_cli.cli.session import Session, say
from jq_cli.draft import check_name
from jq_cli.errors import UsageError

HELP = """Make a token and print it, once. The file keeps only its hash.

NAME appears in the access log. Give the token to its user in JQ_TOKEN, or in a file named by JQ_TOKEN_FILE. Scopes: read,
enqueue[:queue], work[:queue], admin. Restart jq serve to let a new token in, or to shut out one whose line was removed.
"""


@options.command("new", HELP)
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, metavar="SCOPE", help="What it may do; may be given several times.")
@click.option(
    "--file", "path", metavar="FILE", help="Add its line to this file (for jq serve --tokens) instead of showing it."
)
@pass_session
def command(session: Session, name: str, scopes: tuple[str, ...], path: str | None) -> None:
    """Print the token on stdout; its line goes to the file, or to stderr."""
    from jq_cli.server.access import line_of, new_token, parse_scopes

    check_name(name, "name")
    if not scopes:
        raise UsageError("say what the token may do: --scope read, enqueue[:queue], work[:queue] or admin")
    token = new_token()
    line = line_of(name, parse_scopes(",".join(scopes)), token)
    if path is None:
        say(f"add this line to the file of jq serve --tokens:\n{line}")
    else:
        _append(path, line)
    print(token)


def _append(path: str, line: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(line + "\n")
    except OSError as error:
        raise UsageError(f"--file: {path}: {error.strerror}") from None
