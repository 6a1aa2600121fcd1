"""`jq token`: who may use a server."""

from jq_cli.cli.lazy_group import Entry, LazyGroup

COMMANDS: dict[str, Entry] = {
    "new": ("jq_cli.commands.token_new", "Make a token."),
}

command = LazyGroup("token", help="Make tokens for jq serve.", sections={"Commands": COMMANDS})
