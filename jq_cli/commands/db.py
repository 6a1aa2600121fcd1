"""`jq db`: the tables behind a store that needs some made, as Postgres does."""

from jq_cli.cli.lazy_group import Entry, LazyGroup

COMMANDS: dict[str, Entry] = {
    "init": ("jq_cli.commands.db_init", "Make what the store needs."),
    "status": ("jq_cli.commands.db_status", "Show what there is, and what to know about it."),
    "upgrade": ("jq_cli.commands.db_upgrade", "Bring it to the version of this jq."),
    "sql": ("jq_cli.commands.db_sql", "Print the statements, to apply them by hand."),
}

command = LazyGroup("db", help="Make, show and upgrade the tables of a store.", sections={"Commands": COMMANDS})
